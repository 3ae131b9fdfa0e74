import Graphs
import Quantization

/// Makes the steps of weights as coarse as it takes for a package to fit, and no coarser.
///
/// How long levels are once compressed is told by their entropy, all but a few thousandths of it, so that steps are decided
/// without rounding weights; what the rounded ones take is measured, and decides anew.
struct ByteBudget {
  /// Bytes that the package may have.
  let limit: Int
  let planner: WeightStepPlanner
  /// Steps that are taken in any case.
  let finest: WeightSteps

  /// Networks that are rounded, at most.
  private static let attemptLimit = 3
  /// What is used of the budget is enough.
  private static let enough = 0.996

  /// The steps by the entropy of levels, where a graph with the finest takes `finestBytes`.
  func firstSteps(finestBytes: Int) -> WeightSteps {
    let others = Double(finestBytes) - planner.estimatedBytes(finest)
    return planner.steps(fitting: Double(limit) - others, from: finest)
  }

  /// The levels with the finest steps that fit of those that were tried, or else the fewest bytes.
  ///
  /// - Parameters:
  ///   - first: steps to begin with.
  ///   - make: rounds weights.
  ///   - byteCount: of a package with them.
  func fit(
    _ first: WeightSteps, make: (WeightSteps) throws -> WeightLevels, byteCount: (WeightLevels) throws -> Int
  ) throws -> (steps: WeightSteps, levels: WeightLevels) {
    var steps = first
    var best: (steps: WeightSteps, levels: WeightLevels, bytes: Int)?
    for attempt in 1...Self.attemptLimit {
      let levels = try make(steps)
      let bytes = try byteCount(levels)
      if isBetter(bytes, than: best?.bytes) { best = (steps, levels, bytes) }
      let isFull = bytes <= limit && Double(bytes) >= Self.enough * Double(limit)
      if isFull || attempt == Self.attemptLimit { break }
      let others = Double(bytes) - planner.estimatedBytes(steps)
      let next = planner.steps(fitting: Double(limit) - others, from: finest)
      // The finest that may be taken, or the coarsest that there are.
      if next == steps { break }
      steps = next
    }
    guard let best else { return (first, try make(first)) }
    return (best.steps, best.levels)
  }

  private func isBetter(_ bytes: Int, than other: Int?) -> Bool {
    guard let other else { return true }
    return other <= limit ? bytes <= limit && bytes > other : bytes < other
  }
}
