/// What a search found for one query.
package struct QueryResult: Hashable, Sendable {
  /// The measures of a query in a protocol: shares from 0 to 1, except for the last.
  package struct Measures: Hashable, Sendable {
    /// `PositiveRanks.averagePrecision`.
    package let averagePrecision: Double
    /// `PositiveRanks.standardAveragePrecision`.
    package let standardAveragePrecision: Double
    /// For each of `RetrievalFigures.depths`.
    package let recall, precision: [Double]
    /// The number of positives among the first four images.
    package let foundInFirstFour: Int

    package init(_ ranks: PositiveRanks) {
      averagePrecision = ranks.averagePrecision
      standardAveragePrecision = ranks.standardAveragePrecision
      recall = RetrievalFigures.depths.map(ranks.recall)
      precision = RetrievalFigures.depths.map(ranks.precision)
      foundInFirstFour = ranks.found(inFirst: 4)
    }
  }

  /// Those of each protocol in which the query has positives. The ranks that they follow from would take memory with
  /// the square of a group of images.
  package let measures: [RetrievalProtocol: Measures]
  /// The first images that are not ignored, by their indices in the gallery; those of the set come before distractors.
  package let first: [Int]

  /// - Parameters:
  ///   - protocols: those that are measured.
  ///   - ranks: the zero-based rank of each of the query's `targets`, in their order: the number of images that are not
  ///     ignored and come before it.
  ///   - first: the first images.
  package init(of query: RetrievalQuery, in protocols: [RetrievalProtocol], ranks: [Int], first: [Int]) {
    var measures: [RetrievalProtocol: Measures] = [:]
    for `protocol` in protocols {
      measures[`protocol`] = PositiveRanks(ranks, of: query, in: `protocol`).map(Measures.init)
    }
    (self.measures, self.first) = (measures, first)
  }
}
