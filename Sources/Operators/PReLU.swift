import CKernels
import Graphs
import Kernels
import Tensors

/// `x` where it is positive, else `slope x`, with a slope for each channel (He et al., "Delving Deep into Rectifiers",
/// arXiv 1502.01852, section 2.1). With one slope for all channels there is `Nonlinearity` of a leaky ReLU.
///
/// Constants: `slope`, float32 [C].
package struct PReLU: Operator {
  package static let wireName = "prelu"
  package static let arity = 1...1

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.followsFloat = true
    return traits
  }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    guard let slopes = constants["slope"], slopes.elementType == .float32 else { return -.infinity }
    // Where slopes are not negative, results have the sign of the input.
    let (low, high) = slopes.elements(as: Float.self).reduce((Float.infinity, -Float.infinity)) {
      (min($0.0, $1), max($0.1, $1))
    }
    guard bounds[0] < 0 else { return bounds[0] }
    guard low >= 0, bounds[0] > -.infinity else { return -.infinity }
    let product = bounds[0] * Double(high)
    // Results are float32, so rounding can lower them.
    return min(product, Double(Float(product)))
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard let slope = constants["slope"] else { throw .constant(role: "slope", problem: "is missing") }
    guard inputs[0].rank > 0, slope.shape == [inputs[0].channels] else {
      throw .constant(role: "slope", problem: "has the shape \(slope.shape), which does not fit \(inputs[0])")
    }
    return inputs[0]
  }
}

extension PReLU: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: ["slope"])
    let slopes = try context.floats("slope", count: context.constants["slope"]?.elementCount ?? 0)
    guard slopes.allSatisfy(\.isFinite) else { throw .constant(role: "slope", problem: "is not finite") }
    switch (context.inputFormats[0].withoutRemainder, context.outputFormat) {
    case (.float32, .float32):
      return ElementwiseOperator { shape, buffers, range in
        let input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
        let output = buffers.output.assumingMemoryBound(to: Float.self)
        slopes.withUnsafeBufferPointer { slopes in
          for pixel in range {
            let first = pixel * shape.channels
            for channel in 0..<shape.channels {
              let x = input[first + channel]
              output[first + channel] = x * (x > 0 ? 1 : slopes[channel])
            }
          }
        }
      }
    case (.uint8(let from), .uint8(let to)):
      let kernel = context.kernels.elementwise.prelu
      let positive = from.scale / to.scale
      let negative = slopes.map { $0 * positive }
      guard positive.isFinite, negative.allSatisfy(\.isFinite) else {
        throw .constant(role: "slope", problem: "is not finite in steps of the output")
      }
      return ElementwiseOperator { shape, buffers, range in
        let first = range.lowerBound * shape.channels
        negative.withUnsafeBufferPointer {
          kernel?(
            buffers.inputs[0].assumingMemoryBound(to: UInt8.self) + first, Int32(from.zeroPoint), positive,
            $0.baseAddress, shape.channels, range.count, Int32(to.zeroPoint),
            buffers.output.assumingMemoryBound(to: UInt8.self) + first)
        }
      }
    default: throw .structure("the input and the output of a PReLU are both float32 or both uint8")
    }
  }
}
