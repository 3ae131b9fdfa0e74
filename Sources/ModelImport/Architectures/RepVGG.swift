import Graphs
import Operators
import Tensors

/// RepVGG (Ding et al., arXiv 2101.03697) and MobileOne (Vasu et al., arXiv 2206.04040) with the key names of their
/// authors or of timm: blocks whose parallel convolutions and norms are added, or have been merged into a single
/// convolution already. Each stage halves the map in its first block. Depths, widths and groups come from the tensors.
enum RepVGG: Architecture {
  static let family = "RepVGG and MobileOne"
  static let preprocessing = Preprocessing.imageNet

  /// The names of a block's parts.
  private struct Style {
    let stem: String
    let stage: @Sendable (Int) -> String
    /// The convolutions with their norms. Each may be a numbered list.
    let branches: [String]
    /// The norm without a convolution.
    let identity: String
    /// The convolution that replaces all branches.
    let merged: String
    /// The layers of squeeze-and-excitation.
    let excitation: (reduce: String, expand: String)
  }

  private static let styles = [
    Style(
      stem: "stage0", stage: { "stage\($0 + 1)" }, branches: ["rbr_dense", "rbr_1x1"], identity: "rbr_identity",
      merged: "rbr_reparam", excitation: ("se.down", "se.up")),
    Style(
      stem: "stage0", stage: { "stage\($0 + 1)" }, branches: ["rbr_conv", "rbr_scale"], identity: "rbr_skip",
      merged: "reparam_conv", excitation: ("se.reduce", "se.expand")),
    Style(
      stem: "stem", stage: { "stages.\($0)" }, branches: ["conv_kxk", "conv_1x1", "conv_scale"], identity: "identity",
      merged: "reparam_conv", excitation: ("attn.fc1", "attn.fc2")),
  ]

  /// The first convolution of a block in each style and form.
  private static let firstConvolutions = styles.flatMap { style in
    ["\(style.branches[0]).conv.weight", "\(style.branches[0]).0.conv.weight", "\(style.merged).weight"].map {
      (style: style, tensor: $0)
    }
  }

  static let landmarks = firstConvolutions.map { "\($0.style.stem).\($0.tensor)" }

  static func recognizes(_ has: (String) -> Bool) -> Bool { style(has) != nil }

  /// The style in which the stem and the first block are named.
  private static func style(_ has: (String) -> Bool) -> Style? {
    firstConvolutions.first { style, tensor in
      guard has("\(style.stem).\(tensor)") else { return false }
      return firstConvolutions.contains { $0.style.stem == style.stem && has("\(style.stage(0)).0.\($0.tensor)") }
    }?.style
  }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let has = { (name: String) in state.contains(prefix + name) }
    guard let style = style(has) else { return "repvgg" }
    let names = [
      [2, 4, 14, 1]: "repvgg_a", [4, 6, 16, 1]: "repvgg_b", [8, 14, 24, 1]: "repvgg_d2", [4, 16, 20, 2]: "mobileone",
    ]
    let depths = depths(style, has)
    return names[depths] ?? "repvgg\(depths)"
  }

  /// The number of blocks in each stage.
  private static func depths(_ style: Style, _ has: (String) -> Bool) -> [Int] {
    let tensors = firstConvolutions.filter { $0.style.stem == style.stem }.map(\.tensor) + ["\(style.identity).weight"]
    return StageDepths.count { stage, block in
      tensors.contains { has("\(style.stage(stage)).\(block).\($0)") }
    }
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    guard let style = style(builder.has) else {
      throw .missing(architecture: "repvgg", names: landmarks.map { builder.prefix + $0 })
    }
    builder.assume(
      "layers without weights are those of the authors: ReLU, and the stem and each stage halve the map")
    var layer = block(style.stem, Layer(value: builder.graph.input, channels: 3), stride: 2, style, &builder)
    for (stage, depth) in depths(style, builder.has).enumerated() {
      for index in 0..<depth {
        layer = block("\(style.stage(stage)).\(index)", layer, stride: index == 0 ? 2 : 1, style, &builder)
      }
    }
    return layer
  }

  private static func block(
    _ name: String, _ input: Layer, stride: Int, _ style: Style, _ builder: inout GraphBuilder
  ) -> Layer {
    var layer = sum(name, input, stride: stride, style, &builder)
    let (reduce, expand) = ("\(name).\(style.excitation.reduce)", "\(name).\(style.excitation.expand)")
    if builder.has("\(reduce).weight") || builder.has("\(expand).weight") {
      layer = builder.excite("\(name).se", layer, reduce: reduce, expand: expand)
    }
    return builder.relu("\(name).relu", layer)
  }

  /// The sum of a block's branches, or the convolution that they have been merged into.
  private static func sum(
    _ name: String, _ input: Layer, stride: Int, _ style: Style, _ builder: inout GraphBuilder
  ) -> Layer {
    if builder.has("\(name).\(style.merged).weight") {
      return builder.convolution(
        "\(name).\(style.merged)", input.value, inputChannels: input.channels, stride: stride)
    }
    var branches: [Layer] = []
    for branch in style.branches {
      let module = "\(name).\(branch)"
      var modules: [String] = []
      while builder.has("\(module).\(modules.count).conv.weight") { modules.append("\(module).\(modules.count)") }
      if builder.has("\(module).conv.weight") || builder.has("\(module).bn.weight") { modules.append(module) }
      for module in modules {
        branches.append(builder.convNorm(LayerPair("\(module).conv", "\(module).bn"), input, stride: stride))
      }
    }
    if builder.has("\(name).\(style.identity).weight") {
      branches.append(builder.batchNorm("\(name).\(style.identity)", input))
    }
    guard var sum = branches.first else {
      // The first branch is missing, which is reported as such.
      return builder.convolution(
        "\(name).\(style.branches[0]).conv", input.value, inputChannels: input.channels, stride: stride)
    }
    for (index, branch) in branches.enumerated().dropFirst() {
      sum = builder.add("\(name).add\(index)", sum, branch)
    }
    return sum
  }
}
