import ReportRules

/// Intervals that are not those of their figures. A report may be the baseline of later ones, and one with intervals
/// that are too wide, or with none, would let every figure become worse.
extension FidelityFigures {
  /// Checks that intervals follow from the numbers that a report states (`StatedFigure`).
  ///
  /// - Parameter areRequired: whether a figure of several images must have an interval; reports of earlier versions
  ///   lack them.
  func checkIntervals(areRequired: Bool) throws(ReportContradiction) {
    let mean = StatedFigure("drift.mean", drift.mean, drift.meanInterval?.ends, images: images)
    try requireNone(mean.meanProblem(deviation: drift.deviation, greatest: drift.max, isRequired: areRequired))
    var shares = [
      StatedFigure("agreement.top1", agreement.top1, agreement.top1Interval?.ends, images: images),
      StatedFigure("float.top1", float.top1, float.top1Interval?.ends, images: labelledImages),
      StatedFigure("int8.top1", int8.top1, int8.top1Interval?.ends, images: labelledImages),
    ]
    if let decisive = decisiveAgreement {
      shares.append(
        StatedFigure(
          "decisive_agreement.top1", decisive.top1, decisive.top1Interval?.ends, images: decisive.images))
    }
    if let neighbors { shares += neighbors.shares }
    for share in shares { try requireNone(share.shareProblem(isRequired: areRequired)) }
    let drop = StatedFigure("top1_drop", top1Drop, top1DropInterval?.ends, images: labelledImages)
    try requireNone(drop.dropProblem(top1Changes, isRequired: areRequired))
  }
}

extension NeighborFigures {
  fileprivate var shares: [StatedFigure] {
    var shares: [StatedFigure] = []
    for (name, agreement) in [("int8_in_float", int8InFloat), ("int8_in_int8", int8InInt8)] {
      shares.append(
        StatedFigure("neighbours.\(name).top1", agreement.top1, agreement.top1Interval?.ends, images: images))
      shares.append(
        StatedFigure(
          "neighbours.\(name).decisive_top1", agreement.decisive, agreement.decisiveInterval?.ends,
          images: images - nearTies))
    }
    guard let classes else { return shares }
    for figures in [classes.floatInFloat, classes.int8InFloat, classes.int8InInt8] {
      shares.append(
        StatedFigure("recall_at_1", figures.recallAt1, figures.recallAt1Interval?.ends, images: classes.queries))
    }
    return shares
  }
}

private func requireNone(_ problem: String?) throws(ReportContradiction) {
  if let problem { throw ReportContradiction(reason: problem) }
}
