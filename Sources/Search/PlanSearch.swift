import Graphs
import Quantization

/// A plan that a search came to.
package struct FoundPlan: Sendable {
  package let plan: QuantizationPlan
  /// Of the path that was taken.
  package let edits: Int
  /// Whether the time ran out before the search was over.
  package var isCutShort = false

  package init(_ plan: QuantizationPlan, edits: Int = 0) { (self.plan, self.edits) = (plan, edits) }
}

/// Finds how many edits of a plan it takes for embeddings to drift less, as measured on a few calibration images, so that
/// the images of the verdict only say whether it was enough.
package struct PlanSearch {
  /// What a search asks of whoever runs networks.
  package struct Measurements {
    /// The mean drift on the sample, at each size.
    let drifts: (QuantizationPlan) throws -> [Double]
    /// The layers that can be kept in float, in the order of `RankedLayer.ranked`.
    let ranking: () throws -> [RankedLayer]

    package init(
      drifts: @escaping (QuantizationPlan) throws -> [Double], ranking: @escaping () throws -> [RankedLayer]
    ) {
      (self.drifts, self.ranking) = (drifts, ranking)
    }
  }

  package private(set) var path: EditPath
  private let measurements: Measurements
  private let deadline: ContinuousClock.Instant?
  private let allowsFloat: Bool
  /// Milliseconds that an image may take, by the table of costs.
  private let timeLimit: Double
  private var isRanked = false
  /// What was measured, by the number of edits.
  private var measured: [Int: [Double]] = [:]

  /// - Parameters:
  ///   - allowsFloat: whether layers may be kept in float, which takes more bytes than a budget leaves.
  ///   - timeLimit: milliseconds that an image may take, by the table of costs.
  ///   - deadline: after which nothing more is measured.
  package init(
    _ path: EditPath, _ measurements: Measurements, allowsFloat: Bool, timeLimit: Double = .infinity,
    deadline: ContinuousClock.Instant?
  ) {
    (self.path, self.measurements, self.timeLimit) = (path, measurements, timeLimit)
    (self.allowsFloat, self.deadline) = (allowsFloat, deadline)
  }

  /// The plan with the fewest edits more by which the mean drift on the sample is, at every size, at most a share of what it
  /// is after `edits`; where not even all of their kind do that, with all of it. Shares, as calibration images drift less
  /// than others.
  ///
  /// - Parameters:
  ///   - shares: for each size; infinite where drift may be what it is.
  ///   - advance: called after each measurement.
  /// - Returns: `nil` where there are no more edits, or none that time allows.
  package mutating func fewestEdits(
    after edits: Int, leaving shares: [Double], advance: () -> Void
  ) throws -> FoundPlan? {
    if edits >= path.candidates.count {
      guard allowsFloat else { return nil }
      if !isRanked { (path.ranking, isRanked) = (try measurements.ranking(), true) }
    }
    guard let end = path.ends.first(where: { $0 > edits }),
      let all = path.mostEdits(edits...end, within: timeLimit)
    else { return nil }
    // Where the sample was content with some float layers, and other images were not, it has nothing more to say.
    if path.keepsFloat(after: edits), edits != path.candidates.count + path.ranking.count { return found(all) }
    let limits = zip(shares, try drifts(after: edits)).map { $0 < .infinity ? $0 * $1 : .infinity }
    func isContent(_ drifts: [Double]) -> Bool { zip(drifts, limits).allSatisfy { $0 <= $1 } }
    var (failing, passing, isCutShort) = (edits, all, false)
    if isContent(try drifts(after: passing)) {
      // Drift falls with every edit, except for noise, so that halving finds where it is low enough.
      while passing - failing > max(1, (all - edits) / 64) {
        advance()
        if isOver {
          isCutShort = true
          break
        }
        let middle = (failing + passing) / 2
        if isContent(try drifts(after: middle)) { passing = middle } else { failing = middle }
      }
    }
    var result = found(passing)
    result.isCutShort = isCutShort
    return result
  }

  /// The plan about halfway, by what edits cost, between two numbers of edits; `nil` where there is none between.
  package func halfway(_ fewer: Int, _ more: Int) -> FoundPlan? { path.halfway(fewer, more).map(found) }

  var isOver: Bool { deadline.map { ContinuousClock.now >= $0 } ?? false }

  private func found(_ edits: Int) -> FoundPlan { FoundPlan(path.plan(after: edits), edits: edits) }

  private mutating func drifts(after edits: Int) throws -> [Double] {
    if let drifts = measured[edits] { return drifts }
    let drifts = try measurements.drifts(path.plan(after: edits))
    measured[edits] = drifts
    return drifts
  }
}
