import Quantization

/// A plan that was carried out, with the verdict of the gates on the network that it gave.
package protocol Attempt {
  /// The plan, and how many edits it took.
  var found: FoundPlan { get set }
  /// Whether the network passes every gate at every size.
  var passesGates: Bool { get }
  /// The mean drift at the size where it is largest.
  var meanDrift: Double { get }
  /// For each size, the share of its drift that the network may keep; infinite where it passes its gates.
  var allowedDriftShares: [Double] { get }
  /// Whether only top-1 agreement fails, and only on near ties. More precision gains little then, as such images change
  /// their class whatever is done.
  var failsByNearTiesOnly: Bool { get }
  /// Whether only top-1 agreement fails, and would pass without near ties. Layers in float cost too much for the little
  /// that they improve then.
  var failsMainlyByNearTies: Bool { get }
  /// Frees the disk space that the attempt takes.
  func discard()
}

/// Decides which plans are attempted, one after another, until one passes its gates.
package struct AttemptPolicy<Result: Attempt> {
  private let attempt: (FoundPlan) throws -> Result
  private let search: () throws -> PlanSearch
  /// Runs each search on the sample.
  private let searching: (() throws -> FoundPlan?) throws -> FoundPlan?
  private let advance: () -> Void

  /// The maximum numbers of plans that are attempted after the first, until one passes its gates, and after that, to
  /// pass them at a lower cost.
  private static var limits: (search: Int, reduction: Int) { (8, 4) }

  /// - Parameters:
  ///   - attempt: carries a plan out and verifies the network.
  ///   - search: makes the search, when it is first needed.
  ///   - searching: runs a search as a stage.
  ///   - advance: is called after each measurement of a search, to show progress.
  package init(
    attempt: @escaping (FoundPlan) throws -> Result, search: @escaping () throws -> PlanSearch,
    searching: @escaping (() throws -> FoundPlan?) throws -> FoundPlan?, advance: @escaping () -> Void
  ) {
    (self.attempt, self.search, self.searching, self.advance) = (attempt, search, searching, advance)
  }

  /// Attempts plans with more and more edits until one passes its gates, and then tries to pass them with fewer.
  ///
  /// - Parameter first: the attempt of the plan without edits.
  /// - Returns: The attempt with the fewest edits that passes its gates, or else the one with the smallest mean drift.
  /// - Throws: what the closures throw.
  package func best(from first: Result) throws -> Result {
    guard !first.passesGates, !first.failsByNearTiesOnly else { return first }
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
        try search.fewestEdits(after: last.found.edits, leaving: last.allowedDriftShares, advance: advance)
      }
      guard let next else { break }
      last = try attempt(next)
      // Layers in float are worth their bytes only if the gates pass with them.
      let isBetter = last.passesGates || last.meanDrift < best.meanDrift && !search.path.keepsFloat(after: next.edits)
      (isBetter ? best : last).discard()
      if isBetter { best = last }
      if last.passesGates || last.failsByNearTiesOnly || next.isCutShort { break }
      failing = next.edits
    }
    return best.passesGates ? try reduced(best, failing: failing, search) : best
  }

  /// An attempt that passes its gates at a lower cost than the given one, if one is found. Judged by the sample, more
  /// edits may seem necessary than are, if the gates hinge on a few atypical images.
  ///
  /// - Parameter failing: the number of edits of an attempt that did not pass.
  private func reduced(_ given: Result, failing: Int, _ search: PlanSearch) throws -> Result {
    var (best, failing) = (given, failing)
    for _ in 0..<Self.limits.reduction {
      guard let fewer = search.halfway(failing, best.found.edits) else { break }
      if search.isOver {
        best.found.isCutShort = true
        break
      }
      let next = try attempt(fewer)
      if next.passesGates {
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
