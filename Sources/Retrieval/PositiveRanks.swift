/// The zero-based ranks of a query's positives after everything that is ignored was taken out, in ascending order.
///
/// Measures are shares from 0 to 1.
package struct PositiveRanks: Hashable, Sendable {
  /// Distinct and ascending; at least one.
  package let ranks: [Int]

  /// - Parameter ranks: distinct, none negative, in any order.
  /// - Returns: `nil` without ranks: such a query has no measures, and is left out.
  package init?(_ ranks: [Int]) {
    guard !ranks.isEmpty else { return nil }
    self.ranks = ranks.sorted()
  }

  /// The ranks in a protocol, with the images of the other grade taken out where it ignores them.
  ///
  /// - Parameter ranks: the rank of each of the query's `targets`, in their order.
  /// - Returns: `nil` where there is no positive.
  package init?(_ ranks: [Int], of query: RetrievalQuery, in protocol: RetrievalProtocol) {
    let easy = ranks.prefix(query.easyCount)
    let hard = ranks.dropFirst(query.easyCount)
    switch `protocol` {
    case .all, .medium: self.init(ranks)
    case .easy: self.init(Self.removing(hard, from: easy))
    case .hard: self.init(Self.removing(easy, from: hard))
    }
  }

  /// The ranks of images once others are taken out.
  private static func removing(_ others: ArraySlice<Int>, from ranks: ArraySlice<Int>) -> [Int] {
    let others = others.sorted()
    var before = 0
    return ranks.sorted().map { rank in
      while before < others.count, others[before] < rank { before += 1 }
      return rank - before
    }
  }

  /// The area under the curve of precision over recall by trapezoids, as in Philbin et al., "Object retrieval with
  /// large vocabularies and fast spatial matching", CVPR 2007, and in the scripts of Holidays and of revisited Oxford
  /// and Paris. Before the first image, precision is 1.
  package var averagePrecision: Double {
    let step = 1 / Double(ranks.count)
    return ranks.enumerated().reduce(0) { sum, entry in
      let (found, rank) = (Double(entry.offset), Double(entry.element))
      let before = rank == 0 ? 1 : found / rank
      return sum + step * (before + (found + 1) / (rank + 1)) / 2
    }
  }

  /// The mean of the precision at each positive, as in trec_eval and scikit-learn.
  package var standardAveragePrecision: Double {
    let sum = ranks.enumerated().reduce(0) { $0 + Double($1.offset + 1) / Double($1.element + 1) }
    return sum / Double(ranks.count)
  }

  /// The number of positives among the first `count` images.
  package func found(inFirst count: Int) -> Int { ranks.count { $0 < count } }

  /// 1 if a positive is among the first `count` images, otherwise 0.
  package func recall(at count: Int) -> Double { ranks[0] < count ? 1 : 0 }

  /// The share of positives among the first `count` images, or among those up to the last positive if these are fewer:
  /// mP@k of Radenović et al., "Revisiting Oxford and Paris", section 3.3.
  package func precision(at count: Int) -> Double {
    let depth = min(ranks[ranks.count - 1] + 1, count)
    return Double(found(inFirst: depth)) / Double(depth)
  }
}
