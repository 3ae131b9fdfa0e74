import Graphs
import Operators
import Tensors

/// MobileNetV2 (Sandler et al., arXiv 1801.04381, table 2) with torchvision's key names, of any width.
enum MobileNetV2: Architecture {
  static let family = "MobileNetV2"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["features.1.conv.0.0.weight", "features.1.conv.0.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool {
    has("features.0.0.weight") && landmarks.contains(where: has) && !has("features.1.block.0.0.weight")
  }

  static func name(of state: StateDictionary, prefix: String) -> String { "mobilenet_v2" }

  /// The blocks, counted from 1, that halve the map.
  private static let halving: Set<Int> = [2, 4, 7, 14]

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let activation = builder.chooseActivation(.relu6)
    builder.choosePadding(.symmetric)
    let style = MobileStyle(excitationActivation: .relu, gate: .sigmoid)
    let blocks = builder.countModules(from: 1, { "features.\($0).conv" }, with: ["0.weight", "0.0.weight"])
    guard blocks == 17 else { throw builder.refuseStrides("mobilenet_v2", blocks: "\(blocks) blocks") }
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(
      LayerPair("features.0.0", "features.0.1"), image, stride: 2, activation: activation)
    for index in 1...blocks {
      let block = MobileBlock(
        name: "features.\(index)", layers: layers("features.\(index).conv", builder),
        stride: halving.contains(index) ? 2 : 1, activation: activation)
      layer = builder.append(block, layer, style)
    }
    return builder.convNorm(LayerPair("features.18.0", "features.18.1"), layer, activation: activation)
  }

  /// The layers of a block: with a module for each convolution, norm and activation function, or as earlier versions of
  /// torchvision had them, in one sequence.
  private static func layers(_ name: String, _ builder: GraphBuilder) -> [LayerPair] {
    let modules = builder.torchvisionLayers(name).layers
    if !modules.isEmpty {
      return modules + [LayerPair("\(name).\(modules.count)", "\(name).\(modules.count + 1)")]
    }
    let count = builder.has("\(name).6.weight") || builder.has("\(name).7.weight") ? 3 : 2
    return (0..<count).map { LayerPair("\(name).\(3 * $0)", "\(name).\(3 * $0 + 1)") }
  }
}
