import Graphs
import Quantization

/// Makes the steps of weights as coarse as the byte budget of a package requires, and no coarser.
///
/// The entropy of levels predicts their compressed size to within a few thousandths, so that the first steps are chosen
/// without rounding any weights. The size with rounded weights is then measured, and the steps are chosen again by it.
struct ByteBudget {
  /// The number of bytes that the package may have.
  let limit: Int
  let planner: WeightStepPlanner
  /// The finest steps that may be used.
  let finest: WeightSteps

  /// The maximum number of networks that are rounded.
  private static let attemptLimit = 3
  /// The share of the budget from which on a package counts as filling it.
  private static let fullShare = 0.996

  /// The steps that the entropy of levels suggests.
  ///
  /// - Parameter finestBytes: the size of a package with the finest steps.
  func firstSteps(finestBytes: Int) -> WeightSteps {
    let others = Double(finestBytes) - planner.estimatedBytes(finest)
    return planner.steps(fitting: Double(limit) - others, from: finest)
  }

  /// The largest attempt that fits the budget, or the smallest attempt where none fits.
  ///
  /// - Parameters:
  ///   - first: the steps of the first attempt.
  ///   - make: rounds weights to levels with these steps.
  ///   - byteCount: measures the size of a package with these levels.
  func fit(
    _ first: WeightSteps, make: (WeightSteps) throws -> WeightLevels, byteCount: (WeightLevels) throws -> Int
  ) throws -> (steps: WeightSteps, levels: WeightLevels) {
    var steps = first
    var best: (steps: WeightSteps, levels: WeightLevels, bytes: Int)?
    for attempt in 1...Self.attemptLimit {
      let levels = try make(steps)
      let bytes = try byteCount(levels)
      if isBetter(bytes, than: best?.bytes) { best = (steps, levels, bytes) }
      let isFull = bytes <= limit && Double(bytes) >= Self.fullShare * Double(limit)
      if isFull || attempt == Self.attemptLimit { break }
      let others = Double(bytes) - planner.estimatedBytes(steps)
      let next = planner.steps(fitting: Double(limit) - others, from: finest)
      // Already the finest steps allowed, or the coarsest possible.
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
