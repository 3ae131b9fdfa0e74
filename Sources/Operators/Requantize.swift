import Graphs
import Kernels
import Tensors

/// The same values in another format: float32 to uint8, uint8 to float32, or uint8 at another scale. The formats are those
/// of the input and the output.
public struct Requantize: Operator {
  public static let wireName = "requantize"
  public static let arity = 1...1

  public init() {}
  public init(attributes: Attributes) throws(GraphError) {}
  public var attributes: Attributes { [:] }
  public var quantizationRule: QuantizationRule { .ownRange }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension Requantize: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let (from, to) = (context.inputFormats[0], context.outputFormat)
    let conversion = ValueConversion(from: from, to: to, kernels: context.kernels)
    let (inputSize, outputSize) = (from.elementType.byteCount, to.elementType.byteCount)
    return ElementwiseOperator { shape, buffers, range in
      let start = range.lowerBound * shape.channels
      conversion.convert(
        buffers.inputs[0] + start * inputSize, range.count * shape.channels, to: buffers.output + start * outputSize)
    }
  }
}
