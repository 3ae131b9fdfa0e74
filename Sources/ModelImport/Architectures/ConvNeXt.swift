import Graphs
import Operators
import Tensors

/// ConvNeXt (Liu et al., arXiv 2201.03545) with the key names of torchvision, timm or its authors: blocks of a 7x7
/// depthwise convolution, a layer norm over the channels, and two linear layers on each pixel with GELU between them,
/// whose result is scaled by channel and added to the input. ConvNeXt V2 (Woo et al., arXiv 2301.00808) has global
/// response normalisation after GELU instead of the scale. Depths and widths come from the tensors.
enum ConvNeXt: Architecture {
  static let family = "ConvNeXt"
  static let preprocessing = Preprocessing.imageNet

  /// The names of the parts in one library.
  private struct Style {
    /// The convolution and the norm of the stem.
    let stem: (convolution: String, norm: String)
    /// The norm and the convolution before a stage, counted from 1, which halve the map.
    let reduction: @Sendable (Int) -> (norm: String, convolution: String)
    /// The name of a block by its stage and number.
    let block: @Sendable (Int, Int) -> String
    let depthwise: String
    let norm: String
    let linear: (expand: String, project: String)
    let scale: String
    /// The tensors of global response normalisation; `nil` where the library has no ConvNeXt V2.
    var response: (weight: String, bias: String)?
    /// The norm of the pooled map.
    let last: String

    /// Tensors by the stage and number of a block, which has at least one of them.
    func landmarks(_ stage: Int, _ index: Int) -> [String] {
      [scale, response?.weight].compactMap { $0.map { "\(block(stage, index)).\($0)" } }
    }
  }

  private static let styles = [
    Style(
      stem: ("features.0.0", "features.0.1"), reduction: { ("features.\(2 * $0).0", "features.\(2 * $0).1") },
      block: { "features.\(2 * $0 + 1).\($1)" }, depthwise: "block.0", norm: "block.2",
      linear: ("block.3", "block.5"), scale: "layer_scale", last: "classifier.0"),
    Style(
      stem: ("stem.0", "stem.1"), reduction: { ("stages.\($0).downsample.0", "stages.\($0).downsample.1") },
      block: { "stages.\($0).blocks.\($1)" }, depthwise: "conv_dw", norm: "norm", linear: ("mlp.fc1", "mlp.fc2"),
      scale: "gamma", response: ("mlp.grn.weight", "mlp.grn.bias"), last: "head.norm"),
    Style(
      stem: ("downsample_layers.0.0", "downsample_layers.0.1"),
      reduction: { ("downsample_layers.\($0).0", "downsample_layers.\($0).1") }, block: { "stages.\($0).\($1)" },
      depthwise: "dwconv", norm: "norm", linear: ("pwconv1", "pwconv2"), scale: "gamma",
      response: ("grn.gamma", "grn.beta"), last: "norm"),
  ]

  static let landmarks = styles.flatMap { $0.landmarks(0, 0) }

  static func recognizes(_ has: (String) -> Bool) -> Bool { style(has) != nil }

  private static func style(_ has: (String) -> Bool) -> Style? {
    styles.first { has("\($0.stem.convolution).weight") && $0.landmarks(0, 0).contains(where: has) }
  }

  static func neck(_ builder: GraphBuilder) -> [NeckLayer] {
    guard let style = style(builder.has), builder.has("\(style.last).weight") else { return [] }
    return [.layerNorm(style.last, epsilon: Details(style, builder).epsilon)]
  }

  /// What global response normalisation adds to the mean.
  private static let responseEpsilon = 1e-6

  /// What a network's authors chose and no tensor states.
  private struct Details {
    /// Whose choice it is.
    var source = "the authors"
    /// The function between the linear layers.
    var activation = ActivationFunction.gelu
    /// What layer norms add to the variance.
    var epsilon = 1e-6

    /// The choices for a network, by its depths and its width.
    init(_ style: Style, _ builder: GraphBuilder) {
      guard ConvNeXt.responseNames(style, builder.has) == nil else { return }
      let shape = { (name: String) in builder.state.shape("\(builder.prefix)\(name).weight")?.dimensions ?? [] }
      switch (ConvNeXt.depths(style, builder.has), shape(style.stem.convolution).first ?? 0) {
      case ([3, 4, 30, 3], 384): source = "timm's convnext_xxlarge"
      case ([1, 2, 4, 2], 24):
        source = "timm's test_convnext"
        activation = .tanhGELU
      case ([1, 1, 1, 1], 32):
        // The kernels of the third of timm's test networks become smaller from stage to stage.
        let isThird = shape("\(style.block(1, 0)).\(style.depthwise)").last == 5
        source = isThird ? "timm's test_convnext3" : "timm's test_convnext2"
        activation = isThird ? .silu : .tanhGELU
      default: return
      }
      epsilon = 1e-5
    }

    /// The usual name of the activation function.
    var title: String {
      switch activation {
      case .silu: "SiLU"
      case .tanhGELU: "GELU, approximated by tanh"
      default: "GELU"
      }
    }
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    guard let style = style({ state.contains(prefix + $0) }) else { return "convnext" }
    let depths = depths(style) { state.contains(prefix + $0) }
    let width = state.shape("\(prefix)\(style.stem.convolution).weight")?.dimensions.first ?? 0
    if responseNames(style, { state.contains(prefix + $0) }) != nil {
      return secondVersion(depths, width)
    }
    switch (depths, width) {
    case ([3, 3, 9, 3], 96): return "convnext_tiny"
    case ([3, 3, 27, 3], 96): return "convnext_small"
    case ([3, 3, 27, 3], 128): return "convnext_base"
    case ([3, 3, 27, 3], 192): return "convnext_large"
    case ([3, 4, 30, 3], 384): return "convnext_xxlarge"
    default: return "convnext\(depths)"
    }
  }

  /// The tensors of global response normalisation in each block; `nil` where the network has none.
  private static func responseNames(_ style: Style, _ has: (String) -> Bool) -> (weight: String, bias: String)? {
    style.response.flatMap { has("\(style.block(0, 0)).\($0.weight)") ? $0 : nil }
  }

  private static func secondVersion(_ depths: [Int], _ width: Int) -> String {
    switch (depths, width) {
    case ([2, 2, 6, 2], 40): "convnextv2_atto"
    case ([2, 2, 6, 2], 48): "convnextv2_femto"
    case ([2, 2, 6, 2], 64): "convnextv2_pico"
    case ([2, 2, 8, 2], 80): "convnextv2_nano"
    case ([3, 3, 9, 3], 96): "convnextv2_tiny"
    case ([3, 3, 27, 3], 128): "convnextv2_base"
    case ([3, 3, 27, 3], 192): "convnextv2_large"
    case ([3, 3, 27, 3], 352): "convnextv2_huge"
    default: "convnextv2\(depths)"
    }
  }

  private static func depths(_ style: Style, _ has: (String) -> Bool) -> [Int] {
    StageDepths.count { stage, block in
      [style.scale, "\(style.depthwise).weight"].contains { has("\(style.block(stage, block)).\($0)") }
    }
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    guard let style = style(builder.has) else {
      throw .missing(architecture: "convnext", names: landmarks.map { builder.prefix + $0 })
    }
    let details = Details(style, builder)
    builder.assume(
      "layers without weights are those of \(details.source): \(details.title), and layer norms add "
        + "\(details.epsilon) to the variance")
    if responseNames(style, builder.has) != nil {
      builder.assume("global response normalisation adds \(responseEpsilon) to the mean")
    }
    let image = Layer(value: builder.graph.input, channels: 3)
    var map = patches(style.stem.convolution, image, &builder)
    map = builder.layerNorm(style.stem.norm, map, epsilon: details.epsilon)
    for (stage, depth) in depths(style, builder.has).enumerated() {
      if stage > 0 {
        let names = style.reduction(stage)
        map = builder.layerNorm(names.norm, map, epsilon: details.epsilon)
        map = patches(names.convolution, map, &builder)
      }
      for index in 0..<depth { map = block(style.block(stage, index), map, style, details, &builder) }
    }
    return map
  }

  /// A convolution of patches that do not overlap: its stride is the size of its kernel.
  private static func patches(_ name: String, _ map: Layer, _ builder: inout GraphBuilder) -> Layer {
    let shape = builder.state.shape("\(builder.prefix)\(name).weight")
    let size = shape.flatMap { $0.rank == 4 ? $0[2] : nil } ?? 2
    return builder.convolution(name, map.value, inputChannels: map.channels, stride: size, padding: 0)
  }

  private static func block(
    _ name: String, _ input: Layer, _ style: Style, _ details: Details, _ builder: inout GraphBuilder
  ) -> Layer {
    var map = builder.convolution("\(name).\(style.depthwise)", input.value, inputChannels: input.channels)
    map = builder.layerNorm("\(name).\(style.norm)", map, epsilon: details.epsilon)
    map = builder.pointwise("\(name).\(style.linear.expand)", map)
    map = map.with(
      builder.graph.append(
        Nonlinearity(details.activation), name: "\(name).\(details.activation.name)", inputs: [map.value]))
    let response = responseNames(style, builder.has)
    if let response {
      map = builder.responseNormalization(
        "\(name).grn", map, weight: "\(name).\(response.weight)", bias: "\(name).\(response.bias)",
        epsilon: responseEpsilon)
    }
    map = builder.pointwise("\(name).\(style.linear.project)", map)
    if response == nil || builder.has("\(name).\(style.scale)") {
      map = builder.channelFactors("\(name).\(style.scale)", map)
    }
    return builder.add("\(name).add", map, input)
  }
}
