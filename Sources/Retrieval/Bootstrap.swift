import Fidelity
import Random

/// A figure that was measured on a sample, with its 95 % confidence interval.
package struct Estimate: Hashable, Sendable {
  package let value: Double
  /// `nil` for a sample of one.
  package let interval: ConfidenceInterval?

  package init(_ value: Double, _ interval: ConfidenceInterval?) { (self.value, self.interval) = (value, interval) }

  /// The estimate in another unit.
  package func scaled(by factor: Double) -> Estimate {
    Estimate(value * factor, interval.map { ConfidenceInterval(low: $0.low * factor, high: $0.high * factor) })
  }
}

/// The percentile bootstrap over queries (Efron and Tibshirani, "An Introduction to the Bootstrap", section 13.3).
package enum Bootstrap {
  /// The number of times that the queries are drawn again.
  package static let resamples = 2000

  /// The mean of each column, with its interval.
  ///
  /// The same queries are drawn for all columns, by a generator with a fixed seed, so that equal columns in an equal
  /// order give equal intervals.
  ///
  /// - Parameter columns: the values of one measure each, one for each query; all have the same number of values.
  /// - Returns: as many estimates as columns; `nil` without queries.
  package static func means(_ columns: [[Double]]) -> [Estimate]? {
    let count = columns.first?.count ?? 0
    precondition(columns.allSatisfy { $0.count == count }, "columns have a value for each query")
    guard count > 0 else { return nil }
    let values = columns.map { $0.reduce(0, +) / Double(count) }
    guard count > 1 else { return values.map { Estimate($0, nil) } }
    var means = columns.map { _ in [Double](repeating: 0, count: resamples) }
    // The values of a query side by side, so that drawing it touches one place of memory.
    let width = columns.count
    var rows = [Double](repeating: 0, count: count * width)
    for (column, values) in columns.enumerated() {
      for (query, value) in values.enumerated() { rows[query * width + column] = value }
    }
    var sums = [Double](repeating: 0, count: width)
    for resample in 0..<resamples {
      var random = RandomStream(seed: 0, imageKey: 0, repetition: UInt32(resample))
      for column in sums.indices { sums[column] = 0 }
      // Each column is added up in the order of the draws.
      for _ in 0..<count {
        let start = random.below(count) * width
        for column in sums.indices { sums[column] += rows[start + column] }
      }
      for column in sums.indices { means[column][resample] = sums[column] / Double(count) }
    }
    return zip(values, means).map { value, means in
      let sorted = means.sorted()
      guard let low = quantile(0.025, ofSorted: sorted), let high = quantile(0.975, ofSorted: sorted) else {
        return Estimate(value, nil)
      }
      return Estimate(value, ConfidenceInterval(low: low, high: high))
    }
  }
}
