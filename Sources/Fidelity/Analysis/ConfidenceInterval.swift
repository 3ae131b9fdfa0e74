/// Between which bounds a figure lies that was measured on a sample of images, with 95 % confidence.
public struct ConfidenceInterval: Hashable, Sendable {
  public let low: Double
  public let high: Double

  /// The 97.5 % quantile of the normal distribution.
  package static let z = 1.959963984540054
  package static let resamples = 2000

  /// The interval of the mean of all images that these values are a sample of: the percentile bootstrap (Efron and
  /// Tibshirani, "An Introduction to the Bootstrap", section 13.3), which assumes no shape of the distribution. The random
  /// numbers are always the same, and so is the result for the same values in any order. It is too narrow where the sample
  /// is small and skewed. `nil` for fewer than two values.
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

  /// The interval of a share, from 0 to 1: Wilson's score interval (Wilson, "Probable Inference, the Law of Succession,
  /// and Statistical Inference", 1927), which holds for shares near 1, too. `nil` without images.
  package static func ofShare(_ share: Double, images: Int) -> ConfidenceInterval? {
    guard images > 0 else { return nil }
    let n = Double(images)
    let square = z * z / n
    let middle = (share + square / 2) / (1 + square)
    let half = z * (share * (1 - share) / n + square / (4 * n)).squareRoot() / (1 + square)
    // Exact at the ends, where rounding would leave a little.
    return ConfidenceInterval(
      low: share <= 0 ? 0 : max(0, middle - half), high: share >= 1 ? 1 : min(1, middle + half))
  }
}

/// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
private struct SplitMix64 {
  var state: UInt64

  mutating func index(below count: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return Int((z ^ z >> 31).multipliedFullWidth(by: UInt64(count)).high)
  }
}

/// A gate's figure with its uncertainty, and what can be said for that.
public struct GateConfidence: Hashable, Sendable {
  public enum Verdict: String, Hashable, Sendable {
    case pass
    case fail
    /// The interval spans the limit.
    case inconclusive
  }

  public let gate: GateName
  public let value: Double
  public let interval: ConfidenceInterval
  public let limit: Double
  /// About how many images would tell the figure, as it is, from the limit; `nil` where these do, or where the figure is
  /// the limit.
  public let neededImages: Int?

  /// A figure that equals its limit passes.
  public var verdict: Verdict {
    let isAtMost = interval.high <= limit
    let isAtLeast = interval.low >= limit
    guard isAtMost || isAtLeast else { return .inconclusive }
    return (gate.isMinimum ? isAtLeast : isAtMost) ? .pass : .fail
  }

  /// - Parameters:
  ///   - drifts: of the images.
  ///   - agreement: percent of images with the same top-1 class; `nil` without a classifier.
  public static func all(drifts: [Double], agreement: Double?, gates: Gates) -> [GateConfidence] {
    var result: [GateConfidence] = []
    if let interval = ConfidenceInterval.ofMean(drifts) {
      let sorted = drifts.sorted()
      let n = Double(sorted.count)
      let mean = sorted.reduce(0, +) / n
      let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
      let z = ConfidenceInterval.z
      let distance = mean - gates.maxMeanDrift
      result.append(
        GateConfidence(
          .meanDrift, mean, interval, gates.maxMeanDrift, images: sorted.count,
          needed: z * z * variance / (distance * distance)))
    }
    if let agreement, let interval = ConfidenceInterval.ofShare(agreement / 100, images: drifts.count) {
      // A limit is outside Wilson's interval where the score test rejects it.
      let limit = min(max(gates.minAgreement / 100, 0), 1)
      let z = ConfidenceInterval.z
      let distance = agreement / 100 - limit
      result.append(
        GateConfidence(
          .top1Agreement, agreement, ConfidenceInterval(low: 100 * interval.low, high: 100 * interval.high),
          gates.minAgreement, images: drifts.count, needed: z * z * limit * (1 - limit) / (distance * distance)))
    }
    return result
  }

  private init(
    _ gate: GateName, _ value: Double, _ interval: ConfidenceInterval, _ limit: Double, images: Int, needed: Double
  ) {
    self.gate = gate
    self.value = value
    self.interval = interval
    self.limit = limit
    let spans = interval.low < limit && limit < interval.high
    neededImages = spans && needed < 1e9 ? max(images + 1, Int(needed.rounded(.up))) : nil
  }
}
