import Graphs
import Kernels
import Tensors

/// A convolution along the channels of rows [N, C], with one kernel for all of them: the local interaction of channels
/// in efficient channel attention (Wang et al., arXiv 1910.03151, equation 7). Elements outside a row are 0. Float32
/// only: `y[c] = Σ_k x[c + k - before] weight[k]`, summed in double precision in the order of k and rounded once.
///
/// Constant: `weight` float32 [K].
package struct ChannelConvolution: Operator {
  package static let wireName = "channel_convolution"
  package static let arity = 1...1

  /// The limit of the length of the kernel.
  private static let limit = 1024

  /// The number of weights before the one of the element itself.
  package let before: Int

  /// - Throws: `GraphError.attribute` where the number is out of range.
  package init(before: Int) throws(GraphError) {
    guard (0..<Self.limit).contains(before) else {
      throw .attribute(name: "before", expected: "0 to \(Self.limit - 1)")
    }
    self.before = before
  }

  package init(attributes: Attributes) throws(GraphError) { try self.init(before: try attributes.int("before")) }
  package var attributes: Attributes { ["before": .int(before)] }
  package var quantizationRule: QuantizationRule { .float }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard let weight = constants["weight"] else { throw .constant(role: "weight", problem: "is missing") }
    guard weight.shape.rank == 1, (before + 1...Self.limit).contains(weight.elementCount) else {
      throw .constant(
        role: "weight", problem: "of shape \(weight.shape) is no kernel with \(before) elements before one")
    }
    guard inputs[0].rank == 2 else { throw .shape("only rows are convolved along their channels, not \(inputs[0])") }
    return inputs[0]
  }
}

extension ChannelConvolution: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: ["weight"])
    let weight = try context.floats("weight", count: context.constants["weight"]?.elementCount ?? 0)
    let before = before
    return ElementwiseOperator { shape, buffers, rows in
      for row in rows {
        let input = buffers.inputs[0].assumingMemoryBound(to: Float.self) + row * shape.channels
        let output = buffers.output.assumingMemoryBound(to: Float.self) + row * shape.channels
        for channel in 0..<shape.channels {
          var sum = 0.0
          for tap in max(0, before - channel)..<max(0, min(weight.count, shape.channels + before - channel)) {
            sum += Double(input[channel + tap - before]) * Double(weight[tap])
          }
          output[channel] = Float(sum)
        }
      }
    }
  }
}
