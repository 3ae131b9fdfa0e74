import CKernels
import Graphs
import Kernels
import Tensors

/// The mean of each window of a map [N, H, W, C]. Padding counts as zeros or is left out (PyTorch's
/// `count_include_pad`).
///
/// On uint8, the levels are summed in int32, divided by their number in float32, and rounded once, ties to even;
/// padding that counts has the level of the zero point. The output keeps the input's scale and zero point.
package struct AveragePooling: Operator, WindowOperator {
  package static let wireName = "average_pooling"
  package static let arity = 1...1

  /// The window's size, stride, padding and dilation; the padding is smaller than the window, and there are at most
  /// 65536 taps.
  package var window: Window
  /// Whether padding counts as zeros; otherwise it is left out of the mean.
  package var countsPadding: Bool

  package init(window: Window, countsPadding: Bool) {
    self.window = window
    self.countsPadding = countsPadding
  }

  package init(attributes: Attributes) throws(GraphError) {
    window = try Window(attributes: attributes)
    countsPadding = try attributes.int("counts_padding") != 0
    guard window.top < window.height, window.bottom < window.height, window.left < window.width,
      window.right < window.width
    else { throw .attribute(name: "padding", expected: "smaller than the window") }
    guard !window.padsToSize || !countsPadding else {
      throw .attribute(name: "pads_to_size", expected: "absent where padding counts")
    }
    guard window.taps <= 65536 else { throw .attribute(name: "kernel", expected: "of at most 65536 taps") }
  }

  package var attributes: Attributes {
    var result = window.attributes
    result["counts_padding"] = .int(countsPadding ? 1 : 0)
    return result
  }
  package static let readsZerosOutside = false
  package var quantizationRule: QuantizationRule { .sameAsInput }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.followsFloat = true
    return traits
  }
  /// Padding that counts brings the mean closer to zero.
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    countsPadding ? min(bounds[0], 0) : bounds[0]
  }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    inputs.first == .float32 ? .implementation : .specified
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 4 else { throw .shape("average pooling takes a map with 4 axes, not \(inputs[0])") }
    let extent = try window.outputExtent(height: inputs[0].height, width: inputs[0].width)
    return try Shape([inputs[0].batch, extent.height, extent.width, inputs[0].channels]).checkedActivation()
  }
}

extension AveragePooling: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("the input and the output of average pooling must have the same format")
    }
    let kernel = context.kernels.pool
    let taps = window.taps
    let zeroPoint: Int32? = if case .uint8(let format) = context.outputFormat { Int32(format.zeroPoint) } else { nil }
    return PoolingOperator(window: window, countsPadding: countsPadding) { buffers, offsets, rows, extents in
      let channels = extents.channels
      let first = rows.lowerBound * channels
      if let zeroPoint {
        kernel.average_u8(
          buffers.inputs[0].assumingMemoryBound(to: UInt8.self), offsets, rows.count, taps, channels, zeroPoint,
          buffers.output.assumingMemoryBound(to: UInt8.self) + first, channels)
      } else {
        kernel.average_f32(
          buffers.inputs[0].assumingMemoryBound(to: Float.self), offsets, rows.count, taps, channels,
          buffers.output.assumingMemoryBound(to: Float.self) + first, channels)
      }
    }
  }
}
