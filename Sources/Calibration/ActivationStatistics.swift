import Graphs

/// What calibration learned of a graph's activations. A plain value that merges exactly: the order and the grouping of
/// images change no bit.
package struct ActivationStatistics: Sendable {
  package var histograms: [ValueID: ActivationHistogram]
  /// Forward passes counted: images times repetitions.
  package var passes: Int

  package init(values: some Sequence<ValueID> = []) {
    histograms = Dictionary(values.map { ($0, ActivationHistogram()) }, uniquingKeysWith: { first, _ in first })
    passes = 0
  }

  package mutating func merge(_ other: ActivationStatistics) {
    passes += other.passes
    histograms.merge(other.histograms) { mine, theirs in
      var sum = mine
      sum.merge(theirs)
      return sum
    }
  }
}
