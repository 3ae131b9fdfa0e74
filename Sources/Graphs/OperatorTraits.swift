import Tensors

/// What quantisation, rounding and analysis need to know about an operator beyond its `quantizationRule`. The
/// properties in which operators differ are listed here so that code outside the `Operators` module need not test for
/// types.
package struct OperatorTraits: Hashable, Sendable {
  /// How the constant `weight` is quantised.
  package enum Weights: Hashable, Sendable {
    /// There are no weights, or quantisation does not round them.
    case none
    /// [O, kh, kw, I / groups], int8, multiplied with the uint8 levels of the first input.
    case convolution
    /// [O, I], int8, multiplied with float32 activations.
    case matrix
  }

  /// How the operator combines its inputs.
  package enum Combination: Hashable, Sendable {
    /// The output's values come from the first input; others, if there are any, only modulate them.
    case first
    /// The sum of all inputs.
    case sum
    /// All inputs side by side along the channels, as copies that are rounded to the range of the output.
    case concatenation
    /// A function of the first input, plus the residual, which is the input at a slot, if the node has that input.
    case residual(slot: Int)
  }

  /// How the constant `weight` is quantised.
  package var weights = Weights.none
  /// Whether a missing constant `weight` stands for a weight of 1 for each channel, [C, 1].
  package var hasUnitWeights = false
  /// How the operator combines its inputs.
  package var combination = Combination.first
  /// The slots of inputs that are float32 even where the operator computes in int8.
  package var floatSlots: Set<Int> = []
  /// Whether the int8 form can store its output as float32, without rounding it.
  package var canStoreFloat = false
  /// Whether the int8 form can store the remainders of its output (`RemainderRule.made`) for operators that add it.
  package var keepsRemainderForSums = true
  /// Whether the operator can also compute in float32, with the same constants, and does so where its inputs are
  /// float32.
  package var followsFloat = false
  /// Whether the float form reads uint8 maps without a conversion.
  package var readsEitherFormat = false
  /// Whether the first input can be pixels, with their normalisation folded into the weights.
  package var takesPixels = false
  /// Whether the first input can be read with its remainders, as 16 bits (`Operator.readingRemainder`).
  package var canReadRemainder = false
  /// Whether the operator clips its input to bounds. A value that only this operator reads then gets the range of its
  /// output: bounds outside the input's range could not be represented, and levels outside the bounds would be wasted.
  package var saturates = false
  /// The range of inputs to which the operator responds; `nil` for all. Inputs outside of it give nearly the same
  /// output as its bounds, so a value that only this operator reads may be clipped to it.
  package var responsiveRange: ClosedRange<Double>?
  /// Whether the operator only selects among the values of its first input, 0 and constants in their order, so that
  /// rounding before it gives the same levels as rounding after it.
  package var commutesWithRounding = false
  /// The format of the levels that the operator rounds its input to, and nothing else, where uint8 holds them; `nil`
  /// for other operators.
  package var rounding: QuantizationParameters?
  /// Whether the operator only converts its input to another format.
  package var convertsFormats = false

  /// The default traits.
  package init() {}

  /// The slot of the residual; `nil` for other combinations.
  package var residualSlot: Int? { if case .residual(let slot) = combination { slot } else { nil } }
}

extension Node {
  /// The traits of the node's operator with the node's constants.
  package var traits: OperatorTraits { op.traits(constants: constants) }

  /// Whether the node has weights that quantisation rounds.
  package var hasRoundedWeights: Bool { traits.weights != .none && constants["weight"] != nil }
}
