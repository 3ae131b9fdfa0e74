import Graphs
import Kernels
import Tensors

/// `x / (||x||_2 + epsilon)` for each row; float only. The squares are summed in double precision.
public struct L2Normalization: Operator {
  public static let wireName = "l2_normalization"
  public static let arity = 1...1

  public var epsilon: Double

  public init(epsilon: Double = 1e-6) { self.epsilon = epsilon }
  public init(attributes: Attributes) throws(GraphError) {
    epsilon = try attributes.float("epsilon")
    guard epsilon >= 0, epsilon.isFinite else { throw .attribute(name: "epsilon", expected: "at least 0") }
  }
  public var attributes: Attributes { ["epsilon": .float(epsilon)] }
  public var quantizationRule: QuantizationRule { .float }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 2 else { throw .shape("L2 normalisation takes rows, not \(inputs[0])") }
    return inputs[0]
  }
}

extension L2Normalization: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: [])
    let epsilon = Float(self.epsilon)
    return ElementwiseOperator { shape, buffers, range in
      for index in range {
        let row = buffers.inputs[0].assumingMemoryBound(to: Float.self) + index * shape.channels
        let output = buffers.output.assumingMemoryBound(to: Float.self) + index * shape.channels
        var sum = 0.0
        for channel in 0..<shape.channels { sum += Double(row[channel]) * Double(row[channel]) }
        let norm = Float(sum.squareRoot()) + epsilon
        for channel in 0..<shape.channels { output[channel] = row[channel] / norm }
      }
    }
  }
}
