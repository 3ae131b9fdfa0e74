import Fidelity

/// The figures of one or more models on a set, the comparisons with the first of them, and the gates.
package struct EvaluationReport: Sendable {
  /// The schema of the JSON form (formats/evaluation.md).
  package static let schema = "quern.evaluation/1"

  /// The name of the set, such as "holidays".
  package let set: String
  /// The name of the set's folder, without its path; `nil` where there is none.
  package var dataName: String?
  /// The number of images that are searched, without distractors.
  package let images: Int
  /// The number of distractors.
  package var distractors = 0
  /// The number of queries, and how many of them have no positive in the headline's protocol, so that they are left
  /// out.
  package let queries, queriesWithoutPositives: Int
  package var models: [EvaluatedModel] = []
  package var gates: [EvaluationGate] = []
  /// What puts the figures in doubt, a sentence each.
  package var warnings: [String] = []
  /// What was assumed because checkpoints do not state it, a sentence each.
  package var assumptions: [String] = []
  /// What was decided about the set and the labels, a sentence each.
  package var notes: [String] = []
  /// The images that were left out, with the reasons.
  package var skippedImages: [(name: String, reason: String)] = []
  /// The queries that changed most, for the HTML report.
  package var sheets: [QuerySheet] = []
  package var toolVersion: String?

  /// Whether every gate passed.
  package var passed: Bool { gates.allSatisfy(\.passed) }

  /// `fail` where a gate failed, and otherwise `inconclusive` where one is; `nil` without gates.
  package var verdict: GateResult.Verdict? {
    guard !gates.isEmpty else { return nil }
    guard passed else { return .fail }
    return gates.contains { $0.verdict == .inconclusive } ? .inconclusive : .pass
  }

  /// A report without models.
  package init(_ task: RetrievalTask) {
    (set, images, notes) = (task.set, task.images.count, task.notes)
    queries = task.queries.count
    queriesWithoutPositives = task.queries.count { $0.targetCount == 0 }
  }
}

/// The figures of one model.
package struct EvaluatedModel: Sendable {
  /// The path of the model, or of the file of its embeddings, as it was given.
  package let path: String
  /// "float32" for a checkpoint, "int8" for a package, "stored" for embeddings from a file.
  package let precision: String
  /// The number of elements of an embedding; 0 where there was nothing to search.
  package var dimension = 0
  /// How images became inputs, such as "224 px, square"; `nil` where it is not known.
  package var input: String?
  /// The figures of each protocol that has queries, the headline's first.
  package var figures: [RetrievalFigures] = []
  /// The accuracies in percent, and the number of labelled images; `nil` where they were not measured.
  package var accuracy: Accuracy?
  /// What changed since the first model; `nil` for the first model.
  package var comparison: ModelComparison?

  package init(path: String, precision: String) { (self.path, self.precision) = (path, precision) }

  /// How often the true class was found.
  package struct Accuracy: Hashable, Sendable {
    /// The share of images whose true class is the first answer, in percent.
    package let top1: Estimate
    /// The share of images whose true class is among the first five answers, in percent.
    package let top5: Estimate
    /// The number of labelled images.
    package let images: Int

    package init(top1: Estimate, top5: Estimate, images: Int) {
      (self.top1, self.top5, self.images) = (top1, top5, images)
    }
  }

  /// The figures of the headline's protocol; `nil` without queries that have positives.
  package var headline: RetrievalFigures? {
    figures.first { $0.protocol == .all || $0.protocol == .medium }
  }
}

/// A limit on what another model may lose against the first.
package struct EvaluationGate: Hashable, Sendable {
  /// The figure; the raw value is its name in reports.
  package enum Name: String, Hashable, Sendable {
    /// The drop of mean average precision in percentage points.
    case mapDrop = "map_drop"
    /// The drop of top-1 accuracy in percentage points.
    case top1Drop = "top1_drop"

    /// The name for people.
    package var title: String {
      switch self {
      case .mapDrop: "mAP drop"
      case .top1Drop: "top-1 drop"
      }
    }
  }

  package let name: Name
  /// The path of the model that is gated.
  package let model: String
  /// `nil` where it was not measured, which fails.
  package let value: Estimate?
  /// The highest drop that passes, in percentage points.
  package let limit: Double
  /// Short reasons why a value within the limit says little, such as "compared with itself".
  package let doubts: [String]

  /// Whether there is a value and it is within the limit.
  package var passed: Bool { value.map { $0.value <= limit } ?? false }

  /// Whether the confidence interval says that other queries or images could change the outcome.
  package var intervalContainsLimit: Bool {
    value?.interval.map { ($0.low <= limit) != ($0.high <= limit) } ?? false
  }

  /// Whether the outcome holds for all queries or images, judged by the confidence interval of these, and whether
  /// a value within the limit says anything.
  package var verdict: GateResult.Verdict {
    if intervalContainsLimit { return .inconclusive }
    guard passed else { return .fail }
    return doubts.isEmpty ? .pass : .inconclusive
  }

  package init(_ name: Name, model: String, value: Estimate?, limit: Double, doubts: [String] = []) {
    (self.name, self.model, self.value, self.limit, self.doubts) = (name, model, value, limit, doubts)
  }
}

/// A query that changed, with what the first model and another found first.
package struct QuerySheet: Sendable {
  /// An image that was found.
  package struct Found: Sendable {
    /// A thumbnail; `nil` for an image whose file is not available.
    package let picture: Picture?
    package let name: String
    /// Whether the query should find it.
    package let isPositive: Bool

    package init(picture: Picture?, name: String, isPositive: Bool) {
      (self.picture, self.name, self.isPositive) = (picture, name, isPositive)
    }
  }

  package let query: Found
  package let change: ModelComparison.Change
  /// The paths of the two models, and what each of them found first.
  package let rows: [(model: String, found: [Found])]

  package init(query: Found, change: ModelComparison.Change, rows: [(model: String, found: [Found])]) {
    (self.query, self.change, self.rows) = (query, change, rows)
  }
}
