import Graphs
import Operators
import Tensors

/// DenseNet (Huang et al., arXiv 1608.06993) with torchvision's key names: blocks whose layers read the concatenation
/// of the maps before them, and between the blocks convolutions and poolings that halve the map. Norms and ReLUs come
/// before convolutions. Depths and widths come from the tensors.
enum DenseNet: Architecture {
  static let family = "DenseNet"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = [
    "features.denseblock1.denselayer1.conv1.weight", "features.denseblock1.denselayer1.conv.1.weight",
  ]

  static func recognizes(_ has: (String) -> Bool) -> Bool {
    has("features.conv0.weight") && landmarks.contains(where: has)
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = depths { state.contains(prefix + $0) }
    let names = [
      [6, 12, 24, 16]: "densenet121", [6, 12, 36, 24]: "densenet161", [6, 12, 32, 32]: "densenet169",
      [6, 12, 48, 32]: "densenet201",
    ]
    return names[depths] ?? "densenet\(depths)"
  }

  private static func layer(_ block: Int, _ index: Int) -> String {
    "features.denseblock\(block + 1).denselayer\(index + 1)"
  }

  /// The number of layers in each block.
  private static func depths(_ has: (String) -> Bool) -> [Int] {
    StageDepths.count { block, index in
      ["conv1", "conv.1", "conv2", "conv.2"].contains { has("\(layer(block, index)).\($0).weight") }
    }
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let depths = depths(builder.has)
    builder.assume(
      "layers without weights are those of torchvision: ReLU, max pooling after the stem, and average pooling between "
        + "blocks")
    let image = Layer(value: builder.graph.input, channels: 3)
    var map = builder.convNorm(
      LayerPair("features.conv0", "features.norm0"), image, stride: 2, activation: .relu)
    map = builder.maxPool("features.pool0", map, window: Window(3, stride: 2, padding: 1))
    for (block, depth) in depths.enumerated() {
      for index in 0..<depth {
        let name = layer(block, index)
        // Earlier versions of torchvision have a dot before the number.
        let dot = builder.has("\(name).conv.1.weight") || builder.has("\(name).conv.2.weight") ? "." : ""
        let reduced = normConvolution("\(name).norm\(dot)1", "\(name).conv\(dot)1", map, &builder)
        let added = normConvolution("\(name).norm\(dot)2", "\(name).conv\(dot)2", reduced, &builder)
        map = builder.concatenate("\(name).concat", [map, added])
      }
      guard block < depths.count - 1 else { break }
      let transition = "features.transition\(block + 1)"
      map = normConvolution("\(transition).norm", "\(transition).conv", map, &builder)
      map = builder.averagePool("\(transition).pool", map, window: Window(2, stride: 2))
    }
    return builder.relu("features.relu5", builder.batchNorm("features.norm5", map))
  }

  /// A batch norm, ReLU and a convolution.
  private static func normConvolution(
    _ norm: String, _ convolution: String, _ map: Layer, _ builder: inout GraphBuilder
  ) -> Layer {
    let active = builder.relu("\(norm).relu", builder.batchNorm(norm, map))
    return builder.convolution(convolution, active.value, inputChannels: active.channels)
  }
}
