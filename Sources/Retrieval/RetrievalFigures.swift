/// The figures of one protocol over all queries that have positives in it.
package struct RetrievalFigures: Hashable, Sendable {
  /// The depths at which recall and precision are measured.
  package static let depths = [1, 5, 10]

  package let `protocol`: RetrievalProtocol
  /// The number of queries that have positives.
  package let queries: Int
  /// Mean average precision by trapezoids, in percent.
  package let map: Estimate
  /// Mean average precision as trec_eval and scikit-learn define it, in percent.
  package let standardMap: Estimate
  /// For each of `depths`, the share of queries with a positive among the first images, in percent.
  package let recall: [Estimate]
  /// For each of `depths`, the mean precision, in percent.
  package let precision: [Estimate]
  /// The mean number of positives among the first four images, from 0 to 4; UKBench calls it 4 x recall@4.
  package let fourRecall: Estimate

  /// - Parameter results: what was found for each query.
  /// - Returns: `nil` where no query has a positive.
  package init?(_ protocol: RetrievalProtocol, _ results: [QueryResult]) {
    var columns: [[Double]] = Array(repeating: [], count: 3 + 2 * Self.depths.count)
    for measures in results.lazy.compactMap({ $0.measures[`protocol`] }) {
      let row =
        [measures.averagePrecision, measures.standardAveragePrecision] + measures.recall + measures.precision
        + [Double(measures.foundInFirstFour)]
      for (column, measure) in row.enumerated() { columns[column].append(measure) }
    }
    guard let estimates = Bootstrap.means(columns) else { return nil }
    let percent = estimates.map { $0.scaled(by: 100) }
    let depths = Self.depths.count
    self.protocol = `protocol`
    self.queries = columns[0].count
    (map, standardMap) = (percent[0], percent[1])
    recall = Array(percent[2..<2 + depths])
    precision = Array(percent[2 + depths..<2 + 2 * depths])
    fourRecall = estimates[2 + 2 * depths]
  }
}
