import Glibc
import Graphs
import Kernels
import Tensors

/// `1 / (1 + exp(-x))` in double precision, rounded once; float only.
///
/// Mathematical libraries differ in the last bit of a single-precision exponential, and a factor that differs so moves
/// the rounding of maps that it scales. Of a double rounded to float32 that bit is the same in practice.
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
    return ElementwiseOperator { shape, buffers, range in
      let input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
      let output = buffers.output.assumingMemoryBound(to: Float.self)
      for index in range.lowerBound * shape.channels..<range.upperBound * shape.channels {
        output[index] = Float(1 / (1 + exp(-Double(input[index]))))
      }
    }
  }
}
