import Graphs
import Operators
import Tensors

/// NASNet-A (Zoph et al., arXiv 1707.07012, figure 4; Cadene's nasnet_mobile and nasnet): a convolution, two stem cells
/// that reduce the map, then stages of normal cells with a reduction cell between them. Every cell reads the outputs of
/// the two cells before it. Cell counts and widths come from the tensors.
enum NASNet: Architecture {
  static let family = "NASNet-A"
  static let preprocessing = Preprocessing.half

  static let landmarks = ["conv0.conv.weight", "cell_stem_1.path_1.conv.weight"]
  static let batchNormEpsilon = 1e-3

  static func recognizes(_ has: (String) -> Bool) -> Bool { landmarks.allSatisfy(has) }

  static func name(of state: StateDictionary, prefix: String) -> String {
    let depths = stages { state.contains(prefix + $0) }.map(\.count)
    switch depths {
    case [4, 4, 4]: return "nasnetamobile"
    case [6, 6, 6]: return "nasnetalarge"
    default: return "nasneta\(depths)"
    }
  }

  /// The numbers of the cells in each stage. Only the first cell of a stage halves the older of its inputs.
  private static func stages(_ contains: (String) -> Bool) -> [[Int]] {
    var stages: [[Int]] = []
    for cell in 0..<64 where contains("cell_\(cell).conv_1x1.conv.weight") {
      if stages.isEmpty || contains("cell_\(cell).path_1.conv.weight") { stages.append([]) }
      stages[stages.count - 1].append(cell)
    }
    return stages
  }

  static func buildTrunk(_ builder: inout GraphBuilder) throws(ImportError) -> Layer {
    let stages = stages(builder.has)
    builder.chooseCells(unlike: stages.map(\.count) == [6, 6, 6] ? "timm's nasnetalarge" : nil)
    // At their usual sizes, the mobile network has even maps where the large one, made for 331 pixels, has odd ones.
    let isLarge = (stages.first?.count ?? 0) >= 6
    let image = builder.convolution("conv0.conv", builder.graph.input, inputChannels: 3, stride: 2, padding: 0)
    let stem = builder.batchNorm("conv0.bn", image)
    var previous = firstStemCell(stem, &builder)
    var current = secondStemCell(stem, previous, shift: !isLarge, &builder)
    for (stage, cells) in stages.enumerated() {
      if stage > 0 {
        let name = "reduction_cell_\(stage - 1)"
        let reduced = reductionCell(name, current, previous, shift: stage == 1 || !isLarge, &builder)
        // The next cell's older input is the newer input of the reduction, or in the large network its older input.
        (previous, current) = (isLarge ? previous : current, reduced)
      }
      for cell in cells {
        let output = normalCell("cell_\(cell)", current, previous, isFirst: cell == cells.first, &builder)
        (previous, current) = (current, output)
      }
    }
    return builder.relu("relu", current)
  }

  /// The sums of both stem cells and of the reduction cells (figure 4, right).
  ///
  /// - Parameters:
  ///   - h: the input of the left branches.
  ///   - older: the input of the right branches of the first three sums.
  private static func reduce(
    _ name: String, _ h: Layer, _ older: Layer, shift: Bool, _ builder: inout GraphBuilder
  ) -> Layer {
    let branch = { (index: Int, side: String) in "\(name).comb_iter_\(index)_\(side)" }
    let sum0 = builder.add(
      "\(name).comb_iter_0", builder.separable(branch(0, "left"), h, stride: 2, shift: shift),
      builder.separable(branch(0, "right"), older, stride: 2, shift: shift))
    let sum1 = builder.add(
      "\(name).comb_iter_1", builder.cellMaxPool(branch(1, "left"), h, stride: 2, shift: shift),
      builder.separable(branch(1, "right"), older, stride: 2, shift: shift))
    let sum2 = builder.add(
      "\(name).comb_iter_2", builder.cellAveragePool(branch(2, "left"), h, stride: 2, shift: shift),
      builder.separable(branch(2, "right"), older, stride: 2, shift: shift))
    let sum3 = builder.add("\(name).comb_iter_3", builder.cellAveragePool(branch(3, "right"), sum0), sum1)
    let sum4 = builder.add(
      "\(name).comb_iter_4", builder.separable(branch(4, "left"), sum0, shift: shift),
      builder.cellMaxPool(branch(4, "right"), h, stride: 2, shift: shift))
    return builder.concatenate("\(name).concat", [sum1, sum2, sum3, sum4])
  }

  private static func firstStemCell(_ stem: Layer, _ builder: inout GraphBuilder) -> Layer {
    let h = builder.reluConvNorm("cell_stem_0.conv_1x1", stem)
    return reduce("cell_stem_0", h, stem, shift: false, &builder)
  }

  private static func secondStemCell(
    _ stem: Layer, _ first: Layer, shift: Bool, _ builder: inout GraphBuilder
  ) -> Layer {
    let h = builder.reluConvNorm("cell_stem_1.conv_1x1", first)
    let older = builder.factorizedReduction("cell_stem_1", stem)
    return reduce("cell_stem_1", h, older, shift: shift, &builder)
  }

  private static func reductionCell(
    _ name: String, _ input: Layer, _ before: Layer, shift: Bool, _ builder: inout GraphBuilder
  ) -> Layer {
    let older = builder.reluConvNorm("\(name).conv_prev_1x1", before)
    let h = builder.reluConvNorm("\(name).conv_1x1", input)
    return reduce(name, h, older, shift: shift, &builder)
  }

  /// The normal cell (figure 4, left).
  private static func normalCell(
    _ name: String, _ input: Layer, _ before: Layer, isFirst: Bool, _ builder: inout GraphBuilder
  ) -> Layer {
    let branch = { (index: Int, side: String) in "\(name).comb_iter_\(index)_\(side)" }
    let older =
      isFirst
      ? builder.factorizedReduction(name, before)
      : builder.reluConvNorm("\(name).conv_prev_1x1", before)
    let h = builder.reluConvNorm("\(name).conv_1x1", input)
    let sums = [
      builder.add(
        "\(name).comb_iter_0", builder.separable(branch(0, "left"), h), builder.separable(branch(0, "right"), older)),
      builder.add(
        "\(name).comb_iter_1", builder.separable(branch(1, "left"), older),
        builder.separable(branch(1, "right"), older)),
      builder.add("\(name).comb_iter_2", builder.cellAveragePool(branch(2, "left"), h), older),
      builder.add(
        "\(name).comb_iter_3", builder.cellAveragePool(branch(3, "left"), older),
        builder.cellAveragePool(branch(3, "right"), older)),
      builder.add("\(name).comb_iter_4", builder.separable(branch(4, "left"), h), h),
    ]
    return builder.concatenate("\(name).concat", [older] + sums)
  }
}
