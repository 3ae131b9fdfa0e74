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
      state.contains("\(prefix)conv1.weight") && state.contains("\(prefix)layer1.0.conv1.weight")
    }
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = stageDepths(state, prefix)
    let isBottleneck = state.contains("\(prefix)layer1.0.conv3.weight")
    let known: [[Int]: String] =
      isBottleneck
      ? [[3, 4, 6, 3]: "resnet50", [3, 4, 23, 3]: "resnet101", [3, 8, 36, 3]: "resnet152"]
      : [[2, 2, 2, 2]: "resnet18", [3, 4, 6, 3]: "resnet34"]
    return known[depths] ?? "resnet\(depths)"
  }

  /// Blocks in each stage.
  private static func stageDepths(_ state: StateDictionary, _ prefix: String) -> [Int] {
    var depths: [Int] = []
    while true {
      var blocks = 0
      while state.contains("\(prefix)layer\(depths.count + 1).\(blocks).conv1.weight") { blocks += 1 }
      if blocks == 0 { return depths }
      depths.append(blocks)
    }
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
    var shortcut = input
    if builder.state.contains("\(builder.prefix)\(name).downsample.0.weight") {
      shortcut = builder.convolution(
        "\(name).downsample.0", input.value, inputChannels: input.channels, stride: stride)
      shortcut = builder.batchNorm("\(name).downsample.1", shortcut)
    }
    let isBottleneck = builder.state.contains("\(builder.prefix)\(name).conv3.weight")
    let convolutions = isBottleneck ? 3 : 2
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
