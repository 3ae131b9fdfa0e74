import Graphs
import Quantization

/// A plan that a search found.
package struct FoundPlan: Sendable {
  /// The plan after the edits.
  package let plan: QuantizationPlan
  /// The number of edits, from the start of the search's `EditPath`.
  package let edits: Int
  /// Whether the time ran out before the search was finished.
  package var isCutShort = false

  /// - Parameters:
  ///   - plan: the plan after the edits.
  ///   - edits: the number of edits.
  package init(_ plan: QuantizationPlan, edits: Int = 0) { (self.plan, self.edits) = (plan, edits) }
}

/// Finds how many edits of a plan bring drift down as far as needed, as measured on a sample of calibration images. The
/// verification images only tell whether these edits were enough.
package struct PlanSearch {
  /// The measurements that a search needs, which run networks.
  package struct Measurements {
    /// The mean drift on the sample, at each size.
    let drifts: (QuantizationPlan) throws -> [Double]
    /// The layers that can be kept in float, in the order of `RankedLayer.ranked`.
    let ranking: () throws -> [RankedLayer]

    /// - Parameters:
    ///   - drifts: returns the mean drift of a plan's network on the sample, at each size.
    ///   - ranking: returns the layers that can be kept in float, in the order of `RankedLayer.ranked`.
    package init(
      drifts: @escaping (QuantizationPlan) throws -> [Double], ranking: @escaping () throws -> [RankedLayer]
    ) {
      (self.drifts, self.ranking) = (drifts, ranking)
    }
  }

  /// The edits that the search chooses from; its layers are ranked when they are first needed.
  package private(set) var path: EditPath
  private let measurements: Measurements
  private let deadline: ContinuousClock.Instant?
  private let allowsFloat: Bool
  /// The milliseconds that an image may take, by the table of costs.
  private let timeLimit: Double
  private var isRanked = false
  /// The measured drifts at each size, by the number of edits.
  private var measured: [Int: [Double]] = [:]

  /// - Parameters:
  ///   - path: the edits to choose from.
  ///   - measurements: the measurements that the search needs.
  ///   - allowsFloat: whether layers may be kept in float, for which a budget may leave too few bytes.
  ///   - timeLimit: the milliseconds that an image may take, by the table of costs.
  ///   - deadline: the time after which nothing more is measured; `nil` for no limit.
  package init(
    _ path: EditPath, _ measurements: Measurements, allowsFloat: Bool, timeLimit: Double = .infinity,
    deadline: ContinuousClock.Instant?
  ) {
    (self.path, self.measurements, self.timeLimit) = (path, measurements, timeLimit)
    (self.allowsFloat, self.deadline) = (allowsFloat, deadline)
  }

  /// The plan with the fewest further edits after which the mean drift on the sample is, at every size, at most a share
  /// of the drift after `edits`. If all further edits of the same kind are not enough, the plan with all of them is
  /// returned. Targets are shares because calibration images drift less than other images.
  ///
  /// - Parameters:
  ///   - edits: the number of edits of a plan that failed.
  ///   - shares: the share for each size; infinite where drift need not fall.
  ///   - advance: is called after each measurement.
  /// - Returns: `nil` if there are no more edits, or the time limit allows none.
  /// - Throws: what the measurements throw.
  package mutating func fewestEdits(
    after edits: Int, leaving shares: [Double], advance: () -> Void
  ) throws -> FoundPlan? {
    if edits >= path.candidates.count {
      guard allowsFloat else { return nil }
      if !isRanked { (path.ranking, isRanked) = (try measurements.ranking(), true) }
    }
    guard let end = path.ends.first(where: { $0 > edits }),
      let all = path.maxEdits(edits...end, within: timeLimit)
    else { return nil }
    // The sample passed with some layers in float and the verification images did not, so it cannot guide the search
    // any further.
    if path.keepsFloat(after: edits), edits != path.candidates.count + path.ranking.count { return found(all) }
    let limits = zip(shares, try drifts(after: edits)).map { $0 < .infinity ? $0 * $1 : .infinity }
    func isLowEnough(_ drifts: [Double]) -> Bool { zip(drifts, limits).allSatisfy { $0 <= $1 } }
    var (failing, passing, isCutShort) = (edits, all, false)
    if isLowEnough(try drifts(after: passing)) {
      // Except for noise, drift falls with every edit, so bisection finds where it is low enough.
      while passing - failing > max(1, (all - edits) / 64) {
        advance()
        if isOver {
          isCutShort = true
          break
        }
        let middle = (failing + passing) / 2
        if isLowEnough(try drifts(after: middle)) { passing = middle } else { failing = middle }
      }
    }
    var result = found(passing)
    result.isCutShort = isCutShort
    return result
  }

  /// The plan about halfway between two numbers of edits by the cost of the edits; `nil` if there is no number between
  /// them.
  package func halfway(_ fewer: Int, _ more: Int) -> FoundPlan? { path.halfway(fewer, more).map(found) }

  /// Whether the deadline has passed.
  var isOver: Bool { deadline.map { ContinuousClock.now >= $0 } ?? false }

  private func found(_ edits: Int) -> FoundPlan { FoundPlan(path.plan(after: edits), edits: edits) }

  private mutating func drifts(after edits: Int) throws -> [Double] {
    if let drifts = measured[edits] { return drifts }
    let drifts = try measurements.drifts(path.plan(after: edits))
    measured[edits] = drifts
    return drifts
  }
}
