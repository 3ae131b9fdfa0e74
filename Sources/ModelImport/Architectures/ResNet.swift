import Graphs
import Operators
import Tensors

/// ResNet (He et al., arXiv 1512.03385) with torchvision's key names: a stem, then stages of basic or bottleneck
/// blocks. Depth, width and groups come from the tensors. A 7x7 stem is taken to have stride 2 and a max pooling after
/// it, a 3x3 stem neither, as in ResNets for small images (SimCLR, arXiv 2002.05709, appendix B.9).
enum ResNet: Architecture {
  static let family = "ResNet"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = [
    "layer1.0.conv1.weight", "layer1.0.bn1.weight", "4.0.conv1.weight", "3.0.conv1.weight",
  ]

  /// Either a convolution or its norm is enough, so that where one is missing, the error says so.
  static func recognizes(_ has: (String) -> Bool) -> Bool {
    ["", "layer1.0."].allSatisfy { has("\($0)conv1.weight") || has("\($0)bn1.weight") } || !aliases(has).isEmpty
  }

  /// For `nn.Sequential(*resnet.children())`: convolution, norm, ReLU, max pooling and the stages, or without the
  /// pooling.
  static func aliases(_ has: (String) -> Bool) -> [String: String] {
    guard has("0.weight"), has("1.running_mean"), !has("2.weight"),
      let first = has("3.0.conv1.weight") ? 3 : has("4.0.conv1.weight") && !has("3.weight") ? 4 : nil
    else { return [:] }
    var aliases = ["0": "conv1", "1": "bn1"]
    for stage in 0..<4 where has("\(first + stage).0.conv1.weight") {
      aliases["\(first + stage)"] = "layer\(stage + 1)"
    }
    return aliases
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = stageDepths(state, prefix)
    let isBottleneck = hasThirdConvolution("layer1.0", state, prefix)
    let names: [[Int]: String] =
      isBottleneck
      ? [[3, 4, 6, 3]: "resnet50", [3, 4, 23, 3]: "resnet101", [3, 8, 36, 3]: "resnet152"]
      : [[2, 2, 2, 2]: "resnet18", [3, 4, 6, 3]: "resnet34"]
    return names[depths] ?? "resnet\(depths)"
  }

  /// The number of blocks in each stage.
  private static func stageDepths(_ state: StateDictionary, _ prefix: String) -> [Int] {
    // Any tensor of a block, such as "layer1.0", shows that the block exists, so that missing ones are reported.
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

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let depths = stageDepths(builder.state, builder.prefix)
    let isBottleneck = hasThirdConvolution("layer1.0", builder.state, builder.prefix)
    try refuseVariants(builder, depths)
    var layer = try stem(&builder)
    let strides = ResidualStages(depths.count, &builder, of: "torchvision", allowsDilation: true)
    let stridden = isBottleneck ? strides.bottleneckStride(.secondConvolution, &builder) : 1
    for (stage, depth) in depths.enumerated() {
      for block in 0..<depth {
        let geometry = BlockGeometry(
          stride: block == 0 ? strides.stride(stage) : 1, stridden: stridden,
          firstDilation: strides.dilation(block == 0 ? stage - 1 : stage), dilation: strides.dilation(stage))
        layer = residualBlock("layer\(stage + 1).\(block)", layer, geometry, &builder)
      }
    }
    return layer
  }

  /// Refuses ResNets with the same key names that compute something else, recognised by the tensors that differ.
  private static func refuseVariants(_ builder: GraphBuilder, _ depths: [Int]) throws(ImportError) {
    let name = name(of: builder.state, prefix: builder.prefix)
    if builder.has("conv1.0.weight") {
      throw .variant(
        architecture: name,
        problem: "its stem is several convolutions ('\(builder.prefix)conv1.0.weight', as in ResNet-C and -D)")
    }
    for stage in 1...max(1, depths.count) {
      let key = "layer\(stage).0.downsample.1.weight"
      if builder.state.shape(builder.prefix + key)?.rank == 4 {
        throw .variant(
          architecture: name,
          problem: "its shortcuts pool before their convolution ('\(builder.prefix)\(key)' is one, as in ResNet-D)")
      }
    }
  }

  private static func stem(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let shape = builder.state.shape("\(builder.prefix)conv1.weight")
    let kernel = shape.flatMap { $0.rank == 4 ? $0[2] : nil } ?? 7
    var stem = builder.options.stem ?? .imageNet
    builder.use("--stem")
    // In an `nn.Sequential`, module 3 is the max pooling; if it is a stage, there is no pooling.
    let lacksPooling = builder.aliases["3"] != nil
    if builder.options.stem == nil, kernel == 3 {
      stem = .smallImages
      builder.assume(
        "the 3x3 stem has stride 1 and no max pooling follows it, as in ResNets for small images", option: "--stem")
    } else if builder.options.stem == nil, kernel != 7 {
      throw .option(
        "the stem is a convolution of \(kernel)x\(kernel): the file does not say its stride, nor whether a max pooling "
          + "follows; set both with --stem")
    } else if builder.options.stem == nil, lacksPooling {
      stem = .init(stride: stem.stride, pools: false)
    }
    var layer = builder.convolution("conv1", builder.graph.input, inputChannels: 3, stride: stem.stride)
    layer = builder.relu("relu", builder.batchNorm("bn1", layer))
    return stem.pools ? builder.maxPool("maxpool", layer, window: Window(3, stride: 2, padding: 1)) : layer
  }

  private struct BlockGeometry {
    var stride: Int
    /// The convolution that has the stride, counted from 1.
    var stridden: Int
    /// The dilation of the first 3x3 convolution.
    var firstDilation: Int
    /// The dilation of the second 3x3 convolution, in blocks that have two.
    var dilation: Int
  }

  private static func residualBlock(
    _ name: String, _ input: Layer, _ geometry: BlockGeometry, _ builder: inout GraphBuilder
  ) -> Layer {
    let isBottleneck = hasThirdConvolution(name, builder.state, builder.prefix)
    let convolutions = isBottleneck ? 3 : 2
    var shortcut = input
    // kuangliu's pytorch-cifar and repositories derived from it name it "shortcut".
    let projection = builder.has("\(name).shortcut.0.weight") ? "\(name).shortcut" : "\(name).downsample"
    if geometry.stride != 1 || builder.has("\(projection).0.weight") || builder.has("\(projection).1.weight") {
      shortcut = builder.convolution(
        "\(projection).0", input.value, inputChannels: input.channels, stride: geometry.stride)
      shortcut = builder.batchNorm("\(projection).1", shortcut)
    }
    let stridden = isBottleneck ? geometry.stridden : 1
    var layer = input
    for index in 1...convolutions {
      let isFirst3x3 = index == (isBottleneck ? 2 : 1)
      let dilation = isFirst3x3 ? geometry.firstDilation : isBottleneck ? 1 : geometry.dilation
      layer = builder.convolution(
        "\(name).conv\(index)", layer.value, inputChannels: layer.channels,
        stride: index == stridden ? geometry.stride : 1, dilation: dilation)
      layer = builder.batchNorm("\(name).bn\(index)", layer)
      if index < convolutions { layer = builder.relu("\(name).relu\(index)", layer) }
    }
    return builder.relu("\(name).relu", builder.add("\(name).add", layer, shortcut))
  }
}
