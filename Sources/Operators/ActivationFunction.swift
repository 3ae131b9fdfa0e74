import Graphs

/// A function fused into the store of a convolution or an addition.
public enum ActivationFunction: String, Sendable, Hashable {
  case none
  case relu

  init(attributes: Attributes) throws(GraphError) {
    guard let function = ActivationFunction(rawValue: try attributes.string("activation")) else {
      throw .attribute(name: "activation", expected: "'none' or 'relu'")
    }
    self = function
  }

  /// What no value of the function is below, if none of its argument is below `bound`.
  func lowerBound(_ bound: Double) -> Double { self == .relu ? max(bound, 0) : bound }
}
