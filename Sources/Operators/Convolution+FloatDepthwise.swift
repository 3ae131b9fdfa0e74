import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// Depthwise float32 convolution: each channel has its own filter, so it needs no matrix products.
struct FloatDepthwiseConvolution: PreparedOperator, @unchecked Sendable {
  let op: Convolution
  let kernel: quern_depthwise_f32_kernel
  /// [taps][channels].
  let weight: [Float]
  let bias: [Float]

  init(_ op: Convolution, _ context: PreparationContext) throws(GraphError) {
    self.op = op
    kernel = context.kernels.depthwiseFloat
    try context.requireFloat(Convolution.wireName)
    guard context.inputFormats.count == 1 else { throw .structure("a depthwise convolution takes no residual") }
    let weight = try context.floatWeight(rank: 4)
    let (channels, taps) = (weight.shape[0], op.window.taps)
    self.weight = weight.permuted([1, 2, 0, 3]).elements(as: Float.self)
    guard self.weight.count == channels * taps else {
      throw .constant(role: "weight", problem: "of shape \(weight.shape) does not have \(taps) taps for each channel")
    }
    bias =
      context.constants["bias"] == nil
      ? [Float](repeating: 0, count: channels) : try context.floats("bias", count: channels)
  }

  var byteCount: Int { (weight.count + bias.count) * MemoryLayout<Float>.stride }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    let lines = output.batch * output.height
    let pieces = context.workers > 1 ? 2 * context.workers : 1
    return Planned(
      prepared: self, output: output,
      offsets: try context.indirection(
        op.window, input: inputs[0], output: output, pixelStride: inputs[0].channels, outside: Int32(QUERN_TAP_NONE)),
      rowChunk: max(1, (lines + pieces - 1) / pieces * output.width))
  }

  private struct Planned: PlannedOperator {
    let prepared: FloatDepthwiseConvolution
    let output: Shape
    let offsets: [Int32]
    let rowChunk: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let window = prepared.op.window
      offsets.withUnsafeBufferPointer { offsets in
        prepared.weight.withUnsafeBufferPointer { weight in
          prepared.bias.withUnsafeBufferPointer { bias in
            var arguments = quern_depthwise_f32_args()
            arguments.input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
            (arguments.offsets, arguments.taps) = (offsets.baseAddress, window.taps)
            (arguments.channels, arguments.output_stride) = (output.channels, output.channels)
            (arguments.weights, arguments.bias) = (weight.baseAddress, bias.baseAddress)
            // Neighbouring outputs share columns where the taps of a kernel row are next to each other.
            arguments.line = window.dilationWidth == 1 ? output.width : 0
            (arguments.kernel_width, arguments.step) = (window.width, window.strideWidth)
            arguments.clamp = prepared.op.activation.clamp
            arguments.output = buffers.output.assumingMemoryBound(to: Float.self)
            let rows = output.batch * output.height * output.width
            team.forEach(
              (rows + rowChunk - 1) / rowChunk,
              with: (kernel: prepared.kernel, arguments: arguments, rows: rows, chunk: rowChunk)
            ) { state, piece, _ in
              let first = piece * state.chunk
              var arguments = state.arguments
              arguments.rows = min(state.chunk, state.rows - first)
              if arguments.offsets != nil { arguments.offsets += first * arguments.taps }
              arguments.output += first * arguments.channels
              state.kernel.run(&arguments)
            }
          }
        }
      }
    }
  }
}
