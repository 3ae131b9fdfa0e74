import Checkpoints
import Graphs
import ModelImport
import Pixels
import Tensors
import Testing

/// A narrow, shallow trunk that scripts/fixtures/make_trunk_fixtures.py made, with PyTorch's outputs.
struct TrunkFixture: CustomTestStringConvertible, Sendable {
  let name: String
  /// What the importer calls it.
  let architecture: String
  let preprocessing: Preprocessing

  static let all = [
    TrunkFixture(name: "senet", architecture: "senet[1, 2, 1, 1]", preprocessing: .imageNet),
    TrunkFixture(name: "nasnet", architecture: "nasneta[2, 2, 2]", preprocessing: .half),
    TrunkFixture(name: "pnasnet", architecture: "pnasnet5[6]", preprocessing: .half),
    TrunkFixture(name: "resnet_d", architecture: "seresnet[1, 2, 1, 1]d", preprocessing: .imageNet),
    TrunkFixture(name: "mobilenet_v2", architecture: "mobilenet_v2", preprocessing: .imageNet),
    TrunkFixture(name: "mobilenet_v3", architecture: "mobilenet_v3_small", preprocessing: .imageNet),
    TrunkFixture(name: "efficientnet_v2", architecture: "efficientnet[2, 2, 1, 2, 1, 2]", preprocessing: .imageNet),
    TrunkFixture(name: "efficientnet", architecture: "efficientnet[1, 2, 1, 1, 2, 1, 1]", preprocessing: .imageNet),
    TrunkFixture(name: "timm_efficientnet", architecture: "efficientnet[1, 2, 1, 2, 2, 1]", preprocessing: .imageNet),
    TrunkFixture(name: "regnet", architecture: "regnety[1, 2, 1, 1]", preprocessing: .imageNet),
    TrunkFixture(name: "repvgg", architecture: "repvgg[1, 2, 2, 1]", preprocessing: .imageNet),
    TrunkFixture(name: "mobileone", architecture: "repvgg[3, 3, 3, 3]", preprocessing: .imageNet),
    TrunkFixture(name: "densenet", architecture: "densenet[1, 2, 2, 1]", preprocessing: .imageNet),
    TrunkFixture(name: "convnext", architecture: "convnext[1, 1, 2, 1]", preprocessing: .imageNet),
    TrunkFixture(name: "convnextv2", architecture: "convnextv2[1, 1, 2, 1]", preprocessing: .imageNet),
  ]

  /// The prefix of the trunk's tensors.
  var prefix: String { name.contains("nasnet") ? "features.0.base_net." : name == "mobilenet_v3" ? "" : "features." }

  /// The classifier's name in the library that the trunk is from.
  var classifier: String {
    switch name {
    case "mobilenet_v2", "efficientnet_v2": "classifier.1"
    case "mobilenet_v3": "classifier.3"
    case "timm_efficientnet", "densenet": "classifier"
    case "efficientnet": "_fc"
    case "resnet_d", "regnet": "fc"
    case "repvgg", "mobileone", "convnext", "convnextv2": "head.fc"
    default: "last_linear"
    }
  }

  /// The least cosine of int8 and float embeddings; few channels per layer leave little to average in some networks.
  var minCosine: Double { ["mobilenet_v2", "mobileone"].contains(name) ? 0.9 : 0.97 }

  /// Whether a window without padding needs more than a few pixels.
  var refusesPixels: Bool { ["senet", "nasnet", "pnasnet"].contains(name) }

  var testDescription: String { name }

  private static let folder =
    "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/fixtures/trunks"

  func checkpoint() throws -> Checkpoint { try Checkpoint.read(path: "\(Self.folder)/\(name).pth") }

  func tensors() throws -> [(name: String, tensor: Tensor)] {
    try checkpoint().tensors.map { ($0.name, $0.tensor) }
  }

  func graph() throws -> Graph { try ModelImporter().importGraph(StateDictionary(try tensors())) }

  /// A picture and what PyTorch makes of it.
  struct Example {
    let image: RGBImage
    let embedding: [Float]
    let logits: [Float]
  }

  func examples() throws -> [Example] {
    let file = try Checkpoint.read(path: "\(Self.folder)/\(name).expected.safetensors")
    let tensors = Dictionary(uniqueKeysWithValues: file.tensors.map { ($0.name, $0.tensor) })
    return try (0..<3).map { index in
      let pixels = try #require(tensors["pixels.\(index)"])
      return Example(
        image: try #require(
          RGBImage(width: pixels.shape[1], height: pixels.shape[0], pixels: pixels.elements(as: UInt8.self))),
        embedding: try #require(tensors["normalized_embedding.\(index)"]).elements(as: Float.self),
        logits: try #require(tensors["logits.\(index)"]).elements(as: Float.self))
    }
  }
}
