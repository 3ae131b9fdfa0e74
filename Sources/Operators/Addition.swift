import Graphs
import Kernels
import Tensors

/// The sum of two maps of one shape, with an optional fused ReLU. On uint8 each input has its own scale and the sum is
/// rounded once.
public struct Addition: Operator {
  public static let wireName = "addition"
  public static let arity = 2...2

  public var activation: ActivationFunction

  public init(activation: ActivationFunction = .none) { self.activation = activation }
  public init(attributes: Attributes) throws(GraphError) { activation = try ActivationFunction(attributes: attributes) }
  public var attributes: Attributes { ["activation": .string(activation.rawValue)] }
  public var quantizationRule: QuantizationRule { .ownRange }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0] == inputs[1] else { throw .shape("cannot add maps of \(inputs[0]) and \(inputs[1])") }
    return inputs[0]
  }
}

extension Addition: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let relu = activation == .relu
    switch (context.inputFormats[0], context.inputFormats[1], context.outputFormat) {
    case (.float32, .float32, .float32):
      return ElementwiseOperator { shape, buffers, range in
        let a = buffers.inputs[0].assumingMemoryBound(to: Float.self)
        let b = buffers.inputs[1].assumingMemoryBound(to: Float.self)
        let output = buffers.output.assumingMemoryBound(to: Float.self)
        for index in range.lowerBound * shape.channels..<range.upperBound * shape.channels {
          let sum = a[index] + b[index]
          output[index] = relu ? max(sum, 0) : sum
        }
      }
    case (.uint8(let a), .uint8(let b), .uint8(let sum)):
      let kernel = context.kernels.elementwise.add
      let aFactor = a.scale / sum.scale
      let bFactor = b.scale / sum.scale
      return ElementwiseOperator { shape, buffers, range in
        let start = range.lowerBound * shape.channels
        kernel?(
          buffers.inputs[0].assumingMemoryBound(to: UInt8.self) + start, Int32(a.zeroPoint), aFactor,
          buffers.inputs[1].assumingMemoryBound(to: UInt8.self) + start, Int32(b.zeroPoint), bFactor,
          range.count * shape.channels, Int32(sum.zeroPoint), relu ? Int32(sum.zeroPoint) : 0,
          buffers.output.assumingMemoryBound(to: UInt8.self) + start)
      }
    default: throw .structure("an addition's inputs and output are all float32 or all uint8")
    }
  }
}
