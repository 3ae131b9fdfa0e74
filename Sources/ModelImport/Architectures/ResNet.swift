import Graphs
import Operators
import Tensors

/// ResNet as torchvision names it (He et al., arXiv 1512.03385, with the stride of a bottleneck in its 3x3 convolution):
/// a 7x7 stem, then stages of basic or bottleneck blocks. Depth, width and groups come from the tensors.
enum ResNet: Architecture {
  static let family = "ResNet"
  static let preprocessing = Preprocessing.imageNet

  static func prefix(in state: StateDictionary) -> String? {
    ["features.", ""].first { prefix in
      // A convolution or its norm will do, so that a missing one is reported as such.
      ["", "layer1.0."].allSatisfy { block in
        state.contains("\(prefix)\(block)conv1.weight") || state.contains("\(prefix)\(block)bn1.weight")
      }
    }
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = stageDepths(state, prefix)
    let isBottleneck = hasThirdConvolution("layer1.0", state, prefix)
    let known: [[Int]: String] =
      isBottleneck
      ? [[3, 4, 6, 3]: "resnet50", [3, 4, 23, 3]: "resnet101", [3, 8, 36, 3]: "resnet152"]
      : [[2, 2, 2, 2]: "resnet18", [3, 4, 6, 3]: "resnet34"]
    return known[depths] ?? "resnet\(depths)"
  }

  /// Blocks in each stage.
  private static func stageDepths(_ state: StateDictionary, _ prefix: String) -> [Int] {
    // "layer1.0" and so on: any tensor shows that a block is there.
    var blocks: Set<String> = []
    for name in state.names where name.hasPrefix(prefix) {
      let parts = name.dropFirst(prefix.count).split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
      if parts.count == 3 { blocks.insert("\(parts[0]).\(parts[1])") }
    }
    var depths: [Int] = []
    while true {
      var depth = 0
      while blocks.contains("layer\(depths.count + 1).\(depth)") { depth += 1 }
      if depth == 0 { return depths }
      depths.append(depth)
    }
  }

  private static func hasThirdConvolution(_ block: String, _ state: StateDictionary, _ prefix: String) -> Bool {
    state.contains("\(prefix)\(block).conv3.weight") || state.contains("\(prefix)\(block).bn3.weight")
  }

  static func buildTrunk(_ builder: inout GraphBuilder) -> Layer {
    var layer = builder.convolution("conv1", builder.graph.input, inputChannels: 3, stride: 2)
    layer = builder.relu("relu", builder.batchNorm("bn1", layer))
    layer = builder.maxPool("maxpool", layer, window: Window(3, stride: 2, padding: 1))
    for (stage, depth) in stageDepths(builder.state, builder.prefix).enumerated() {
      for block in 0..<depth {
        layer = residualBlock("layer\(stage + 1).\(block)", layer, stride: stage > 0 && block == 0 ? 2 : 1, &builder)
      }
    }
    return layer
  }

  private static func residualBlock(
    _ name: String, _ input: Layer, stride: Int, _ builder: inout GraphBuilder
  ) -> Layer {
    let (state, prefix) = (builder.state, builder.prefix)
    let isBottleneck = hasThirdConvolution(name, state, prefix)
    let convolutions = isBottleneck ? 3 : 2
    var shortcut = input
    let names = ["downsample.0", "downsample.1"]
    if stride != 1 || names.contains(where: { state.contains("\(prefix)\(name).\($0).weight") }) {
      shortcut = builder.convolution(
        "\(name).downsample.0", input.value, inputChannels: input.channels, stride: stride)
      shortcut = builder.batchNorm("\(name).downsample.1", shortcut)
    }
    // The 3x3 convolution of a bottleneck, the first of a basic block.
    let stridden = isBottleneck ? 2 : 1
    var layer = input
    for index in 1...convolutions {
      layer = builder.convolution(
        "\(name).conv\(index)", layer.value, inputChannels: layer.channels, stride: index == stridden ? stride : 1)
      layer = builder.batchNorm("\(name).bn\(index)", layer)
      if index < convolutions { layer = builder.relu("\(name).relu\(index)", layer) }
    }
    return builder.relu("\(name).relu", builder.add("\(name).add", layer, shortcut))
  }
}
