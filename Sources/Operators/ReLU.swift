import Graphs
import Kernels
import Tensors

/// `max(x, 0)`. On uint8, this is `max(q, zero point)`, and the output keeps the input's format.
package struct ReLU: Operator, ActivationOperator {
  package static let wireName = "relu"
  package static let arity = 1...1

  package init() {}
  package init(attributes: Attributes) throws(GraphError) {}
  package var attributes: Attributes { [:] }
  package var function: ActivationFunction { .relu }
  package var quantizationRule: QuantizationRule { .sameAsInput }
  package static let remainderRule = RemainderRule.passedOn
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { max(bounds[0], 0) }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension ReLU: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("the input and the output of relu must have the same format")
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
        // Levels below the zero point get a remainder of zero, and so do negative remainders at the zero point.
        let (inputRemainders, outputRemainders) = (input + shape.elementCount, output + shape.elementCount)
        let zero = ActivationLayout.remainderZeroPoint
        for index in elements {
          let level = input[index]
          let minimum = level > zeroPoint ? 0 : zero
          outputRemainders[index] = level < zeroPoint ? zero : max(inputRemainders[index], minimum)
        }
      }
      for index in elements { output[index] = max(input[index], zeroPoint) }
    }
  }
}
