import Graphs
import Kernels
import Tensors

/// The softmax over branches of rows [N, C]: `exp(x) / Σ exp(x)` over elements that lie `stride` apart, for the weights
/// with which selective kernels (Li et al., arXiv 1903.06586, equation 5) and split attention (Zhang et al., arXiv
/// 2004.08955, equation 2) add their branches. Float32 only; computed in double precision and rounded once.
///
/// The elements of a row are [C / (branches * stride), branches, stride], and each sum is over the middle axis.
package struct Softmax: Operator {
  package static let wireName = "softmax"
  package static let arity = 1...1

  /// The number of elements of each sum, at least 1.
  package let branches: Int
  /// The distance of the elements of a sum, at least 1.
  package let stride: Int

  /// - Throws: `GraphError.attribute` where a number is out of range.
  package init(branches: Int, stride: Int) throws(GraphError) {
    guard (1...1 << 20).contains(branches) else { throw .attribute(name: "branches", expected: "1 to 2^20") }
    guard (1...1 << 20).contains(stride) else { throw .attribute(name: "stride", expected: "1 to 2^20") }
    (self.branches, self.stride) = (branches, stride)
  }

  package init(attributes: Attributes) throws(GraphError) {
    try self.init(branches: try attributes.int("branches"), stride: try attributes.int("stride"))
  }

  package var attributes: Attributes { ["branches": .int(branches), "stride": .int(stride)] }
  package var quantizationRule: QuantizationRule { .float }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { 0 }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    .implementation
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 2, input.channels % (branches * stride) == 0 else {
      throw .shape("cannot sum over \(branches) branches, \(stride) apart, of \(input)")
    }
    return input
  }
}

extension Softmax: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: [])
    let (branches, stride) = (branches, stride)
    return ElementwiseOperator { shape, buffers, rows in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: branches) { powers in
        for row in rows {
          let input = buffers.inputs[0].assumingMemoryBound(to: Float.self) + row * shape.channels
          let output = buffers.output.assumingMemoryBound(to: Float.self) + row * shape.channels
          for group in 0..<shape.channels / branches {
            let first = group / stride * branches * stride + group % stride
            var maximum = -Float.infinity
            for branch in 0..<branches { maximum = max(maximum, input[first + branch * stride]) }
            var sum = 0.0
            for branch in 0..<branches {
              powers[branch] = exponential(Double(input[first + branch * stride]) - Double(maximum))
              sum += powers[branch]
            }
            for branch in 0..<branches { output[first + branch * stride] = Float(powers[branch] / sum) }
          }
        }
      }
    }
  }
}
