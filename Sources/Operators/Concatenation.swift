import Graphs
import Kernels
import Tensors

/// Maps side by side along the channels. Maps of unequal height or width are cropped to their common top-left corner.
///
/// Every input has a format of its own: what has the output's is copied, the rest is requantised, quantised or
/// dequantised into its slice, with one rounding.
public struct Concatenation: Operator {
  public static let wireName = "concatenation"
  public static let arity = 1...1024

  public init() {}
  public init(attributes: Attributes) throws(GraphError) {}
  public var attributes: Attributes { [:] }
  public var quantizationRule: QuantizationRule { .ownRange }
  public func channelRule(ofInput slot: Int) -> ChannelRule { .carriedSideBySide }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs.allSatisfy({ $0.rank == 4 && $0.batch == inputs[0].batch }) else {
      throw .shape("cannot concatenate maps of \(inputs.map(\.description).joined(separator: ", "))")
    }
    let corner = Shape.commonCorner(inputs)
    return try Shape([inputs[0].batch, corner.height, corner.width, inputs.reduce(0) { $0 + $1.channels }])
      .checkedActivation()
  }
}

extension Concatenation: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let output = context.outputFormat
    let conversions = context.inputFormats.map { ValueConversion(from: $0, to: output, kernels: context.kernels) }
    let inputSizes = context.inputFormats.map(\.elementType.byteCount)
    let outputSize = output.elementType.byteCount
    return CornerwiseOperator { run, buffers in
      let pixelBytes = run.output.channels * outputSize
      var slice = buffers.output + run.first * pixelBytes
      for slot in run.inputs.indices {
        let channels = run.inputs[slot].channels
        let step = channels * inputSizes[slot]
        var source = buffers.inputs[slot] + run.start(ofInput: slot) * step
        var target = slice
        for _ in 0..<run.count {
          conversions[slot].convert(source, channels, to: target)
          source += step
          target += pixelBytes
        }
        slice += channels * outputSize
      }
    }
  }
}
