import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// Depthwise int8 convolution: each channel has its own filter. It has one input and a uint8 output. Where the input or
/// the output has remainders, sums are combined in float32.
struct Int8DepthwiseConvolution: PreparedOperator {
  let op: Convolution
  let kernels: KernelSet
  let requantization: Requantization
  let packedWeights: PackedWeights<Int8>
  /// Set where the input is read with its remainders.
  let remainders: RemainderRequantization?

  init(_ op: Convolution, _ context: PreparationContext, input: QuantizationParameters) throws(GraphError) {
    self.op = op
    kernels = context.kernels
    let weight = try context.constant("weight", .int8, rank: 4)
    let channels = weight.shape[0]
    let taps = op.window.taps
    let values = weight.elements(as: Int8.self)
    let sums = context.weightSums(weight)
    requantization = try Requantization(context, input: input, weightSums: sums, activation: op.activation)
    if case .uint8WithRemainder = context.inputFormats[0] {
      remainders = requantization.ofRemainders(weightSums: sums)
    } else {
      remainders = nil
    }
    packedWeights = PackedWeights<Int8>(count: quern_depthwise_packed_size(channels, taps)) { target in
      values.withUnsafeBufferPointer { quern_depthwise_pack($0.baseAddress, channels, taps, target) }
    }
  }

  var byteCount: Int { packedWeights.byteCount + requantization.byteCount + (remainders?.byteCount ?? 0) }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) throws(GraphError) -> any PlannedOperator {
    try Int8DepthwisePlan(prepared: self, input: inputs[0], output: output, context: context)
  }
}

private struct Int8DepthwisePlan: PlannedOperator {
  let prepared: Int8DepthwiseConvolution
  let input: Shape
  let output: Shape
  let offsets: [Int32]
  /// The offsets for the plane of remainders, where that is read.
  let remainderOffsets: [Int32]?
  let int8Epilogue: Int8Epilogue?
  let rowChunk: Int
  private let workers: Int

  init(prepared: Int8DepthwiseConvolution, input: Shape, output: Shape, context: PlanningContext) throws(GraphError) {
    self.prepared = prepared
    self.input = input
    self.output = output
    workers = context.workers
    func offsets(ofRemainders: Bool) throws(GraphError) -> [Int32] {
      try context.indirection(
        prepared.op.window, input: input, output: output, pixelStride: input.channels,
        outside: ActivationLayout.outsideOffset(shape: input, ofRemainders: ofRemainders))
    }
    self.offsets = try offsets(ofRemainders: false)
    remainderOffsets = prepared.remainders == nil ? nil : try offsets(ofRemainders: true)
    int8Epilogue =
      prepared.remainders != nil || !prepared.requantization.output.isPlainUInt8
      ? Int8Epilogue(prepared.requantization, kernels: prepared.kernels, channels: output.channels) : nil
    let rows = output.batch * output.height * output.width
    let pieces = context.workers > 1 ? 2 * context.workers : 1
    rowChunk = (rows + pieces - 1) / pieces
  }

  var scratchByteCount: Int {
    int8Epilogue == nil
      ? 0 : workers * Int8Epilogue.scratchCount(channels: output.channels) * MemoryLayout<Float>.stride
  }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
    let requantization = prepared.requantization
    offsets.withUnsafeBufferPointer { offsets in
      requantization.bias.withUnsafeBufferPointer { bias in
        requantization.multiplier.withUnsafeBufferPointer { multiplier in
          var arguments = quern_depthwise_args()
          arguments.input = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
          (arguments.offsets, arguments.taps) = (offsets.baseAddress, prepared.op.window.taps)
          (arguments.rows, arguments.channels) = (output.batch * output.height * output.width, output.channels)
          arguments.weights = UnsafePointer(prepared.packedWeights.pointer)
          (arguments.bias, arguments.multiplier) = (bias.baseAddress, multiplier.baseAddress)
          arguments.output_zero_point = requantization.epilogue.zeroPoint
          (arguments.output_min, arguments.output_max) = requantization.epilogue.levels
          arguments.output = buffers.output.assumingMemoryBound(to: UInt8.self)
          arguments.output_stride = output.channels
          let scratch = buffers.scratch.assumingMemoryBound(to: Float.self)
          team.forEach(
            (arguments.rows + rowChunk - 1) / rowChunk, with: (plan: self, arguments: arguments, scratch: scratch)
          ) { state, piece, worker in
            state.plan.compute(piece, worker, state.arguments, state.scratch)
          }
        }
      }
    }
  }

  /// Computes one piece of the work.
  ///
  /// - Parameters:
  ///   - whole: The arguments for all rows.
  ///   - scratch: The scratch memory of all workers.
  private func compute(
    _ piece: Int, _ worker: Int, _ whole: quern_depthwise_args, _ scratch: UnsafeMutablePointer<Float>
  ) {
    let first = piece * rowChunk
    var arguments = whole
    arguments.rows = min(rowChunk, whole.rows - first)
    if arguments.offsets != nil { arguments.offsets += first * arguments.taps }
    arguments.output += first * output.channels
    guard let int8Epilogue else { return prepared.kernels.depthwise.run(&arguments) }
    runInFloat(
      arguments, firstRow: first, int8Epilogue,
      scratch: scratch + worker * Int8Epilogue.scratchCount(channels: output.channels))
  }

  /// Computes a piece a few rows at a time: the product of the remainders with the weights, where they are read; added
  /// to it, that of the levels; and the epilogue, which stores the sum.
  private func runInFloat(
    _ whole: quern_depthwise_args, firstRow: Int, _ int8Epilogue: Int8Epilogue, scratch: UnsafeMutablePointer<Float>
  ) {
    let (channels, taps) = (output.channels, whole.taps)
    let step = Int8Epilogue.rows(channels: channels)
    for first in stride(from: 0, to: whole.rows, by: step) {
      var levels = whole
      levels.rows = min(step, whole.rows - first)
      levels.offsets += first * taps
      levels.output_f32 = scratch
      if let remainders = prepared.remainders, let remainderOffsets {
        var remainderArguments = levels
        remainderArguments.input += input.elementCount
        remainders.bias.withUnsafeBufferPointer { bias in
          remainders.multiplier.withUnsafeBufferPointer { multiplier in
            remainderOffsets.withUnsafeBufferPointer { offsets in
              (remainderArguments.bias, remainderArguments.multiplier) = (bias.baseAddress, multiplier.baseAddress)
              remainderArguments.offsets = offsets.baseAddress.map { $0 + (firstRow + first) * taps }
              prepared.kernels.depthwise.run(&remainderArguments)
            }
          }
        }
        levels.addend = UnsafePointer(scratch)
      }
      prepared.kernels.depthwise.run(&levels)
      var target = quern_igemm_args()
      target.output = UnsafeMutableRawPointer(whole.output + first * channels)
      target.output_stride = channels
      if !prepared.requantization.output.isPlainUInt8 {
        target.output_remainder = whole.output + output.elementCount + first * channels
      }
      int8Epilogue.store(scratch, rows: levels.rows, channels: channels, to: target)
    }
  }
}
