import CKernels
import Graphs
import Kernels
import Tensors

/// The maximum of each window; positions outside the map do not take part. Exact on uint8: the output keeps the input's
/// format.
public struct MaxPooling: Operator {
  public static let wireName = "max_pooling"
  public static let arity = 1...1

  public var window: Window

  public init(window: Window) { self.window = window }
  public init(attributes: Attributes) throws(GraphError) {
    window = try Window(attributes: attributes)
    guard window.top < window.height, window.bottom < window.height, window.left < window.width,
      window.right < window.width
    else { throw .attribute(name: "padding", expected: "smaller than the window") }
  }
  public var attributes: Attributes { window.attributes }
  public var quantizationRule: QuantizationRule { .sameAsInput }
  public func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 4 else { throw .shape("max pooling's input has 4 axes, not \(inputs[0])") }
    let extent = try window.outputExtent(height: inputs[0].height, width: inputs[0].width)
    return try Shape([inputs[0].batch, extent.height, extent.width, inputs[0].channels]).checkedActivation()
  }
}

extension MaxPooling: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("max pooling's input and output differ in format")
    }
    let kernel = context.kernels.pool
    let taps = window.taps
    let isFloat = context.outputFormat == .float32
    return PoolingOperator(window: window, countsPadding: false) { buffers, offsets, rows, channels in
      let first = rows.lowerBound * channels
      if isFloat {
        kernel.max_f32(
          buffers.inputs[0].assumingMemoryBound(to: Float.self), offsets, rows.count, taps, channels,
          buffers.output.assumingMemoryBound(to: Float.self) + first, channels)
      } else {
        kernel.max_u8(
          buffers.inputs[0].assumingMemoryBound(to: UInt8.self), offsets, rows.count, taps, channels,
          buffers.output.assumingMemoryBound(to: UInt8.self) + first, channels)
      }
    }
  }
}
