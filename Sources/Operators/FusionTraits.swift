import Graphs
import Tensors

// What passes need to know about operators to merge and move them, beyond `OperatorTraits`, so that no pass lists
// operators.

/// An operator that is an activation function of its input.
package protocol ActivationOperator: Operator {
  /// The function that it applies.
  var function: ActivationFunction { get }
}

/// An operator that can apply an activation function to its result before it stores it.
package protocol EpilogueOperator: Operator {
  /// The function; `fitsEpilogues` holds for it.
  var activation: ActivationFunction { get set }
  /// Whether adding a residual in the epilogue is faster than in an operator of its own, where the operator can add one
  /// (`OperatorTraits.residualSlot`).
  var prefersResidual: Bool { get }
}

extension EpilogueOperator {
  package var prefersResidual: Bool { true }
}

/// An operator that multiplies every channel by a factor and adds an offset to it.
package protocol ChannelAffineOperator: Operator {
  /// The factor and the offset of each channel in double precision: `y = factor * x + offset`.
  ///
  /// - Throws: `GraphError.constant` where a constant is missing or invalid.
  func affine(_ constants: [String: Tensor]) throws(GraphError) -> (factor: [Double], offset: [Double])
}

/// An operator into whose weights a `ChannelAffineOperator` that reads its output can be folded: factors into the
/// constants `weight`, along axis 0, and `bias`; offsets into `bias`.
package protocol AffineFoldingOperator: Operator {
  /// Whether factors and offsets can be folded into this operator.
  ///
  /// - Parameter inputs: The number of inputs of the node.
  func canFoldAffine(inputs: Int) -> Bool
}

/// An operator that can take an offset of its input into the constant `bias`: each output is a sum over all channels of
/// one pixel, with the constant `weight`, [O, ..., C], as factors.
package protocol OffsetFoldingOperator: Operator {
  /// Whether an offset of each channel of the input can be folded into this operator.
  var canFoldInputOffset: Bool { get }
}

/// An operator that multiplies its first input by a factor for each image and channel, the second input, where it has
/// only these two.
package protocol ChannelScalingOperator: EpilogueOperator {}

/// A linear operator whose sum with another of the same input may be a single operator of the same kind.
package protocol ParallelMergingOperator: Operator {
  /// The operator and the constants that give the sum of this operator's result and another's, on the same input; `nil`
  /// where there is none, or it would take more products than the larger of the two.
  ///
  /// - Parameters:
  ///   - constants: those of this operator.
  ///   - other: the other operator.
  ///   - otherConstants: its constants.
  func merged(
    _ constants: [String: Tensor], with other: any ParallelMergingOperator, _ otherConstants: [String: Tensor]
  ) -> (op: any Operator, constants: [String: Tensor])?
}

/// An operator that rounds its input to levels, with one scale or one for each channel.
package protocol RoundingOperator: Operator {
  /// Whether rounding itself keeps values within bounds, so that bounds before it change no level.
  ///
  /// - Throws: `GraphError.constant` where the constants are invalid.
  func isWithin(minimum: Double, maximum: Double, constants: [String: Tensor]) throws(GraphError) -> Bool

  /// The scale of each channel; `nil` where all have the same.
  ///
  /// - Throws: `GraphError.constant` where the constants are invalid.
  func channelScales(_ constants: [String: Tensor]) throws(GraphError) -> [Float]?

  /// The operator on a map in steps, whose scale is 1, without constants; `nil` where uint8 does not hold the levels.
  var perTensor: (any Operator)? { get }
}

/// An operator that computes each element of its output from a window of its input.
package protocol WindowOperator: Operator {
  /// The geometry of the window.
  var window: Window { get set }
  /// Whether positions outside the map count as zeros; otherwise they are left out.
  static var readsZerosOutside: Bool { get }
}

/// An operator that adds zeros around a map, or removes rows and columns of it.
package protocol MarginOperator: Operator {
  /// The rows and columns of zeros that are added; where negative, those that are removed.
  var addedMargins: MapMargins { get }
}

extension Attributes {
  /// The value of a flag, which is stored as 1 or is absent.
  ///
  /// - Throws: `GraphError.attribute` where the attribute has another value.
  func flag(_ name: String) throws(GraphError) -> Bool {
    switch self[name] {
    case nil: return false
    case .int(1): return true
    default: throw .attribute(name: name, expected: "1 or absent")
    }
  }
}
