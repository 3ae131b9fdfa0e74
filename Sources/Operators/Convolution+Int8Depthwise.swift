import CKernels
import Graphs
import Kernels
import Tensors

/// Depthwise int8 convolution: each channel with a filter of its own; one input, uint8 output.
struct Int8DepthwiseConvolution: PreparedOperator {
  let op: Convolution
  let kernels: KernelSet
  let requantization: Requantization
  let packedWeights: PackedWeights<Int8>

  init(_ op: Convolution, _ context: PreparationContext, input: QuantizationParameters) throws(GraphError) {
    self.op = op
    kernels = context.kernels
    let weight = try context.constant("weight", .int8, rank: 4)
    let channels = weight.shape[0]
    let taps = op.window.taps
    let values = weight.elements(as: Int8.self)
    let sums = try context.weightSums(weight)
    requantization = try Requantization(context, input: input, weightSums: sums, relu: op.activation == .relu)
    packedWeights = PackedWeights<Int8>(count: quern_depthwise_packed_size(channels, taps)) { target in
      values.withUnsafeBufferPointer { quern_depthwise_pack($0.baseAddress, channels, taps, target) }
    }
  }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    try Int8DepthwisePlan(prepared: self, input: inputs[0], output: output, context: context)
  }
}

private struct Int8DepthwisePlan: PlannedOperator {
  let prepared: Int8DepthwiseConvolution
  let output: Shape
  let offsets: [Int32]
  let rowChunk: Int
  let scratchByteCount = 0

  init(prepared: Int8DepthwiseConvolution, input: Shape, output: Shape, context: PlanningContext) throws(GraphError) {
    self.prepared = prepared
    self.output = output
    let margin = ActivationLayout.marginByteCount(
      shape: input, format: .uint8(QuantizationParameters(scale: 1, zeroPoint: 0)))
    offsets = try context.indirection(
      prepared.op.window, input: input, output: output, pixelStride: input.channels,
      outside: Int32(truncatingIfNeeded: -margin))
    let rows = output.batch * output.height * output.width
    let pieces = context.workers > 1 ? 2 * context.workers : 1
    rowChunk = (rows + pieces - 1) / pieces
  }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
    let rows = output.batch * output.height * output.width
    let requantization = prepared.requantization
    let taps = prepared.op.window.taps
    offsets.withUnsafeBufferPointer { offsets in
      requantization.bias.withUnsafeBufferPointer { bias in
        requantization.multiplier.withUnsafeBufferPointer { multiplier in
          team.forEach((rows + rowChunk - 1) / rowChunk) { piece, _ in
            let first = piece * rowChunk
            var arguments = quern_depthwise_args()
            arguments.input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
            arguments.offsets = offsets.baseAddress.map { $0 + first * taps }
            (arguments.rows, arguments.taps) = (min(rowChunk, rows - first), taps)
            arguments.channels = output.channels
            arguments.weights = UnsafePointer(prepared.packedWeights.pointer)
            (arguments.bias, arguments.multiplier) = (bias.baseAddress, multiplier.baseAddress)
            arguments.output_zero_point = requantization.outputZeroPoint
            (arguments.output_min, arguments.output_max) = (requantization.outputMinimum, 255)
            arguments.output = buffers.output.assumingMemoryBound(to: UInt8.self) + first * output.channels
            arguments.output_stride = output.channels
            prepared.kernels.depthwise.run(&arguments)
          }
        }
      }
    }
  }
}
