/// Intervals that are not those of their figures. A report may be the baseline of later ones, and one with intervals
/// that are too wide, or with none, would let every figure become worse.
extension FidelityFigures {
  /// Checks that intervals follow from the numbers that a report states, as far as it states them, and are otherwise no
  /// wider than any sample gives.
  ///
  /// - Parameter areRequired: whether a figure of several images must have an interval; reports of earlier versions
  ///   lack them.
  func checkIntervals(areRequired: Bool) throws(ReportContradiction) {
    try drift.checkMeanInterval(images: images, isRequired: areRequired)
    var shares = [
      StatedShare("agreement.top1", agreement.top1, agreement.top1Interval, images),
      StatedShare("float.top1", float.top1, float.top1Interval, labelledImages),
      StatedShare("int8.top1", int8.top1, int8.top1Interval, labelledImages),
    ]
    if let decisive = decisiveAgreement {
      shares.append(StatedShare("decisive_agreement.top1", decisive.top1, decisive.top1Interval, decisive.images))
    }
    if let neighbors { shares += neighbors.shares }
    for share in shares { try share.check(isRequired: areRequired) }
    try checkDropInterval(isRequired: areRequired)
  }

  private func checkDropInterval(isRequired: Bool) throws(ReportContradiction) {
    let expected = top1Changes.flatMap { changes in
      let n = Double(max(labelledImages, 1))
      return ConfidenceInterval.ofDifference(
        lost: Double(changes.lost) / n, gained: Double(changes.gained) / n, images: labelledImages)?.percent
    }
    try check("top1_drop", top1Drop, top1DropInterval, expected, images: labelledImages, isRequired: isRequired)
  }
}

extension NeighborFigures {
  fileprivate var shares: [StatedShare] {
    var shares: [StatedShare] = []
    for (name, agreement) in [("int8_in_float", int8InFloat), ("int8_in_int8", int8InInt8)] {
      shares.append(StatedShare("neighbours.\(name).top1", agreement.top1, agreement.top1Interval, images))
      shares.append(
        StatedShare(
          "neighbours.\(name).decisive_top1", agreement.decisive, agreement.decisiveInterval, images - nearTies))
    }
    guard let classes else { return shares }
    for figures in [classes.floatInFloat, classes.int8InFloat, classes.int8InInt8] {
      shares.append(StatedShare("recall_at_1", figures.recallAt1, figures.recallAt1Interval, classes.queries))
    }
    return shares
  }
}

extension DriftSummary {
  /// An interval of the mean by bootstrap depends on all drifts. The means of resamples have a deviation of at most
  /// `deviation` / √images, and by Cantelli's inequality at most 2.5 % of the resamples are more than √39 deviations to
  /// one side.
  fileprivate func checkMeanInterval(images: Int, isRequired: Bool) throws(ReportContradiction) {
    try check("drift.mean", mean, meanInterval, nil, images: images, isRequired: isRequired)
    guard let mean, let greatest = self.max, let interval = meanInterval, images > 1 else { return }
    // Numbers from 0 to the greatest with this mean vary no more than those that are one or the other.
    let n = Double(images)
    let largest = (Swift.max(0, mean * (greatest - mean)) * n / (n - 1)).squareRoot()
    let slack = 1e-9 * greatest
    if let deviation, deviation > largest + slack {
      throw ReportContradiction(
        reason: "drift.std is \(shortest(deviation)), and numbers with this mean and maximum have at most "
          + shortest(largest))
    }
    // 2000 resamples are themselves a sample.
    let reach = 8 * (deviation ?? largest) / n.squareRoot() + slack
    guard interval.high <= Swift.min(greatest + slack, mean + reach), interval.low >= mean - reach else {
      throw ReportContradiction(reason: "drift.mean has a wider interval than any \(images) images give")
    }
  }
}

/// A share of a number of images in percent, with its interval.
private struct StatedShare {
  let name: String
  let percent: Double?
  let interval: ConfidenceInterval?
  let images: Int

  init(_ name: String, _ percent: Double?, _ interval: ConfidenceInterval?, _ images: Int) {
    (self.name, self.percent, self.interval, self.images) = (name, percent, interval, images)
  }

  func check(isRequired: Bool) throws(ReportContradiction) {
    let expected = percent.flatMap { ConfidenceInterval.ofShare($0 / 100, images: images)?.percent }
    try Fidelity.check(name, percent, interval, expected, images: images, isRequired: isRequired)
  }
}

/// Checks that a figure has the expected interval, where one is known, and that it has one at all.
private func check(
  _ name: String, _ value: Double?, _ interval: ConfidenceInterval?, _ expected: ConfidenceInterval?, images: Int,
  isRequired: Bool
) throws(ReportContradiction) {
  guard value != nil else { return }
  guard let interval else {
    guard isRequired, images > 1 else { return }
    throw ReportContradiction(reason: "\(name) is of \(images) images and has no interval")
  }
  guard let expected else { return }
  let tolerance = 1e-6
  guard abs(interval.low - expected.low) <= tolerance, abs(interval.high - expected.high) <= tolerance else {
    throw ReportContradiction(reason: "\(name) has not the interval of \(images) images")
  }
}
