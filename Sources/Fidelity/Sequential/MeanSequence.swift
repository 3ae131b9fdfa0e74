import Glibc

/// A confidence sequence for the mean of values from 0 to 1: intervals, one after each value, that all contain the mean
/// with a given probability, so that one may stop taking values at any time.
///
/// The hedged capital process of Waudby-Smith and Ramdas ("Estimating means of bounded random variables by betting",
/// JRSS B 86, 2024, theorem 3). Against each mean m, half of the capital is bet on larger values and half on smaller
/// ones,
///
///     K+_t(m) = Π (1 + min(λ_i, c / m) (X_i - m)),   K-_t(m) = Π (1 - min(λ_i, c / (1 - m)) (X_i - m)),
///
/// and the interval after t values is the set of m with max(K+, K-) / 2 < 1/α. Where m is the mean, both are
/// martingales that start at 1, whatever the distribution. K+ falls with m and K- rises, so that the set is an
/// interval; so is the intersection of all intervals so far. Stakes are the predictable plug-in of theorem 2,
///
///     λ_i = √(2 log(2/α) / (v_{i-1} i log(i + 1))),
///     v_i = (1/4 + Σ_{j≤i} (X_j - μ_j)²) / (i + 1),   μ_i = (1/2 + Σ_{j≤i} X_j) / (i + 1),
///
/// which depend only on earlier values. They depend on the order of these, and so does the interval.
package struct MeanSequence: Hashable, Sendable {
  /// The largest share of the capital that the worst value may take: the larger of the two that the paper recommends,
  /// as it tells a mean far from the limit with the fewest images.
  private static let maxStake = 0.75

  private let logPlugIn: Double
  private let logThreshold: Double
  private var values: [Double] = []
  private var stakes: [Double] = []
  private var (sum, squares) = (0.0, 0.0)
  private var (low, high) = (0.0, 1.0)

  /// - Parameter alpha: the probability with which any interval may miss the mean, above 0 and below 1.
  package init(alpha: Double) {
    logPlugIn = log(2 / alpha)
    // Half of the capital is in each of the two processes.
    logThreshold = log(2 / alpha)
  }

  /// The number of values so far.
  package var count: Int { values.count }

  /// Adds a value.
  ///
  /// - Parameter value: from 0 to 1.
  package mutating func add(_ value: Double) {
    precondition((0...1).contains(value), "a confidence sequence of a mean takes values from 0 to 1")
    let before = Double(count)
    let variance = (0.25 + squares) / (before + 1)
    stakes.append((2 * logPlugIn / (variance * (before + 1) * log(before + 2))).squareRoot())
    values.append(value)
    sum += value
    let deviation = value - (0.5 + sum) / (before + 2)
    squares += deviation * deviation
  }

  /// Intersects the interval with that after the values so far.
  package mutating func narrow() {
    guard count > 0 else { return }
    low = max(low, DyadicBoundary.lower(below: 1) { logCapital(aboveMean: $0) >= logThreshold })
    high = min(high, DyadicBoundary.upper(above: 0) { logCapital(belowMean: $0) >= logThreshold })
  }

  /// The intersection of the intervals at all calls of `narrow`, from 0 to 1; `nil` where it is empty, which has a
  /// probability of at most α.
  package var interval: ConfidenceInterval? { low <= high ? ConfidenceInterval(low: low, high: high) : nil }

  /// log K+.
  private func logCapital(aboveMean m: Double) -> Double {
    zip(values, stakes).reduce(0) { $0 + log(1 + min($1.1, Self.maxStake / m) * ($1.0 - m)) }
  }

  /// log K-.
  private func logCapital(belowMean m: Double) -> Double {
    zip(values, stakes).reduce(0) { $0 + log(1 - min($1.1, Self.maxStake / (1 - m)) * ($1.0 - m)) }
  }
}
