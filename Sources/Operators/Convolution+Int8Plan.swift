import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// An int8 convolution planned for one input shape: the offsets, and how the work is split.
struct Int8ConvolutionPlan: PlannedOperator {
  let prepared: Int8Convolution
  let input: Shape
  let residual: Shape?
  let output: Shape
  let rows: Int
  let taps: Int
  let tapBytes: Int
  /// `nil` for pointwise convolutions, which read row after row, unless their output is cropped to a smaller residual.
  let offsets: [Int32]?
  /// The offsets for the plane of remainders, where that is read.
  let remainderOffsets: [Int32]?
  /// The shape of the padded copy, for a map with few channels.
  let paddedCopy: Shape?
  let pieces: ConvolutionPieces

  init(
    prepared: Int8Convolution, input: Shape, residual: Shape?, output: Shape, context: PlanningContext
  ) throws(GraphError) {
    self.prepared = prepared
    self.input = input
    self.residual = residual
    self.output = output
    rows = output.batch * output.height * output.width
    let window = prepared.op.window
    if prepared.paddingValue != nil {
      let padded = try Shape([
        input.batch, (output.height - 1) * window.strideHeight + window.height,
        (output.width - 1) * window.strideWidth + window.width, input.channels,
      ]).checkedActivation()
      paddedCopy = padded
      var rowWindow = Window(height: window.height, width: 1)
      (rowWindow.strideHeight, rowWindow.strideWidth) = (window.strideHeight, window.strideWidth)
      offsets = try context.indirection(
        rowWindow, input: padded, output: output, pixelStride: input.channels, outside: 0)
      (taps, tapBytes) = (window.height, window.width * input.channels)
    } else {
      paddedCopy = nil
      offsets = try Self.offsets(prepared, input, output, context, ofRemainders: false)
      (taps, tapBytes) = (window.taps, input.channels / prepared.op.groups)
    }
    remainderOffsets =
      prepared.remainders == nil ? nil : try Self.offsets(prepared, input, output, context, ofRemainders: true)
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

  private static func offsets(
    _ prepared: Int8Convolution, _ input: Shape, _ output: Shape, _ context: PlanningContext, ofRemainders: Bool
  ) throws(GraphError) -> [Int32]? {
    let window = prepared.op.window
    if window.isPointwise && input.height == output.height && input.width == output.width { return nil }
    return try context.indirection(
      window, input: input, output: output, pixelStride: input.channels,
      outside: ActivationLayout.outsideOffset(shape: input, ofRemainders: ofRemainders))
  }

  var scratchByteCount: Int {
    paddedCopy.map { $0.elementCount + ActivationLayout.readableBytesAfter } ?? 0
  }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
    var source = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
    if let paddedCopy, let paddingValue = prepared.paddingValue {
      let copy = buffers.scratch.assumingMemoryBound(to: UInt8.self)
      copyPadded(source, to: copy, paddedCopy, paddingValue, team: team)
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
  private func compute(_ index: Int, _ whole: quern_igemm_args) {
    var arguments = whole
    select(pieces[index], in: &arguments)
    prepared.kernels.igemm.run(&arguments)
  }

  /// The arguments for all rows and channels of the first group.
  private func withArguments(
    _ source: UnsafePointer<UInt8>, _ buffers: OperatorBuffers, _ body: (quern_igemm_args) -> Void
  ) {
    let requantization = prepared.requantization
    var arguments = quern_igemm_args()
    arguments.input = source
    arguments.input_stride = input.channels
    (arguments.taps, arguments.tap_bytes) = (taps, tapBytes)
    (arguments.output, arguments.output_stride) = (buffers.output, output.channels)
    arguments.weights = UnsafePointer(prepared.packedWeights.pointer)
    arguments.clamp = requantization.epilogue.activation.clamp
    arguments.output_zero_point = requantization.epilogue.zeroPoint
    (arguments.output_min, arguments.output_max) = requantization.epilogue.levels
    arguments.store = Int32(requantization.output == .float32 ? QUERN_STORE_F32 : QUERN_STORE_U8)
    if case .uint8WithRemainder = requantization.output {
      arguments.output_remainder = buffers.output.assumingMemoryBound(to: UInt8.self) + output.elementCount
    }
    if let format = prepared.residual, let residual { setResidual(buffers.inputs[1], format, residual, in: &arguments) }
    arguments.residual_stride = output.channels
    requantization.bias.withUnsafeBufferPointer { bias in
      requantization.multiplier.withUnsafeBufferPointer { multiplier in
        (arguments.bias, arguments.multiplier) = (bias.baseAddress, multiplier.baseAddress)
        offsets.withPointer {
          arguments.offsets = $0
          guard let remainders = prepared.remainders else { return body(arguments) }
          withRemainders(remainders, of: source) {
            arguments.remainders = $0
            body(arguments)
          }
        }
      }
    }
  }

  /// The plane of remainders, which follows the plane of levels.
  private func withRemainders(
    _ requantization: RemainderRequantization, of levels: UnsafePointer<UInt8>, _ body: (quern_igemm_remainders) -> Void
  ) {
    requantization.bias.withUnsafeBufferPointer { bias in
      requantization.multiplier.withUnsafeBufferPointer { multiplier in
        remainderOffsets.withPointer {
          body(
            quern_igemm_remainders(
              input: levels + input.elementCount, offsets: $0, bias: bias.baseAddress,
              multiplier: multiplier.baseAddress))
        }
      }
    }
  }

  private func setResidual(
    _ map: UnsafeRawPointer, _ format: ValueFormat, _ shape: Shape, in arguments: inout quern_igemm_args
  ) {
    guard let parameters = format.quantization else {
      arguments.residual_f32 = map.assumingMemoryBound(to: Float.self)
      return
    }
    arguments.residual = map.assumingMemoryBound(to: UInt8.self)
    arguments.residual_multiplier = parameters.scale / (requantization.output.quantization?.scale ?? 1)
    arguments.residual_zero_point = Int32(parameters.zeroPoint)
    if case .uint8WithRemainder = format {
      arguments.residual_remainder = map.assumingMemoryBound(to: UInt8.self) + shape.elementCount
    }
  }

  /// Narrows the arguments to one piece of the work.
  private func select(_ piece: ConvolutionPieces.Piece, in arguments: inout quern_igemm_args) {
    let (group, firstRow, firstChannel) = (piece.group, piece.firstRow, piece.firstChannel)
    let groupOutputs = output.channels / prepared.op.groups
    let channel = group * groupOutputs + firstChannel
    let element = firstRow * output.channels + channel
    arguments.rows = min(pieces.rowChunk, rows - firstRow)
    arguments.output_channels = min(pieces.channelChunk, groupOutputs - firstChannel)
    let byte = group * tapBytes + (offsets == nil ? firstRow * input.channels : 0)
    arguments.input += byte
    if arguments.offsets != nil { arguments.offsets += firstRow * taps }
    if arguments.remainders.input != nil {
      arguments.remainders.input += byte
      if arguments.remainders.offsets != nil { arguments.remainders.offsets += firstRow * taps }
      arguments.remainders.bias += channel
      arguments.remainders.multiplier += channel
    }
    let blockByteCount = taps * ActivationLayout.roundUp(tapBytes, to: 4)
    arguments.weights += group * prepared.groupWeightByteCount + firstChannel * blockByteCount
    arguments.bias += channel
    arguments.multiplier += channel
    let elementSize = requantization.output == .float32 ? 4 : 1
    arguments.output += element * elementSize
    if arguments.output_remainder != nil { arguments.output_remainder += element }
    guard let residual else { return }
    let start = PixelRun.start(firstRow, of: output, in: residual) * output.channels + channel
    if arguments.residual != nil { arguments.residual += start }
    if arguments.residual_remainder != nil { arguments.residual_remainder += start }
    if arguments.residual_f32 != nil { arguments.residual_f32 += start }
  }

  private var requantization: Requantization { prepared.requantization }

  /// Copies the map with its padding around it, or without its edges where the padding is negative.
  private func copyPadded(
    _ source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, _ padded: Shape, _ value: [UInt8],
    team: ThreadTeam
  ) {
    value.withUnsafeBufferPointer { value in
      team.forEach(
        padded.batch * padded.height,
        with: (plan: self, source: source, target: target, padded: padded, value: value)
      ) { state, line, _ in
        state.plan.copyPaddedLine(line, state.source, to: state.target, state.padded, state.value)
      }
    }
  }

  private func copyPaddedLine(
    _ line: Int, _ source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>, _ padded: Shape,
    _ value: UnsafeBufferPointer<UInt8>
  ) {
    let window = prepared.op.window.resolved(height: input.height, width: input.width)
    let (channels, height, width) = (input.channels, input.height, input.width)
    let columns = max(0, window.left)..<max(0, window.left, min(padded.width, window.left + width))
    let y = line % padded.height - window.top
    let to = target + line * padded.width * channels
    func pad(_ pixels: Range<Int>) {
      for pixel in pixels {
        for channel in 0..<channels { to[pixel * channels + channel] = value[channel] }
      }
    }
    guard y >= 0, y < height, !columns.isEmpty else { return pad(0..<padded.width) }
    pad(0..<columns.lowerBound)
    pad(columns.upperBound..<padded.width)
    let from = source + ((line / padded.height * height + y) * width + columns.lowerBound - window.left) * channels
    (to + columns.lowerBound * channels).update(from: from, count: columns.count * channels)
  }
}

extension [Int32]? {
  /// Gives a pointer to the elements, or `nil` where there are none.
  fileprivate func withPointer(_ body: (UnsafePointer<Int32>?) -> Void) {
    guard let self else { return body(nil) }
    self.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}
