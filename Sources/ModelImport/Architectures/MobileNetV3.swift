import Graphs
import Operators
import Tensors

/// MobileNetV3 (Howard et al., arXiv 1905.02244, tables 1 and 2) with torchvision's key names, of any width. Its
/// embedding is the input of the last linear layer.
enum MobileNetV3: Architecture {
  static let family = "MobileNetV3"
  static let preprocessing = Preprocessing.imageNet
  static let batchNormEpsilon = 1e-3

  static let landmarks = ["features.1.block.0.0.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool {
    has("features.0.0.weight") && landmarks.allSatisfy(has)
  }

  /// What differs between the two networks.
  private struct Variant {
    let name: String
    /// The blocks, counted from 1, that halve the map.
    let halving: Set<Int>
    /// The first block with hard swish instead of ReLU.
    let firstHardSwish: Int
  }

  private static func variant(blocks: Int) -> Variant? {
    switch blocks {
    case 15: Variant(name: "mobilenet_v3_large", halving: [2, 4, 7, 13], firstHardSwish: 7)
    case 11: Variant(name: "mobilenet_v3_small", halving: [1, 2, 4, 9], firstHardSwish: 4)
    default: nil
    }
  }

  private static func blockCount(_ has: (String) -> Bool) -> Int {
    var count = 0
    while has("features.\(count + 1).block.0.0.weight") || has("features.\(count + 1).block.1.0.weight") { count += 1 }
    return count
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    variant(blocks: blockCount { state.contains(prefix + $0) })?.name ?? "mobilenet_v3"
  }

  static func neck(_ builder: GraphBuilder) -> [NeckLayer] {
    guard builder.has("classifier.0.weight"), builder.has("classifier.3.weight") else { return [] }
    return [.linear("classifier.0"), .activation(.hardSwish, name: "classifier.1")]
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let blocks = blockCount(builder.has)
    guard let variant = variant(blocks: blocks) else {
      throw builder.refuseStrides("mobilenet_v3", blocks: "\(blocks) blocks")
    }
    builder.assume(
      "layers without weights are those of torchvision: ReLU in the first \(variant.firstHardSwish - 1) blocks and hard "
        + "swish elsewhere")
    builder.choosePadding(.symmetric)
    let style = MobileStyle(excitationActivation: .relu, gate: .hardSigmoid)
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(
      LayerPair("features.0.0", "features.0.1"), image, stride: 2, activation: .hardSwish)
    for index in 1...blocks {
      let (layers, excitation) = builder.torchvisionLayers("features.\(index).block")
      let block = MobileBlock(
        name: "features.\(index)", layers: layers, excitation: excitation,
        stride: variant.halving.contains(index) ? 2 : 1,
        activation: index < variant.firstHardSwish ? .relu : .hardSwish)
      layer = builder.append(block, layer, style)
    }
    let last = "features.\(blocks + 1)"
    return builder.convNorm(LayerPair("\(last).0", "\(last).1"), layer, activation: .hardSwish)
  }
}
