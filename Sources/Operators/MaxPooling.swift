import CKernels
import Graphs
import Kernels
import Tensors

/// The maximum of each window of a map [N, H, W, C]; positions outside the map are left out. Exact on uint8: the output
/// keeps the input's format.
package struct MaxPooling: Operator, WindowOperator {
  package static let wireName = "max_pooling"
  package static let arity = 1...1

  /// The window's size, stride, padding and dilation; the padding is smaller than the window.
  package var window: Window

  package init(window: Window) { self.window = window }
  package init(attributes: Attributes) throws(GraphError) {
    window = try Window(attributes: attributes)
    guard window.top < window.height, window.bottom < window.height, window.left < window.width,
      window.right < window.width
    else { throw .attribute(name: "padding", expected: "smaller than the window") }
  }
  package var attributes: Attributes { window.attributes }
  package static let readsZerosOutside = false
  package var quantizationRule: QuantizationRule { .sameAsInput }
  package static let remainderRule = RemainderRule.passedOn
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { bounds[0] }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 4 else { throw .shape("max pooling takes a map with 4 axes, not \(inputs[0])") }
    let extent = try window.outputExtent(height: inputs[0].height, width: inputs[0].width)
    return try Shape([inputs[0].batch, extent.height, extent.width, inputs[0].channels]).checkedActivation()
  }
}

extension MaxPooling: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("the input and the output of max pooling must have the same format")
    }
    let kernel = context.kernels.pool
    let taps = window.taps
    if case .uint8WithRemainder = context.outputFormat { return Self.ofTwoPlanes(window) }
    let isFloat = context.outputFormat == .float32
    return PoolingOperator(window: window, countsPadding: false) { buffers, offsets, rows, extents in
      let channels = extents.channels
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

  /// Compares levels and remainders as 16-bit numbers, with the stored remainder in the low byte. They are in the order
  /// of the values.
  private static func ofTwoPlanes(_ window: Window) -> any PreparedOperator {
    let taps = window.taps
    return PoolingOperator(window: window, countsPadding: false) { buffers, offsets, rows, extents in
      let channels = extents.channels
      let input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
      let output = buffers.output.assumingMemoryBound(to: UInt8.self)
      let (inputRemainders, outputRemainders) = (input + extents.inputCount, output + extents.outputCount)
      for row in 0..<rows.count {
        let first = (rows.lowerBound + row) * channels
        for channel in 0..<channels {
          var maximum: UInt16 = 0
          for tap in 0..<taps where offsets[row * taps + tap] >= 0 {
            let index = Int(offsets[row * taps + tap]) + channel
            maximum = max(maximum, UInt16(input[index]) << 8 | UInt16(inputRemainders[index]))
          }
          output[first + channel] = UInt8(maximum >> 8)
          outputRemainders[first + channel] = UInt8(truncatingIfNeeded: maximum)
        }
      }
    }
  }
}
