import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// A float32 convolution planned for one input shape: the offsets, and how the work is split.
struct FloatConvolutionPlan: PlannedOperator {
  let prepared: FloatConvolution
  let input: Shape
  let residual: Shape?
  let output: Shape
  let rows: Int
  let taps: Int
  let tapElements: Int
  /// `nil` for pointwise convolutions, which read row after row, unless their output is cropped to a smaller residual.
  let offsets: [Int32]?
  /// The elements that taps outside the map read.
  let zeros: [Float]
  /// The shape of the padded copy, for a map with few channels.
  let paddedCopy: Shape?
  let pieces: ConvolutionPieces

  init(
    prepared: FloatConvolution, input: Shape, residual: Shape?, output: Shape, context: PlanningContext
  ) throws(GraphError) {
    self.prepared = prepared
    self.input = input
    self.residual = residual
    self.output = output
    rows = output.batch * output.height * output.width
    let window = prepared.op.window
    if prepared.copiesPadded {
      let padded = try Shape([
        input.batch, (output.height - 1) * window.strideHeight + window.height,
        (output.width - 1) * window.strideWidth + window.width, input.channels,
      ]).checkedActivation()
      paddedCopy = padded
      var rowWindow = Window(height: window.height, width: 1)
      (rowWindow.strideHeight, rowWindow.strideWidth) = (window.strideHeight, window.strideWidth)
      offsets = try context.indirection(
        rowWindow, input: padded, output: output, pixelStride: input.channels, outside: -1)
      (taps, tapElements) = (window.height, window.width * input.channels)
    } else {
      paddedCopy = nil
      offsets =
        window.isPointwise && input.height == output.height && input.width == output.width
        ? nil : try context.indirection(window, input: input, output: output, pixelStride: input.channels, outside: -1)
      (taps, tapElements) = (window.taps, input.channels / prepared.op.groups)
    }
    zeros = [Float](repeating: 0, count: tapElements)
    let groupOutputs = output.channels / prepared.op.groups
    if let residual, residual != output {
      // Consecutive rows of the output are consecutive in the residual within a line only.
      pieces = ConvolutionPieces(
        groups: prepared.op.groups, rows: rows, channels: groupOutputs, rowChunk: output.width,
        channelChunk: groupOutputs)
      return
    }
    pieces = ConvolutionPieces(
      groups: prepared.op.groups, rows: rows, channels: groupOutputs, workers: context.workers)
  }

  var scratchByteCount: Int { (paddedCopy?.elementCount ?? 0) * MemoryLayout<Float>.stride }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
    var source = buffers.inputs[0].assumingMemoryBound(to: Float.self)
    if let paddedCopy {
      let copy = buffers.scratch.assumingMemoryBound(to: Float.self)
      copyPadded(source, to: copy, paddedCopy, team: team)
      source = UnsafePointer(copy)
    }
    withArguments(source, buffers) { arguments in
      team.forEach(pieces.count, with: (plan: self, arguments: arguments)) { state, index, _ in
        state.plan.compute(index, state.arguments)
      }
    }
  }

  /// Computes one piece of the work.
  ///
  /// - Parameter whole: The arguments for all rows and channels of the first group.
  private func compute(_ index: Int, _ whole: quern_fgemm_args) {
    var arguments = whole
    select(pieces[index], in: &arguments)
    prepared.kernels.fgemm.run(&arguments)
  }

  /// The arguments for all rows and channels of the first group.
  private func withArguments(
    _ source: UnsafePointer<Float>, _ buffers: OperatorBuffers, _ body: (quern_fgemm_args) -> Void
  ) {
    var arguments = quern_fgemm_args()
    (arguments.input, arguments.input_stride) = (source, input.channels)
    (arguments.taps, arguments.tap_elements) = (taps, tapElements)
    arguments.weights = UnsafePointer(prepared.packedWeights.pointer)
    arguments.clamp = prepared.op.activation.clamp
    arguments.output = buffers.output.assumingMemoryBound(to: Float.self)
    if residual != nil {
      arguments.residual = buffers.inputs[1].assumingMemoryBound(to: Float.self)
      arguments.stream =
        ActivationLayout.exceedsCaches(byteCount: output.elementCount * MemoryLayout<Float>.stride) ? 1 : 0
    }
    (arguments.output_stride, arguments.residual_stride) = (output.channels, output.channels)
    prepared.bias.withUnsafeBufferPointer { bias in
      zeros.withUnsafeBufferPointer { zeros in
        (arguments.bias, arguments.zeros) = (bias.baseAddress, zeros.baseAddress)
        guard let offsets else { return body(arguments) }
        offsets.withUnsafeBufferPointer {
          arguments.offsets = $0.baseAddress
          body(arguments)
        }
      }
    }
  }

  /// Narrows the arguments to one piece of the work.
  private func select(_ piece: ConvolutionPieces.Piece, in arguments: inout quern_fgemm_args) {
    let (group, firstRow, firstChannel) = (piece.group, piece.firstRow, piece.firstChannel)
    let groupOutputs = output.channels / prepared.op.groups
    let channel = group * groupOutputs + firstChannel
    arguments.rows = min(pieces.rowChunk, rows - firstRow)
    arguments.output_channels = min(pieces.channelChunk, groupOutputs - firstChannel)
    arguments.input += group * tapElements
    if arguments.offsets != nil {
      arguments.offsets += firstRow * taps
    } else {
      arguments.input += firstRow * input.channels
    }
    arguments.weights += group * prepared.groupWeightCount + firstChannel * taps * tapElements
    arguments.bias += channel
    arguments.output += firstRow * output.channels + channel
    guard let residual else { return }
    arguments.residual += PixelRun.start(firstRow, of: output, in: residual) * output.channels + channel
  }

  /// Copies the map with zeros around it, or without its edges where the padding is negative.
  private func copyPadded(
    _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ padded: Shape, team: ThreadTeam
  ) {
    team.forEach(
      padded.batch * padded.height, with: (plan: self, source: source, target: target, padded: padded)
    ) { state, line, _ in
      state.plan.copyPaddedLine(line, state.source, to: state.target, state.padded)
    }
  }

  private func copyPaddedLine(
    _ line: Int, _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>, _ padded: Shape
  ) {
    let window = prepared.op.window.resolved(height: input.height, width: input.width)
    let channels = input.channels
    let columns = max(0, window.left)..<max(0, window.left, min(padded.width, window.left + input.width))
    let image = line / padded.height
    let y = line % padded.height - window.top
    let to = target + line * padded.width * channels
    to.update(repeating: 0, count: padded.width * channels)
    guard y >= 0, y < input.height, !columns.isEmpty else { return }
    let from = source + ((image * input.height + y) * input.width + columns.lowerBound - window.left) * channels
    (to + columns.lowerBound * channels).update(from: from, count: columns.count * channels)
  }
}
