import Graphs
import Operators
import Tensors

/// PNASNet-5 (Liu et al., arXiv 1712.00559, figure 1; Cadene's pnasnet): a convolution, two stem cells, then cells of a
/// single kind, some with stride 2. Every cell reads the outputs of the two cells before it. Cell counts and widths
/// come from the tensors.
enum PNASNet: Architecture {
  static let family = "PNASNet-5"
  static let preprocessing = Preprocessing.half

  static let landmarks = ["conv_0.conv.weight", "cell_stem_1.conv_prev_1x1.path_1.conv.weight"]
  static let batchNormEpsilon = 1e-3

  static func recognizes(_ has: (String) -> Bool) -> Bool { landmarks.allSatisfy(has) }

  static func name(of state: StateDictionary, prefix: String) -> String {
    var cells = 0
    while state.contains("\(prefix)cell_\(cells).conv_1x1.conv.weight") { cells += 1 }
    return cells == 12 ? "pnasnet5large" : "pnasnet5[\(cells)]"
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let isLarge = name(of: builder.state, prefix: builder.prefix) == "pnasnet5large"
    builder.chooseCells(unlike: isLarge ? "timm's pnasnet5large, the same network at 331 pixels," : nil)
    let image = builder.convolution("conv_0.conv", builder.graph.input, inputChannels: 3, stride: 2, padding: 0)
    let stem = builder.batchNorm("conv_0.bn", image)
    let h = builder.reluConvNorm("cell_stem_0.conv_1x1", stem)
    var previous = combine("cell_stem_0", stem, h, stride: 2, shift: false, &builder)
    var current = cell("cell_stem_1", stem, previous, shift: false, &builder)
    var index = 0
    var reductions = 0
    while builder.has("cell_\(index).conv_1x1.conv.weight") {
      let name = "cell_\(index)"
      if isReduction(name, builder) { reductions += 1 }
      // At the 331 pixels that the network was made for, only the first reduction after the stem reads even maps.
      let output = cell(name, previous, current, shift: reductions == 1, &builder)
      (previous, current) = (current, output)
      index += 1
    }
    return builder.relu("relu", current)
  }

  /// Whether a cell halves the map: only these have a convolution in their last branch.
  private static func isReduction(_ name: String, _ builder: GraphBuilder) -> Bool {
    builder.has("\(name).comb_iter_4_right.conv.weight")
  }

  private static func cell(
    _ name: String, _ before: Layer, _ input: Layer, shift: Bool, _ builder: inout GraphBuilder
  ) -> Layer {
    // The cell after a reduction halves the older of its inputs.
    let older =
      builder.has("\(name).conv_prev_1x1.path_1.conv.weight")
      ? builder.factorizedReduction("\(name).conv_prev_1x1", before)
      : builder.reluConvNorm("\(name).conv_prev_1x1", before)
    let h = builder.reluConvNorm("\(name).conv_1x1", input)
    let reduces = isReduction(name, builder)
    return combine(name, older, h, stride: reduces ? 2 : 1, shift: shift && reduces, &builder)
  }

  /// The five sums of a cell, concatenated by channel.
  private static func combine(
    _ name: String, _ left: Layer, _ right: Layer, stride: Int, shift: Bool, _ builder: inout GraphBuilder
  ) -> Layer {
    let branch = { (index: Int, side: String) in "\(name).comb_iter_\(index)_\(side)" }
    let sum0 = builder.add(
      "\(name).comb_iter_0", builder.separable(branch(0, "left"), left, stride: stride, shift: shift),
      pooled(branch(0, "right"), left, stride: stride, shift: shift, &builder))
    let sum1 = builder.add(
      "\(name).comb_iter_1", builder.separable(branch(1, "left"), right, stride: stride, shift: shift),
      pooled(branch(1, "right"), right, stride: stride, shift: shift, &builder))
    let sum2 = builder.add(
      "\(name).comb_iter_2", builder.separable(branch(2, "left"), right, stride: stride, shift: shift),
      builder.separable(branch(2, "right"), right, stride: stride, shift: shift))
    let sum3 = builder.add(
      "\(name).comb_iter_3", builder.separable(branch(3, "left"), sum2),
      pooled(branch(3, "right"), right, stride: stride, shift: shift, &builder))
    let last =
      builder.has("\(branch(4, "right")).conv.weight")
      ? builder.reluConvNorm(branch(4, "right"), right, stride: stride) : right
    let sum4 = builder.add(
      "\(name).comb_iter_4", builder.separable(branch(4, "left"), left, stride: stride, shift: shift), last)
    return builder.concatenate("\(name).concat", [sum0, sum1, sum2, sum3, sum4])
  }

  /// Max pooling. In the first stem cell, a 1x1 convolution brings its result to the cell's width.
  private static func pooled(
    _ name: String, _ layer: Layer, stride: Int, shift: Bool, _ builder: inout GraphBuilder
  ) -> Layer {
    guard builder.has("\(name).conv.weight") else {
      return builder.cellMaxPool(name, layer, stride: stride, shift: shift)
    }
    let map = builder.cellMaxPool("\(name).max_pool", layer, stride: stride, shift: shift)
    let projected = builder.convolution("\(name).conv", map.value, inputChannels: map.channels)
    return builder.batchNorm("\(name).bn", projected)
  }
}
