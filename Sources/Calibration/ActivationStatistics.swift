import Graphs

/// What calibration learned about a graph's activations. Statistics merge exactly: the order and the grouping of images
/// do not change a bit of the result.
package struct ActivationStatistics: Sendable {
  /// The histogram of each observed value.
  package var histograms: [ValueID: ActivationHistogram]
  /// The number of forward passes counted: images times repetitions.
  package var passes: Int

  /// Empty statistics.
  ///
  /// - Parameter values: the values to observe.
  package init(values: some Sequence<ValueID> = []) {
    histograms = Dictionary(values.map { ($0, ActivationHistogram()) }, uniquingKeysWith: { first, _ in first })
    passes = 0
  }

  /// Adds the counts of other statistics. Values that only one of the two observed keep its counts.
  package mutating func merge(_ other: ActivationStatistics) {
    passes += other.passes
    histograms.merge(other.histograms) { first, second in
      var sum = first
      sum.merge(second)
      return sum
    }
  }
}
