import Graphs
import Operators
import Tensors

/// ResNet (He et al., arXiv 1512.03385) with torchvision's key names: a stem, then stages of basic or bottleneck
/// blocks. Depth, width and groups come from the tensors. A 7x7 stem is taken to have stride 2 and a max pooling after
/// it, a 3x3 stem neither, as in ResNets for small images (SimCLR, arXiv 2002.05709, appendix B.9).
///
/// With timm's names: ResNet-C and -D (He et al., arXiv 1812.01187, section 4.1), whose stem is three 3x3 convolutions
/// and, in the latter, whose shortcuts pool before their convolution; ResNet-RS (Bello et al., arXiv 2103.07579), whose
/// stem ends with a convolution in place of the pooling; and squeeze-and-excitation before the shortcut is added.
enum ResNet: Architecture {
  static let family = "ResNet"
  static let preprocessing = Preprocessing.imageNet

  static let landmarks = [
    "layer1.0.conv1.weight", "layer1.0.bn1.weight", "4.0.conv1.weight", "3.0.conv1.weight",
  ]

  /// Either a convolution or its norm is enough, so that where one is missing, the error says so.
  static func recognizes(_ has: (String) -> Bool) -> Bool {
    !has("layer1.0.prelu.weight")
      && ["", "layer1.0."].allSatisfy { has("\($0)conv1.weight") || has("\($0)bn1.weight") } || !aliases(has).isEmpty
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
    let bottlenecks = bottlenecks(of: depths, state, prefix)
    let names: [[Int]: String] =
      bottlenecks.isEmpty
      ? [[2, 2, 2, 2]: "18", [3, 4, 6, 3]: "34"]
      : bottlenecks.count == depths.reduce(0, +)
        ? [[3, 4, 6, 3]: "50", [3, 4, 23, 3]: "101", [3, 8, 36, 3]: "152"] : [:]
    let size = names[depths] ?? "\(depths)"
    let prefixed = state.contains("\(prefix)layer1.0.se.fc1.weight") ? "seresnet" : "resnet"
    let hasDeepStem = state.contains("\(prefix)conv1.0.weight")
    return prefixed + size + (pools(state, prefix, depths) ? "d" : hasDeepStem ? "c" : "")
  }

  /// Whether the shortcuts pool before their convolution, which is module 1 of them then.
  private static func pools(_ state: StateDictionary, _ prefix: String, _ depths: [Int]) -> Bool {
    (1...max(1, depths.count)).contains { state.shape("\(prefix)layer\($0).0.downsample.1.weight")?.rank == 4 }
  }

  /// The number of blocks in each stage.
  private static func stageDepths(_ state: StateDictionary, _ prefix: String) -> [Int] {
    // Any tensor of a block, such as "layer1.0", shows that the block exists, so that missing ones are reported.
    var blocks: Set<String> = []
    for name in state.names where name.hasPrefix(prefix) {
      let parts = name.dropFirst(prefix.count).split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
      if parts.count == 3 { blocks.insert("\(parts[0]).\(parts[1])") }
    }
    return StageDepths.count { stage, block in blocks.contains("layer\(stage + 1).\(block)") }
  }

  private static func hasThirdConvolution(_ block: String, _ state: StateDictionary, _ prefix: String) -> Bool {
    state.contains("\(prefix)\(block).conv3.weight") || state.contains("\(prefix)\(block).bn3.weight")
  }

  /// The names of the blocks that are bottlenecks. Some networks of timm have both kinds of blocks.
  private static func bottlenecks(of depths: [Int], _ state: StateDictionary, _ prefix: String) -> [String] {
    depths.enumerated().flatMap { stage, depth in (0..<depth).map { "layer\(stage + 1).\($0)" } }
      .filter { hasThirdConvolution($0, state, prefix) }
  }

  /// A network that others in timm, which filter maps before they halve them, have the tensors of.
  private struct Unfiltered {
    /// What the importer calls it.
    let name: String
    /// The channels of the stem's first convolution.
    let stem: Int
    /// The filters of the second convolution, and the channels that each reads.
    let filters: [Int]
    /// The others.
    let siblings: [String]
  }

  private static let unfiltered = [
    Unfiltered(name: "resnet18", stem: 64, filters: [64, 64], siblings: ["resnetblur18"]),
    Unfiltered(name: "resnet50", stem: 64, filters: [64, 64], siblings: ["resnetaa50", "resnetblur50"]),
    Unfiltered(name: "resnet34d", stem: 32, filters: [64, 64], siblings: ["resnetaa34d"]),
    Unfiltered(name: "resnet50d", stem: 32, filters: [64, 64], siblings: ["resnetaa50d", "resnetblur50d"]),
    Unfiltered(name: "resnet101d", stem: 32, filters: [64, 64], siblings: ["resnetaa101d", "resnetblur101d"]),
    Unfiltered(name: "seresnet50d", stem: 32, filters: [64, 64], siblings: ["seresnetaa50d"]),
    Unfiltered(name: "seresnet101d", stem: 32, filters: [256, 8], siblings: ["seresnextaa101d_32x8d"]),
    Unfiltered(name: "seresnet[3, 24, 36, 4]d", stem: 64, filters: [256, 8], siblings: ["seresnextaa201d_32x8d"]),
  ]

  /// The networks in timm that have the same tensors and filter maps before they halve them.
  private static func siblings(_ builder: GraphBuilder) -> [String] {
    let shape = { (name: String) in builder.state.shape("\(builder.prefix)\(name).weight")?.dimensions ?? [] }
    let stem = (shape("conv1.0") + shape("conv1")).first
    let filters = Array(shape("layer1.0.conv2").prefix(2))
    let name = name(of: builder.state, prefix: builder.prefix)
    // ResNet-RS has a convolution in place of the stem's pooling.
    guard !builder.has("maxpool.0.weight") else { return [] }
    return unfiltered.first { $0.name == name && $0.stem == stem && $0.filters == filters }?.siblings ?? []
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let depths = stageDepths(builder.state, builder.prefix)
    let hasBottlenecks = !bottlenecks(of: depths, builder.state, builder.prefix).isEmpty
    if pools(builder.state, builder.prefix, depths), builder.options.outputStride.map({ $0 < 32 }) ?? false {
      throw .variant(
        architecture: name(of: builder.state, prefix: builder.prefix),
        problem: "shortcuts that pool before their convolution have no dilated form; leave --output-stride out")
    }
    var layer = try stem(&builder)
    let strides = ResidualStages(depths.count, &builder, of: "torchvision", allowsDilation: true)
    let stridden = hasBottlenecks ? strides.bottleneckStride(.secondConvolution, &builder) : 1
    let siblings = siblings(builder)
    if !siblings.isEmpty { builder.assumeUnfiltered(unlike: siblings) }
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

  private static func stem(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    if builder.has("conv1.0.weight") { return deepStem(&builder) }
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

  /// Three 3x3 convolutions, the first of stride 2, and max pooling, or in ResNet-RS a convolution in its place.
  private static func deepStem(_ builder: inout GraphBuilder) -> Layer {
    let image = Layer(value: builder.graph.input, channels: 3)
    var layer = builder.convNorm(LayerPair("conv1.0", "conv1.1"), image, stride: 2, activation: .relu)
    layer = builder.convNorm(LayerPair("conv1.3", "conv1.4"), layer, activation: .relu)
    layer = builder.convNorm(LayerPair("conv1.6", "bn1"), layer, activation: .relu)
    guard builder.has("maxpool.0.weight") else {
      return builder.maxPool("maxpool", layer, window: Window(3, stride: 2, padding: 1))
    }
    return builder.convNorm(LayerPair("maxpool.0", "maxpool.1"), layer, stride: 2, activation: .relu)
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
    let shortcut = shortcut(name, input, stride: geometry.stride, &builder)
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
    if builder.has("\(name).se.fc1.weight") {
      layer = builder.excite("\(name).se", layer, reduce: "\(name).se.fc1", expand: "\(name).se.fc2")
    }
    return builder.relu("\(name).relu", builder.add("\(name).add", layer, shortcut))
  }

  private static func shortcut(
    _ name: String, _ input: Layer, stride: Int, _ builder: inout GraphBuilder
  ) -> Layer {
    let pooled = "\(name).downsample"
    if builder.state.shape("\(builder.prefix)\(pooled).1.weight")?.rank == 4 {
      var window = Window(2, stride: stride)
      window.ceilMode = true
      let map = stride == 1 ? input : builder.averagePool("\(pooled).0", input, window: window)
      return builder.convNorm(LayerPair("\(pooled).1", "\(pooled).2"), map)
    }
    // kuangliu's pytorch-cifar and repositories derived from it name it "shortcut".
    let projection = builder.has("\(name).shortcut.0.weight") ? "\(name).shortcut" : pooled
    guard stride != 1 || builder.has("\(projection).0.weight") || builder.has("\(projection).1.weight") else {
      return input
    }
    return builder.convNorm(LayerPair("\(projection).0", "\(projection).1"), input, stride: stride)
  }
}
