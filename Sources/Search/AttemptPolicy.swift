import Quantization

/// A plan that was carried out and held to the gates.
package protocol Attempt {
  var found: FoundPlan { get set }
  var keepsGates: Bool { get }
  /// At the size where it is largest.
  var meanDrift: Double { get }
  /// How much of its drift the network may keep at each size; infinite where it keeps its gates.
  var sharesToLeave: [Double] { get }
  /// Whether only the agreement on the first class fails, and only by images whose first classes nearly tie. More precision
  /// buys little there: such images change sides whatever is done.
  var failsByNearTiesOnly: Bool { get }
  /// Whether only the agreement on the first class fails, and would not without images whose first classes nearly tie. Layers
  /// in float cost too much for what they would do about that.
  var failsMainlyByNearTies: Bool { get }
  /// Gives back what it takes on disk.
  func discard()
}

/// Which plans are attempted, one after another, until one keeps its gates.
package struct AttemptPolicy<Result: Attempt> {
  private let attempt: (FoundPlan) throws -> Result
  private let search: () throws -> PlanSearch
  /// Called once for each search on the sample, around it.
  private let searching: (() throws -> FoundPlan?) throws -> FoundPlan?
  private let advance: () -> Void

  /// Plans that are attempted after the first, at most, until one keeps its gates; and then, at a lower cost.
  private static var limits: (search: Int, reduction: Int) { (8, 4) }

  /// - Parameters:
  ///   - attempt: carries a plan out.
  ///   - search: made when it is first needed.
  ///   - searching: runs a search as a stage.
  ///   - advance: called after each measurement of a search.
  package init(
    attempt: @escaping (FoundPlan) throws -> Result, search: @escaping () throws -> PlanSearch,
    searching: @escaping (() throws -> FoundPlan?) throws -> FoundPlan?, advance: @escaping () -> Void
  ) {
    (self.attempt, self.search, self.searching, self.advance) = (attempt, search, searching, advance)
  }

  /// The first attempt that keeps its gates, or the one with the least mean drift.
  package func best(from first: Result) throws -> Result {
    guard !first.keepsGates, !first.failsByNearTiesOnly else { return first }
    var search = try search()
    var (best, last) = (first, first)
    var failing = first.found.edits
    for _ in 0..<Self.limits.search {
      if search.isOver {
        best.found.isCutShort = true
        break
      }
      if last.failsMainlyByNearTies, last.found.edits >= search.path.candidates.count { break }
      let next = try searching {
        try search.fewestEdits(after: last.found.edits, leaving: last.sharesToLeave, advance: advance)
      }
      guard let next else { break }
      last = try attempt(next)
      // Layers in float are worth their bytes where they keep the gates, and not where these fail all the same.
      let isBetter = last.keepsGates || last.meanDrift < best.meanDrift && !search.path.keepsFloat(after: next.edits)
      (isBetter ? best : last).discard()
      if isBetter { best = last }
      if last.keepsGates || last.failsByNearTiesOnly || next.isCutShort { break }
      failing = next.edits
    }
    return best.keepsGates ? try reduced(best, failing: failing, search) : best
  }

  /// An attempt that keeps its gates at a lower cost than a given one, where there is one. What the sample asks for is too
  /// much where a few images of another kind decide.
  ///
  /// - Parameter failing: edits of an attempt that did not keep them.
  private func reduced(_ given: Result, failing: Int, _ search: PlanSearch) throws -> Result {
    var (best, failing) = (given, failing)
    for _ in 0..<Self.limits.reduction {
      guard let fewer = search.halfway(failing, best.found.edits) else { break }
      if search.isOver {
        best.found.isCutShort = true
        break
      }
      let next = try attempt(fewer)
      if next.keepsGates {
        best.discard()
        best = next
      } else {
        next.discard()
        failing = fewer.edits
      }
    }
    return best
  }
}
