import Graphs
import Kernels
import Tensors

/// `1 / (1 + exp(-x))` of each element, float32 only: for the factors of squeeze-and-excitation, or probabilities. For
/// uint8 maps there is `Nonlinearity`.
package struct Sigmoid: Operator {
  package static let wireName = "sigmoid"
  package static let arity = 1...1

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { 0 }
  package var quantizationRule: QuantizationRule { .float }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    .implementation
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension Sigmoid: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: [])
    return ElementwiseOperator(applying: .sigmoid)
  }
}
