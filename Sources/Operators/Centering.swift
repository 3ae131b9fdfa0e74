import Graphs
import Kernels
import Tensors

/// Subtracts a mean from each row [N, D]: the first half of PCA whitening (MultiGrain, arXiv 1902.05509, section 3.4).
/// Float32 only.
///
/// Constant: `mean` float32 [D].
package struct Centering: Operator, ChannelAffineOperator {
  package static let wireName = "centering"
  package static let arity = 1...1

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package var quantizationRule: QuantizationRule { .float }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard let mean = constants["mean"] else { throw .constant(role: "mean", problem: "is missing") }
    guard inputs[0].rank == 2, mean.elementCount == inputs[0].channels else {
      throw .shape("a mean of \(mean.elementCount) elements cannot be subtracted from rows of \(inputs[0])")
    }
    return inputs[0]
  }

  package func affine(_ constants: [String: Tensor]) throws(GraphError) -> (factor: [Double], offset: [Double]) {
    guard let mean = constants["mean"], mean.elementType == .float32 else {
      throw .constant(role: "mean", problem: "is missing or not float32")
    }
    let offset = mean.elements(as: Float.self).map { -Double($0) }
    return ([Double](repeating: 1, count: offset.count), offset)
  }
}

extension Centering: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: ["mean"])
    let mean = try context.floats("mean", count: context.constants["mean"]?.elementCount ?? 0)
    return ElementwiseOperator { shape, buffers, range in
      for index in range {
        let row = buffers.inputs[0].assumingMemoryBound(to: Float.self) + index * shape.channels
        let output = buffers.output.assumingMemoryBound(to: Float.self) + index * shape.channels
        for channel in 0..<shape.channels { output[channel] = row[channel] - mean[channel] }
      }
    }
  }
}
