import Fidelity

/// What changed between the first model and another on the same queries.
package struct ModelComparison: Hashable, Sendable {
  /// A query whose average precision changed.
  package struct Change: Hashable, Sendable {
    /// The index of the query in the task.
    package let index: Int
    /// The name of the query's image.
    package let query: String
    /// Average precision by trapezoids of the first model, in percent.
    package let before: Double
    /// That of the other model.
    package let after: Double
    /// By how much the query got worse, in percentage points; negative where it got better.
    package var drop: Double { before - after }
  }

  /// The numbers of queries that got worse, that got better, and that stayed the same.
  package let worse, better, unchanged: Int
  /// The queries that changed, the one that got worst first; equal ones by name.
  package let changes: [Change]
  /// The first model's mean average precision minus the other's, in percentage points; `nil` without queries.
  package let mapDrop: Estimate?
  /// The first model's top-1 accuracy minus the other's, in percentage points; `nil` unless measured for both.
  package let top1Drop: Estimate?

  /// - Parameters:
  ///   - task: the task, whose first protocol is compared.
  ///   - first: the results of the first model, one for each query.
  ///   - other: those of the other model.
  ///   - firstHits: the first model's answers for labelled images; `nil` where accuracy was not measured.
  ///   - otherHits: those of the other model, for the same images.
  package init(
    _ task: RetrievalTask, _ first: [QueryResult], _ other: [QueryResult], firstHits: [ClassHit]? = nil,
    otherHits: [ClassHit]? = nil
  ) {
    let measured = task.protocols[0]
    let all = task.queries.indices.compactMap { index -> Change? in
      guard let before = first[index].measures[measured], let after = other[index].measures[measured] else {
        return nil
      }
      return Change(
        index: index, query: task.queries[index].name, before: 100 * before.averagePrecision,
        after: 100 * after.averagePrecision)
    }
    worse = all.count { $0.drop > 0 }
    better = all.count { $0.drop < 0 }
    unchanged = all.count - worse - better
    changes = all.filter { $0.drop != 0 }.sorted {
      $0.drop != $1.drop ? $0.drop > $1.drop : precedesInUTF8($0.query, $1.query)
    }
    mapDrop = Bootstrap.means([all.map(\.drop)])?[0]
    top1Drop = firstHits.flatMap { first in otherHits.flatMap { ClassHit.top1Drop(from: first, to: $0) } }
  }
}

/// Whether the true class of an image is a model's first answer, and whether it is one of its first five.
package struct ClassHit: Hashable, Sendable {
  package let top1, top5: Bool

  /// - Parameters:
  ///   - label: the index of the true class, below the number of logits.
  ///   - logits: one for each class; of equal logits, the class with the lower index comes first.
  package init(label: Int, logits: ArraySlice<Float>) {
    let own = logits[logits.startIndex + label]
    let ahead = logits.enumerated().count { $1 > own || ($1 == own && $0 < label) }
    (top1, top5) = (ahead < 1, ahead < 5)
  }

  /// The shares of top-1 and top-5 hits in percent, with Wilson's intervals; `nil` without images.
  package static func accuracies(_ hits: [ClassHit]) -> (top1: Estimate, top5: Estimate)? {
    guard !hits.isEmpty else { return nil }
    func share(_ hit: (ClassHit) -> Bool) -> Estimate {
      let share = Double(hits.count(where: hit)) / Double(hits.count)
      return Estimate(share, .ofShare(share, images: hits.count)).scaled(by: 100)
    }
    return (share(\.top1), share(\.top5))
  }

  /// The difference of two top-1 accuracies on the same images in percentage points, with the interval of Agresti and
  /// Min for matched shares; `nil` without images.
  static func top1Drop(from first: [ClassHit], to other: [ClassHit]) -> Estimate? {
    guard !first.isEmpty, first.count == other.count else { return nil }
    let count = Double(first.count)
    let lost = Double(zip(first, other).count { $0.top1 && !$1.top1 }) / count
    let gained = Double(zip(first, other).count { !$0.top1 && $1.top1 }) / count
    return Estimate(lost - gained, .ofDifference(lost: lost, gained: gained, images: first.count)).scaled(by: 100)
  }
}
