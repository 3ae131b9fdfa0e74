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
    return Prepared(window: window, kernel: context.kernels.pool, isFloat: context.outputFormat == .float32)
  }

  private struct Prepared: PreparedOperator, @unchecked Sendable {
    let window: Window
    let kernel: quern_pool_kernel
    let isFloat: Bool

    func plan(inputs: [Shape], output: Shape, workers: Int) throws(GraphError) -> any PlannedOperator {
      let offsets = try window.indirection(
        input: inputs[0], output: output, pixelStride: inputs[0].channels, outside: -1)
      // A dilated window can step over a small map.
      for first in stride(from: 0, to: offsets.count, by: window.taps) {
        guard offsets[first..<first + window.taps].contains(where: { $0 >= 0 }) else {
          throw .inputSize("a window of max pooling has no position inside a map of \(inputs[0])")
        }
      }
      return Planned(
        prepared: self, output: output, offsets: offsets,
        chunk: max(1, (output.batch * output.height * output.width + workers - 1) / workers))
    }
  }

  private struct Planned: PlannedOperator {
    let prepared: Prepared
    let output: Shape
    let offsets: [Int32]
    let chunk: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let rows = output.batch * output.height * output.width
      let (taps, channels) = (prepared.window.taps, output.channels)
      offsets.withUnsafeBufferPointer { offsets in
        guard let offsets = offsets.baseAddress else { return }
        team.forEach((rows + chunk - 1) / chunk) { piece, _ in
          let first = piece * chunk
          let count = min(chunk, rows - first)
          if prepared.isFloat {
            prepared.kernel.max_f32(
              buffers.inputs[0].assumingMemoryBound(to: Float.self), offsets + first * taps, count, taps, channels,
              buffers.output.assumingMemoryBound(to: Float.self) + first * channels, channels)
          } else {
            prepared.kernel.max_u8(
              buffers.inputs[0].assumingMemoryBound(to: UInt8.self), offsets + first * taps, count, taps, channels,
              buffers.output.assumingMemoryBound(to: UInt8.self) + first * channels, channels)
          }
        }
      }
    }
  }
}
