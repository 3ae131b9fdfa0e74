import Graphs
import Kernels
import Tensors

/// `max(x, 0)`. On uint8 that is `max(q, zero point)`, and the output keeps the input's format.
public struct ReLU: Operator, ActivationOperator {
  public static let wireName = "relu"
  public static let arity = 1...1

  public init() {}
  public init(attributes: Attributes) throws(GraphError) {}
  public var attributes: Attributes { [:] }
  public var function: ActivationFunction { .relu }
  public var quantizationRule: QuantizationRule { .sameAsInput }
  public static let remainderRule = RemainderRule.passedOn
  public func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { max(bounds[0], 0) }
  public func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension ReLU: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("relu's input and output differ in format")
    }
    guard let zeroPoint = context.outputFormat.quantization?.zeroPoint else {
      return ElementwiseOperator { shape, buffers, range in
        let input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
        let output = buffers.output.assumingMemoryBound(to: Float.self)
        for index in range.lowerBound * shape.channels..<range.upperBound * shape.channels {
          output[index] = max(input[index], 0)
        }
      }
    }
    let hasRemainders = !context.outputFormat.isPlainUInt8
    return ElementwiseOperator { shape, buffers, range in
      let input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
      let output = buffers.output.assumingMemoryBound(to: UInt8.self)
      let elements = range.lowerBound * shape.channels..<range.upperBound * shape.channels
      if hasRemainders {
        // Of what is below zero nothing is left, and of a remainder below zero at zero.
        let (rest, restOut) = (input + shape.elementCount, output + shape.elementCount)
        let zero = ActivationLayout.remainderZeroPoint
        for index in elements {
          let level = input[index]
          let least = level > zeroPoint ? 0 : zero
          restOut[index] = level < zeroPoint ? zero : max(rest[index], least)
        }
      }
      for index in elements { output[index] = max(input[index], zeroPoint) }
    }
  }
}
