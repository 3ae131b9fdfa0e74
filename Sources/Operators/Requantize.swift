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
    let kernels = context.kernels
    let (from, to) = (context.inputFormats[0], context.outputFormat)
    return ElementwiseOperator { shape, buffers, range in
      let start = range.lowerBound * shape.channels
      let count = range.count * shape.channels
      let (input, output) = (buffers.inputs[0], buffers.output)
      switch (from, to) {
      case (.float32, .float32): (output + 4 * start).copyMemory(from: input + 4 * start, byteCount: 4 * count)
      case (.float32, .uint8(let parameters)):
        kernels.elementwise.quantize(
          input.assumingMemoryBound(to: Float.self) + start, count, parameters.scale, Int32(parameters.zeroPoint),
          output.assumingMemoryBound(to: UInt8.self) + start)
      case (.uint8(let parameters), .float32):
        kernels.elementwise.dequantize(
          input.assumingMemoryBound(to: UInt8.self) + start, count, parameters.scale, Int32(parameters.zeroPoint),
          output.assumingMemoryBound(to: Float.self) + start)
      case (.uint8(let a), .uint8(let b)):
        kernels.elementwise.requantize(
          input.assumingMemoryBound(to: UInt8.self) + start, Int32(a.zeroPoint),
          a.scale / b.scale, count, Int32(b.zeroPoint), 0,
          output.assumingMemoryBound(to: UInt8.self) + start)
      }
    }
  }
}
