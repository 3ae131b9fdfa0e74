import Graphs
import Tensors

// What passes need of operators to merge and move them, beyond `OperatorTraits`, so that none of them lists operators.

/// An operator that is an activation function of its input.
package protocol ActivationOperator: Operator {
  var function: ActivationFunction { get }
}

/// An operator that can apply an activation function to its result before it stores that.
package protocol EpilogueOperator: Operator {
  /// One for which `fitsEpilogues` holds.
  var activation: ActivationFunction { get set }
  /// Whether it pays to add a residual there, too, for an operator that can (`OperatorTraits.residualSlot`).
  var prefersResidual: Bool { get }
}

extension EpilogueOperator {
  package var prefersResidual: Bool { true }
}

/// An operator that multiplies every channel by a factor and adds an offset to it.
package protocol ChannelAffineOperator: Operator {
  /// In double precision: `y = factor * x + offset`.
  ///
  /// - Throws: `GraphError.constant` where a constant is missing or unfit.
  func affine(_ constants: [String: Tensor]) throws(GraphError) -> (factor: [Double], offset: [Double])
}

/// An operator with weights that such factors and offsets of its output can be put into: into the constants `weight`, along
/// axis 0, and `bias`.
package protocol AffineFoldingOperator: Operator {
  /// - Parameter inputs: how many the node has.
  func canFoldAffine(inputs: Int) -> Bool
}

/// An operator that makes each element of its output from a window of its input.
package protocol WindowOperator: Operator {
  var window: Window { get set }
  /// Whether positions outside the map count as zeros; otherwise they take no part.
  static var readsZerosOutside: Bool { get }
}

/// An operator that puts zeros around a map, or takes rows and columns off it.
package protocol MarginOperator: Operator {
  /// Rows and columns that are added, all of them zero, or, negative, taken off.
  var addedMargins: MapMargins { get }
}

extension Attributes {
  /// Whether an attribute that is 1 or absent is there.
  ///
  /// - Throws: `GraphError.attribute` where it is anything else.
  func flag(_ name: String) throws(GraphError) -> Bool {
    switch self[name] {
    case nil: return false
    case .int(1): return true
    default: throw .attribute(name: name, expected: "1 or absent")
    }
  }
}
