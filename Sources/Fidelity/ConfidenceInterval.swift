import ReportRules

/// The 95 % confidence interval of a figure that was measured on a sample of images.
package struct ConfidenceInterval: Hashable, Sendable, Codable {
  /// The lower end.
  package let low: Double
  /// The upper end.
  package let high: Double

  package init(low: Double, high: Double) { (self.low, self.high) = (low, high) }

  /// The 97.5 % quantile of the normal distribution.
  package static let z = IntervalEnds.z
  /// The number of bootstrap resamples.
  package static let resamples = 2000

  /// The interval of the mean of the population that these values are a sample of: the percentile bootstrap (Efron and
  /// Tibshirani, "An Introduction to the Bootstrap", section 13.3), which makes no assumption about the distribution.
  /// The seed is fixed, so that equal values, in any order, give equal intervals. The interval is too narrow where the
  /// sample is small and skewed.
  ///
  /// - Returns: `nil` for fewer than two values.
  package static func ofMean(_ values: [Double]) -> ConfidenceInterval? {
    guard values.count > 1 else { return nil }
    let values = values.sorted()
    var random = SplitMix64(state: 0)
    let means = (0..<resamples).map { _ in
      var sum = 0.0
      for _ in values.indices { sum += values[random.index(below: values.count)] }
      return sum / Double(values.count)
    }.sorted()
    guard let low = quantile(0.025, ofSorted: means), let high = quantile(0.975, ofSorted: means) else { return nil }
    return ConfidenceInterval(low: low, high: high)
  }

  /// The interval of a share, from 0 to 1: Wilson's score interval (`IntervalEnds.ofShare`).
  ///
  /// - Returns: `nil` without images.
  package static func ofShare(_ share: Double, images: Int) -> ConfidenceInterval? {
    IntervalEnds.ofShare(share, images: images).map { ConfidenceInterval($0) }
  }

  /// The interval of the difference of two shares, each from 0 to 1, that were measured on the same images, by Agresti
  /// and Min (`IntervalEnds.ofDifference`).
  ///
  /// - Parameters:
  ///   - lost: the share of images that count only for the first share, from 0 to 1.
  ///   - gained: the share of images that count only for the second, from 0 to 1.
  ///   - images: the number of images.
  /// - Returns: `nil` without images.
  package static func ofDifference(lost: Double, gained: Double, images: Int) -> ConfidenceInterval? {
    IntervalEnds.ofDifference(lost: lost, gained: gained, images: images).map { ConfidenceInterval($0) }
  }

  /// The interval of a share, converted to percent.
  var percent: ConfidenceInterval { ConfidenceInterval(ends.percent) }

  /// The interval for the rules that the tool shares with libquern.
  var ends: IntervalEnds { IntervalEnds(low: low, high: high) }

  private init(_ ends: IntervalEnds) { (low, high) = (ends.low, ends.high) }
}

/// The generator of Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
private struct SplitMix64 {
  var state: UInt64

  /// A random number from 0 to `count` - 1.
  mutating func index(below count: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Int(mixed(state).multipliedFullWidth(by: UInt64(count)).high)
  }
}

/// The output function of SplitMix64: every bit of the result depends on every bit of `number`.
package func mixed(_ number: UInt64) -> UInt64 {
  var z = number
  z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
  return z ^ z >> 31
}
