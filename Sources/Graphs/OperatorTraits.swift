import Tensors

/// What quantisation, rounding and analysis need to know of an operator beyond its `quantizationRule`: the properties by
/// which operators differ, so that nothing outside the `Operators` module asks which operator it has.
package struct OperatorTraits: Hashable, Sendable {
  /// What becomes of the constant `weight`.
  package enum Weights: Hashable, Sendable {
    /// There are no weights, or none that quantisation rounds.
    case none
    /// [O, kh, kw, I / groups], multiplied as int8 with uint8 levels of the first input.
    case convolution
    /// [O, I], held as int8 and multiplied with floats.
    case matrix
  }

  /// What the operator makes of several inputs.
  package enum Combination: Hashable, Sendable {
    /// The output comes from the first input; others, if there are any, only steer it.
    case first
    /// The sum of all inputs.
    case sum
    /// All inputs side by side along the channels: copies, rounded to a range of the output's own.
    case sideBySide
    /// What comes from the first input, plus the input at a slot, where there is one.
    case residual(slot: Int)
  }

  package var weights = Weights.none
  package var combination = Combination.first
  /// Inputs that are float whatever the arithmetic.
  package var floatSlots: Set<Int> = []
  /// Whether the int8 form can store its output as floats, without rounding it.
  package var canStoreFloat = false
  /// Whether the int8 form can keep what rounding its output leaves over (`RemainderRule.made`) for those that add it.
  package var keepsRemainderForSums = true
  /// Whether the operator computes in float, too, with the constants that it has, and does so where its inputs are floats.
  package var followsFloat = false
  /// Whether the float form reads uint8 maps as they are.
  package var readsEitherFormat = false
  /// Whether the first input can be pixels, with their normalisation folded into the weights.
  package var takesPixels = false
  /// Whether the first input can be read with its remainders, as 16 bits (`Operator.readingRemainder`).
  package var canReadRemainder = false
  /// Whether the operator keeps its input within bounds, so that a value that it alone reads is held in the range of its
  /// output: a bound beyond the input's own range could not be held, and levels beyond a bound would be wasted.
  package var saturates = false
  /// The values of its input that the operator tells apart: others give what the bounds give, or nearly so, and a value that
  /// it alone reads need not be held beyond them. `nil` for all.
  package var responsiveRange: ClosedRange<Double>?

  package init() {}

  /// The slot of the input that is added to what comes from the first; `nil` for other combinations.
  package var residualSlot: Int? { if case .residual(let slot) = combination { slot } else { nil } }
}

extension Node {
  package var traits: OperatorTraits { op.traits(constants: constants) }

  /// Whether the node has weights that quantisation rounds, and can do without.
  package var hasRoundedWeights: Bool { traits.weights != .none && constants["weight"] != nil }
}
