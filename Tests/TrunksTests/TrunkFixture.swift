import Checkpoints
import Graphs
import Images
import ModelImport
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
  ]

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
