/// The ends of a 95 % confidence interval.
package struct IntervalEnds: Hashable, Sendable {
  /// The lower end.
  package let low: Double
  /// The upper end.
  package let high: Double

  package init(low: Double, high: Double) { (self.low, self.high) = (low, high) }

  /// The 97.5 % quantile of the normal distribution.
  package static let z = 1.959963984540054

  /// The interval of a share, from 0 to 1: Wilson's score interval (Wilson, "Probable Inference, the Law of Succession,
  /// and Statistical Inference", 1927), which is valid for shares near 1, too.
  ///
  /// - Returns: `nil` without images.
  package static func ofShare(_ share: Double, images: Int) -> IntervalEnds? {
    guard images > 0 else { return nil }
    let n = Double(images)
    let square = z * z / n
    let middle = (share + square / 2) / (1 + square)
    let half = z * (share * (1 - share) / n + square / (4 * n)).squareRoot() / (1 + square)
    // Exactly 0 and 1 at the ends, where rounding errors would remain.
    return IntervalEnds(low: share <= 0 ? 0 : max(0, middle - half), high: share >= 1 ? 1 : min(1, middle + half))
  }

  /// The interval of the difference of two shares, each from 0 to 1, that were measured on the same images: Wald's
  /// interval with half an image added to each of the four outcomes (Agresti and Min, "Simple improved confidence
  /// intervals for comparing matched proportions", 2005), which has a width even where all outcomes are equal.
  ///
  /// - Parameters:
  ///   - lost: the share of images that count only for the first share, from 0 to 1.
  ///   - gained: the share of images that count only for the second, from 0 to 1.
  ///   - images: the number of images.
  /// - Returns: `nil` without images.
  package static func ofDifference(lost: Double, gained: Double, images: Int) -> IntervalEnds? {
    guard images > 0 else { return nil }
    let n = Double(images)
    let (lost, gained) = ((lost * n + 0.5) / (n + 2), (gained * n + 0.5) / (n + 2))
    let difference = lost - gained
    let half = z * ((lost + gained - difference * difference) / (n + 2)).squareRoot()
    return IntervalEnds(low: max(-1, difference - half), high: min(1, difference + half))
  }

  /// The interval of a share, converted to percent.
  package var percent: IntervalEnds { IntervalEnds(low: 100 * low, high: 100 * high) }

  /// Whether a number is in the interval, or above or below it by rounding.
  package func contains(_ number: Double) -> Bool {
    let slack = ReportLimits.rounding * max(abs(low), abs(high))
    return low - slack <= number && number <= high + slack
  }
}
