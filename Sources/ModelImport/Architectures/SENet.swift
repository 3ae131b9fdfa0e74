import Graphs
import Operators
import Tensors

/// SENet154, SE-ResNet and SE-ResNeXt (Hu et al., arXiv 1709.01507) with the key names of Cadene's pretrained-models: a
/// stem of one 7x7 or three 3x3 convolutions, then stages of bottlenecks whose output is reweighted by
/// squeeze-and-excitation before the shortcut is added. Depth, widths and groups come from the tensors.
enum SENet: Architecture {
  static let family = "SENet"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = ["layer0.conv1.weight", "layer1.0.se_module.fc1.weight"]

  static func recognizes(_ has: (String) -> Bool) -> Bool { landmarks.allSatisfy(has) }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = stageDepths { state.contains(prefix + $0) }
    let stem = state.contains("\(prefix)layer0.conv3.weight") ? "senet" : "se_resnet"
    switch (stem, depths, isGrouped(state, prefix)) {
    case ("senet", [3, 8, 36, 3], true): return "senet154"
    case ("se_resnet", [3, 4, 6, 3], false): return "se_resnet50"
    case ("se_resnet", [3, 4, 23, 3], false): return "se_resnet101"
    case ("se_resnet", [3, 8, 36, 3], false): return "se_resnet152"
    case ("se_resnet", [3, 4, 6, 3], true): return "se_resnext50"
    case ("se_resnet", [3, 4, 23, 3], true): return "se_resnext101"
    default: return "\(stem)\(depths)"
    }
  }

  private static func stageDepths(_ contains: (String) -> Bool) -> [Int] {
    StageDepths.count { stage, block in contains("layer\(stage + 1).\(block).conv1.weight") }
  }

  /// Whether the 3x3 convolutions of bottlenecks are grouped, as each filter reads only some of the channels.
  private static func isGrouped(_ state: StateDictionary, _ prefix: String) -> Bool {
    guard let first = state.shape("\(prefix)layer1.0.conv1.weight"), first.rank == 4,
      let second = state.shape("\(prefix)layer1.0.conv2.weight"), second.rank == 4
    else { return false }
    return second[1] < first[0]
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let depths = stageDepths(builder.has)
    let strides = ResidualStages(depths.count, &builder, of: "pretrained-models", allowsDilation: false)
    // SE-ResNets follow Caffe and have a bottleneck's stride in its first convolution, the others in the 3x3 one.
    let usual: StructureOptions.BottleneckStride =
      isGrouped(builder.state, builder.prefix) ? .secondConvolution : .firstConvolution
    let stridden = strides.bottleneckStride(usual, &builder)
    var layer = stem(&builder)
    for (stage, depth) in depths.enumerated() {
      for block in 0..<depth {
        layer = bottleneck(
          "layer\(stage + 1).\(block)", layer, stride: block == 0 ? strides.stride(stage) : 1, stridden: stridden,
          &builder)
      }
    }
    return layer
  }

  private static func stem(_ builder: inout GraphBuilder) -> Layer {
    var layer = Layer(value: builder.graph.input, channels: 3)
    var index = 1
    repeat {
      layer = builder.convolution(
        "layer0.conv\(index)", layer.value, inputChannels: layer.channels, stride: index == 1 ? 2 : 1)
      layer = builder.relu("layer0.relu\(index)", builder.batchNorm("layer0.bn\(index)", layer))
      index += 1
    } while builder.has("layer0.conv\(index).weight")
    var window = Window(3, stride: 2)
    window.ceilMode = true
    return builder.maxPool("layer0.pool", layer, window: window)
  }

  private static func bottleneck(
    _ name: String, _ input: Layer, stride: Int, stridden: Int, _ builder: inout GraphBuilder
  ) -> Layer {
    var shortcut = input
    if builder.has("\(name).downsample.0.weight") {
      shortcut = builder.convolution(
        "\(name).downsample.0", input.value, inputChannels: input.channels, stride: stride)
      shortcut = builder.batchNorm("\(name).downsample.1", shortcut)
    }
    var layer = input
    for index in 1...3 {
      layer = builder.convolution(
        "\(name).conv\(index)", layer.value, inputChannels: layer.channels, stride: index == stridden ? stride : 1)
      layer = builder.batchNorm("\(name).bn\(index)", layer)
      if index < 3 { layer = builder.relu("\(name).relu\(index)", layer) }
    }
    let gate = "\(name).se_module"
    layer = builder.excite(gate, layer, reduce: "\(gate).fc1", expand: "\(gate).fc2")
    return builder.relu("\(name).relu", builder.add("\(name).add", layer, shortcut))
  }
}
