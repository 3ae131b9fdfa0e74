import Graphs
import Operators
import Tensors

/// ConvNeXt (Liu et al., arXiv 2201.03545) with the key names of torchvision, timm or its authors: blocks of a 7x7
/// depthwise convolution, a layer norm over the channels, and two linear layers on each pixel with GELU between them,
/// whose result is scaled by channel and added to the input. Depths and widths come from the tensors.
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
    /// The norm of the pooled map.
    let last: String
  }

  private static let styles = [
    Style(
      stem: ("features.0.0", "features.0.1"), reduction: { ("features.\(2 * $0).0", "features.\(2 * $0).1") },
      block: { "features.\(2 * $0 + 1).\($1)" }, depthwise: "block.0", norm: "block.2",
      linear: ("block.3", "block.5"), scale: "layer_scale", last: "classifier.0"),
    Style(
      stem: ("stem.0", "stem.1"), reduction: { ("stages.\($0).downsample.0", "stages.\($0).downsample.1") },
      block: { "stages.\($0).blocks.\($1)" }, depthwise: "conv_dw", norm: "norm", linear: ("mlp.fc1", "mlp.fc2"),
      scale: "gamma", last: "head.norm"),
    Style(
      stem: ("downsample_layers.0.0", "downsample_layers.0.1"),
      reduction: { ("downsample_layers.\($0).0", "downsample_layers.\($0).1") }, block: { "stages.\($0).\($1)" },
      depthwise: "dwconv", norm: "norm", linear: ("pwconv1", "pwconv2"), scale: "gamma", last: "norm"),
  ]

  static let landmarks = styles.map { "\($0.block(0, 0)).\($0.scale)" }

  static func recognizes(_ has: (String) -> Bool) -> Bool { style(has) != nil }

  private static func style(_ has: (String) -> Bool) -> Style? {
    styles.first { has("\($0.stem.convolution).weight") && has("\($0.block(0, 0)).\($0.scale)") }
  }

  static func neck(_ has: (String) -> Bool) -> [NeckLayer] {
    guard let style = style(has), has("\(style.last).weight") else { return [] }
    return [.layerNorm(style.last, epsilon: epsilon)]
  }

  /// What layer norms add to the variance.
  private static let epsilon = 1e-6

  static func name(of state: StateDictionary, prefix: String) -> String {
    guard let style = style({ state.contains(prefix + $0) }) else { return "convnext" }
    let depths = depths(style) { state.contains(prefix + $0) }
    let width = state.shape("\(prefix)\(style.stem.convolution).weight")?.dimensions.first ?? 0
    switch (depths, width) {
    case ([3, 3, 9, 3], 96): return "convnext_tiny"
    case ([3, 3, 27, 3], 96): return "convnext_small"
    case ([3, 3, 27, 3], 128): return "convnext_base"
    case ([3, 3, 27, 3], 192): return "convnext_large"
    default: return "convnext\(depths)"
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
    builder.assume(
      "layers without weights are those of the authors: GELU, and layer norms add \(epsilon) to the variance")
    let image = Layer(value: builder.graph.input, channels: 3)
    var map = patches(style.stem.convolution, image, &builder)
    map = builder.layerNorm(style.stem.norm, map, epsilon: epsilon)
    for (stage, depth) in depths(style, builder.has).enumerated() {
      if stage > 0 {
        let names = style.reduction(stage)
        map = builder.layerNorm(names.norm, map, epsilon: epsilon)
        map = patches(names.convolution, map, &builder)
      }
      for index in 0..<depth { map = block(style.block(stage, index), map, style, &builder) }
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
    _ name: String, _ input: Layer, _ style: Style, _ builder: inout GraphBuilder
  ) -> Layer {
    var map = builder.convolution("\(name).\(style.depthwise)", input.value, inputChannels: input.channels)
    map = builder.layerNorm("\(name).\(style.norm)", map, epsilon: epsilon)
    map = builder.pointwise("\(name).\(style.linear.expand)", map)
    map = map.with(builder.graph.append(Nonlinearity(.gelu), name: "\(name).gelu", inputs: [map.value]))
    map = builder.pointwise("\(name).\(style.linear.project)", map)
    map = builder.channelFactors("\(name).\(style.scale)", map)
    return builder.add("\(name).add", map, input)
  }
}
