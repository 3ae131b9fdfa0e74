/// Collects the comparisons of a set of images, on one thread, or on several with an accumulator each.
///
/// It keeps one small record per image. The figures do not depend, to the last bit, on the order in which images were
/// added and accumulators were merged.
package struct FidelityAccumulator: Sendable {
  private var comparisons: [ImageComparison] = []

  /// An accumulator without images.
  package init() {}

  /// The number of images added.
  package var images: Int { comparisons.count }

  /// Adds one image.
  package mutating func add(_ comparison: ImageComparison) {
    comparisons.append(comparison)
  }

  /// Adds all images of another accumulator.
  package mutating func merge(_ other: FidelityAccumulator) {
    comparisons += other.comparisons
  }

  /// The drift of each image, in ascending order.
  package var drifts: [Double] { comparisons.map(\.drift).sorted() }

  /// The figures of all images added so far.
  package func figures() -> FidelityFigures {
    let float = comparisons.compactMap(\.float)
    let int8 = comparisons.compactMap(\.int8)
    let changes = FidelityFigures.Top1Changes(comparisons)
    let answers = comparisons.compactMap(\.firstClass)
    return FidelityFigures(
      images: comparisons.count,
      labelledImages: float.count,
      nonFiniteImages: comparisons.count { $0.defect != nil },
      drift: DriftSummary(comparisons),
      agreement: TopPercentages(comparisons.compactMap(\.agreement)),
      decisiveAgreement: DecisiveAgreement(comparisons),
      chance: ChanceLevel.of(comparisons.compactMap(\.answer)).map { 100 * $0 },
      float: TopPercentages(float),
      int8: TopPercentages(int8),
      // From the counts, as the difference of two percentages would be rounded twice.
      top1Drop: percentage(float.count(where: \.top1) - int8.count(where: \.top1), of: float.count),
      top1DropInterval: changes.flatMap { changes in
        let n = Double(float.count)
        return ConfidenceInterval.ofDifference(
          lost: Double(changes.lost) / n, gained: Double(changes.gained) / n, images: float.count)?.percent
      },
      top1Changes: changes,
      worstImages: worst(10),
      outputsAreIdentical: !comparisons.isEmpty && comparisons.allSatisfy(\.hasSameOutputs),
      hasOneAnswer: answers.count > 1 && Set(answers).count == 1)
  }

  private func worst(_ count: Int) -> [FidelityFigures.WorstImage] {
    comparisons
      .sorted { $0.drift != $1.drift ? $0.drift > $1.drift : $0.precedes($1) }
      .prefix(count)
      .map { .init(name: $0.name, drift: $0.drift, defect: $0.defect?.rawValue) }
  }
}

extension DriftSummary {
  fileprivate init(_ comparisons: [ImageComparison]) {
    let drifts = comparisons.map(\.drift).sorted()
    // The rounding of a sum depends on the order, which sorting fixes.
    mean = drifts.isEmpty ? nil : drifts.reduce(0, +) / Double(drifts.count)
    p50 = quantile(0.50, ofSorted: drifts)
    p95 = quantile(0.95, ofSorted: drifts)
    p99 = quantile(0.99, ofSorted: drifts)
    max = drifts.last
    deviation = mean.flatMap { mean in
      drifts.count < 2
        ? nil
        : (drifts.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(drifts.count - 1)).squareRoot()
    }
    meanInterval = ConfidenceInterval.ofMean(drifts)
  }
}

extension TopPercentages {
  fileprivate init(_ hits: [ImageComparison.Hits]) {
    top1 = percentage(hits.count(where: \.top1), of: hits.count)
    top5 = percentage(hits.count(where: \.top5), of: hits.count)
    top1Interval =
      ConfidenceInterval.ofShare(
        Double(hits.count(where: \.top1)) / Double(max(hits.count, 1)), images: hits.count)?.percent
  }
}

extension DecisiveAgreement {
  fileprivate init?(_ comparisons: [ImageComparison]) {
    let nearTies = comparisons.compactMap(\.isNearTie)
    guard !nearTies.isEmpty else { return nil }
    let decisive = comparisons.filter { $0.isNearTie == false }
    let agreed = decisive.count { $0.agreement?.top1 == true }
    self.init(
      minGap: NearTie.minGap, nearTies: nearTies.count(where: \.self), images: decisive.count,
      top1: percentage(agreed, of: decisive.count),
      top1Interval: ConfidenceInterval.ofShare(
        Double(agreed) / Double(max(decisive.count, 1)), images: decisive.count)?.percent)
  }
}

extension FidelityFigures.Top1Changes {
  fileprivate init?(_ comparisons: [ImageComparison]) {
    let labelled = comparisons.compactMap { comparison in
      comparison.float.flatMap { float in comparison.int8.map { (float: float.top1, int8: $0.top1) } }
    }
    guard !labelled.isEmpty else { return nil }
    self.init(lost: labelled.count { $0.float && !$0.int8 }, gained: labelled.count { !$0.float && $0.int8 })
  }
}

extension ImageComparison {
  /// A total order of the fields that reports show, independent of locale and Unicode version.
  fileprivate func precedes(_ other: ImageComparison) -> Bool {
    if name.utf8.elementsEqual(other.name.utf8) {
      return (defect?.rawValue ?? "") < (other.defect?.rawValue ?? "")
    }
    return name.utf8.lexicographicallyPrecedes(other.name.utf8)
  }
}

/// In percent; nil where `total` is 0.
private func percentage(_ count: Int, of total: Int) -> Double? {
  total == 0 ? nil : 100 * Double(count) / Double(total)
}
