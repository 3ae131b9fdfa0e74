import Graphs
import Kernels
import Tensors

/// `1 / (1 + exp(-x))` of each element, float only: the factors of squeeze-and-excitation, or probabilities. The operator for
/// maps that are held as uint8 is `Nonlinearity`.
public struct Sigmoid: Operator {
  public static let wireName = "sigmoid"
  public static let arity = 1...1

  public init() {}
  public init(attributes: Attributes) throws(GraphError) {}
  public var attributes: Attributes { [:] }
  public func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { 0 }
  public var quantizationRule: QuantizationRule { .float }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension Sigmoid: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: [])
    return ElementwiseOperator(applying: .sigmoid)
  }
}
