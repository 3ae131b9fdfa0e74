import Calibration
import Tensors

/// How the range of an activation is chosen from its histogram.
package enum RangeMethod: Sendable, Hashable {
  /// The whole range that calibration saw.
  case minMax
  /// The range without a share of the values at each end. The associated value is the upper quantile in percent, such
  /// as 99.99.
  case percentile(Double)
  /// The range with the smallest expected squared error of clipping and rounding together, relative to the mean square
  /// of the activation in the same image.
  case meanSquaredError

  /// The inverse of `name`; `nil` for any other text.
  package init?(name: String) {
    let parts = name.split(separator: " ", maxSplits: 1)
    switch parts.first {
    case "mse" where parts.count == 1: self = .meanSquaredError
    case "min-max" where parts.count == 1: self = .minMax
    case "percentile" where parts.count == 2:
      guard let share = Double(parts[1]), share > 50, share <= 100 else { return nil }
      self = .percentile(share)
    default: return nil
    }
  }

  /// The name in plans and options, such as "percentile 99.99".
  package var name: String {
    switch self {
    case .minMax: "min-max"
    case .percentile(let share): "percentile \(share)"
    case .meanSquaredError: "mse"
    }
  }
}

extension ActivationHistogram {
  /// The quantisation parameters that `method` chooses. A tensor that was never observed, or is zero everywhere, gets a
  /// scale of 1.
  package func parameters(_ method: RangeMethod) -> QuantizationParameters {
    guard minimum <= maximum else { return QuantizationParameters(scale: 1, zeroPoint: 0) }
    switch method {
    case .minMax: return QuantizationParameters(covering: minimum, maximum)
    case .percentile(let share):
      let tail = (100 - share) / 100
      return QuantizationParameters(covering: quantile(tail), quantile(1 - tail))
    case .meanSquaredError: return RangeSearch(self).best()
    }
  }

  /// The value below which a share of all values lies, interpolated linearly inside a bin.
  func quantile(_ share: Double) -> Float {
    let target = share * Double(total)
    var below = 0.0
    for bin in occupied {
      if below + bin.count >= target {
        let inside = bin.count > 0 ? (target - below) / bin.count : 0
        return Float(bin.lower + (bin.upper - bin.lower) * inside)
      }
      below += bin.count
    }
    return maximum
  }
}

/// Finds the range with the smallest expected squared quantisation error: the criterion of Banner et al. (ACIQ, arXiv
/// 1810.05723, section 3), evaluated on the measured histogram instead of a fitted density.
///
/// Values are assumed to be uniform inside a bin, over which the error of rounding to a grid of step s has a closed
/// form: the integral from 0 to t of the squared distance to the nearest multiple of s is n s^3 / 12 + (t - n s)^3 / 3
/// with n = round(t / s).
///
/// Errors count relative to the activations of the same image (`ActivationHistogram.weighted`), as an embedding is
/// compared by its direction. Otherwise a few images with large activations would decide the range, and leave few
/// levels to all others.
///
/// Clipping errors weigh more than their squares: they have the same sign over the whole of an unusual image and add up
/// through the next layer, where rounding errors average out. Without that weight the few images beyond the range drift
/// far.
package struct RangeSearch {
  /// The factor for clipping errors. Measured on a trained ResNet-50 (mean, 99th percentile and maximum of the drift of
  /// 1250 images, in millionths): weight 1: 476, 3470, 39590; 4: 443, 1120, 21860; 8: 451, 920, 13670; 16: 480, 920,
  /// 9800; 64: 526, 980, 5740; min-max: 637, 1210, 4030.
  package static let clippingWeight = 8.0

  private typealias Bin = (lower: Double, upper: Double, count: Double)

  /// The bins with values, by ascending magnitude.
  private let bins: [Bin]
  /// At index n, the sum of squares of the values in the first n bins: their error where they are rounded to zero.
  private let squares: [Double]
  private let minimum: Double
  private let maximum: Double

  init(_ histogram: ActivationHistogram) {
    bins = histogram.weighted.sorted { (Self.reach($0), $0.lower) < (Self.reach($1), $1.lower) }
    squares = bins.reduce(into: [0]) { squares, bin in
      let square = (bin.lower * bin.lower + bin.lower * bin.upper + bin.upper * bin.upper) / 3
      squares.append(squares[squares.count - 1] + bin.count * square)
    }
    minimum = min(Double(histogram.minimum), 0)
    maximum = max(Double(histogram.maximum), 0)
  }

  /// The largest magnitude in a bin.
  private static func reach(_ bin: Bin) -> Double { max(-bin.lower, bin.upper) }

  /// Coordinate descent over the two ends, each on a grid of shares of the observed extreme.
  func best() -> QuantizationParameters {
    let shares = (0..<96).map { 1 - Double($0) / 100 }
    var low = minimum
    var high = maximum
    for _ in 0..<3 {
      let before = (low, high)
      if maximum > 0 { high = minimiser(shares.map { maximum * $0 }) { error(low, $0, below: $1) } ?? high }
      if minimum < 0 { low = minimiser(shares.map { minimum * $0 }) { error($0, high, below: $1) } ?? low }
      if before == (low, high) { break }
    }
    return QuantizationParameters(covering: Float(low), Float(high))
  }

  /// The candidate with the smallest error, the first of equal ones.
  ///
  /// - Parameter error: the error of a candidate; it may be too small where it is not below `limit`.
  private func minimiser(_ candidates: [Double], _ error: (_ candidate: Double, _ limit: Double) -> Double) -> Double? {
    var best: (candidate: Double, error: Double)?
    for candidate in candidates {
      let limit = best?.error ?? .infinity
      let error = error(candidate, limit)
      if error < limit { best = (candidate, error) }
    }
    return best?.candidate
  }

  /// The sum of squared errors of quantising to 256 levels that cover `low ... high`. It is incomplete where it reaches
  /// `limit`: bins are added from the outside, clipped ones first, and the sum stops there.
  func error(_ low: Double, _ high: Double, below limit: Double = .infinity) -> Double {
    let parameters = QuantizationParameters(covering: Float(low), Float(high))
    let step = Double(parameters.scale)
    let (first, last) = (Double(parameters.range.lowerBound), Double(parameters.range.upperBound))
    let near = count(ofBinsWithin: min(step / 2, last, minimum < 0 ? -first : .infinity))
    var sum = squares[near]
    for index in stride(from: bins.count - 1, through: near, by: -1) {
      let bin = bins[index]
      sum += bin.count * meanError(from: bin.lower, to: bin.upper, step: step, first: first, last: last)
      if sum >= limit { break }
    }
    return sum
  }

  /// The number of leading bins without magnitudes above `bound`.
  private func count(ofBinsWithin bound: Double) -> Int {
    var (low, high) = (0, bins.count)
    while low < high {
      let middle = (low + high) / 2
      if Self.reach(bins[middle]) <= bound { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func meanError(from lower: Double, to upper: Double, step: Double, first: Double, last: Double) -> Double {
    let width = upper - lower
    if width <= 0 {
      let level = min(max((lower / step).rounded() * step, first), last)
      let weight = lower < first || lower > last ? Self.clippingWeight : 1
      return weight * (lower - level) * (lower - level)
    }
    var sum = 0.0
    if lower < first { sum += Self.clippingWeight * cubes(first - lower, first - min(upper, first)) }
    if upper > last { sum += Self.clippingWeight * cubes(upper - last, max(lower, last) - last) }
    let (from, to) = (max(lower, first), min(upper, last))
    if from < to { sum += rounding(to, step) - rounding(from, step) }
    return sum / width
  }

  /// The integral of the squared distance from a clipping bound, between two distances.
  private func cubes(_ far: Double, _ near: Double) -> Double { (far * far * far - near * near * near) / 3 }

  private func rounding(_ t: Double, _ step: Double) -> Double {
    // Adding and subtracting 1.5 x 2^52 rounds to an integer, without a call into the C library; t / step is within
    // the levels.
    let n = (t / step + 0x1.8p52) - 0x1.8p52
    let remainder = t - n * step
    return n * step * step * step / 12 + remainder * remainder * remainder / 3
  }
}
