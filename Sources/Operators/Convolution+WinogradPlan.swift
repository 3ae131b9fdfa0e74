import CKernels
import Graphs
import Kernels
import Tensors
import Threads

/// A float32 convolution by Winograd's filtering, planned for one input shape. The tiles are split into blocks. A
/// worker transforms a block's input, multiplies it with the weights, frequency by frequency, and transforms the
/// products back, while all of this stays in the core's second-level cache.
struct WinogradConvolutionPlan: PlannedOperator {
  let prepared: WinogradConvolution
  let input: Shape
  let residual: Shape?
  let output: Shape
  /// The rows of tiles of an image.
  let tileRows: Int
  /// The columns of tiles of an image.
  let tileColumns: Int
  /// The number of tiles of all images.
  let tiles: Int
  /// The number of blocks that the tiles are split into evenly.
  let blocks: Int
  /// The number of output channels that are multiplied, and then transformed, at a time.
  let panel: Int
  /// The number of parts that the output channels are split into, so that several workers can compute one block.
  let parts: Int
  /// The number of output channels of a part.
  let partChannels: Int
  let workers: Int

  /// The number of floats of a block's transformed input and products: about as many as stay in the second-level cache.
  /// With more tiles in a block, weights would be read less often, but the transformed input from a slower cache.
  private static let blockFloats = 384 * 1024
  /// The number of tiles of a block. Fewer do not use all registers of the matrix product, and more gain nothing.
  private static let tileRange = 12...32
  /// The maximum number of channels of a panel. With more, a block would have too few tiles.
  private static let maxPanel = 128

  init(prepared: WinogradConvolution, input: Shape, residual: Shape?, output: Shape, workers: Int) {
    self.prepared = prepared
    (self.input, self.residual, self.output, self.workers) = (input, residual, output, workers)
    (tileRows, tileColumns) = ((output.height + 1) / 2, (output.width + 1) / 2)
    tiles = output.batch * tileRows * tileColumns
    panel = min(output.channels, Self.maxPanel)
    // With few tiles, the work is split by channels, so that each worker reads only a part of the weights.
    let splitsChannels = workers > 1 && tiles < Self.tileRange.upperBound * workers && output.channels >= 64 * workers
    partChannels =
      splitsChannels
      ? ActivationLayout.roundUp((output.channels + workers - 1) / workers, to: 64) : output.channels
    parts = (output.channels + partChannels - 1) / partChannels
    let fitting = Self.blockFloats / (Int(QUERN_WINOGRAD_FREQUENCIES) * (input.channels + panel))
    let maxTiles = min(max(fitting, Self.tileRange.lowerBound), Self.tileRange.upperBound)
    let minBlocks = (tiles + maxTiles - 1) / maxTiles
    blocks = splitsChannels ? minBlocks : min(tiles, ActivationLayout.roundUp(minBlocks, to: workers))
  }

  /// The distance in elements from one frequency to the next. It is not a multiple of a page, because all frequencies
  /// would then compete for the same lines of the cache.
  private func frequencyStride(tiles: Int, channels: Int) -> Int {
    ActivationLayout.roundUp(tiles * channels, to: 1024) + 16
  }

  private var tilesPerBlock: Int { (tiles + blocks - 1) / blocks }
  private var transformedCount: Int {
    Int(QUERN_WINOGRAD_FREQUENCIES) * frequencyStride(tiles: tilesPerBlock, channels: input.channels)
  }
  private var productCount: Int {
    Int(QUERN_WINOGRAD_FREQUENCIES) * frequencyStride(tiles: tilesPerBlock, channels: panel)
  }

  var scratchByteCount: Int { workers * (transformedCount + productCount) * MemoryLayout<Float>.stride }

  func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
    let scratch = buffers.scratch.assumingMemoryBound(to: Float.self)
    prepared.bias.withUnsafeBufferPointer { bias in
      prepared.zeros.withUnsafeBufferPointer { zeros in
        guard let bias = bias.baseAddress, let zeros = zeros.baseAddress else { return }
        team.forEach(
          parts * blocks, with: (plan: self, buffers: buffers, scratch: scratch, bias: bias, zeros: zeros)
        ) { state, piece, worker in
          let plan = state.plan
          let (block, transformed) = (
            piece % plan.blocks, state.scratch + worker * (plan.transformedCount + plan.productCount)
          )
          let first = plan.tiles * block / plan.blocks
          plan.compute(
            Block(
              firstTile: first, tiles: plan.tiles * (block + 1) / plan.blocks - first, transformed: transformed,
              products: transformed + plan.transformedCount, bias: state.bias, zeros: state.zeros),
            part: piece / plan.blocks, state.buffers)
        }
      }
    }
  }

  /// Computes a part of the output channels of a block.
  private func compute(_ block: Block, part: Int, _ buffers: OperatorBuffers) {
    transformInput(block, buffers)
    let start = part * partChannels
    let end = min(start + partChannels, output.channels)
    for channel in stride(from: start, to: end, by: panel) {
      let channels = channel..<min(channel + panel, end)
      multiply(block, channels)
      transformProducts(block, channels, buffers)
    }
  }

  /// A block of tiles and a worker's memory for it.
  private struct Block {
    let firstTile: Int
    let tiles: Int
    let transformed: UnsafeMutablePointer<Float>
    let products: UnsafeMutablePointer<Float>
    let bias: UnsafePointer<Float>
    let zeros: UnsafePointer<Float>
  }

  private func transformInput(_ block: Block, _ buffers: OperatorBuffers) {
    var arguments = quern_winograd_input_args()
    arguments.input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
    arguments.zeros = block.zeros
    (arguments.height, arguments.width, arguments.channels) = (input.height, input.width, input.channels)
    (arguments.top, arguments.left) = (prepared.op.window.top, prepared.op.window.left)
    (arguments.tile_rows, arguments.tile_columns) = (tileRows, tileColumns)
    (arguments.first_tile, arguments.tiles) = (block.firstTile, block.tiles)
    arguments.transformed = block.transformed
    arguments.frequency_stride = frequencyStride(tiles: block.tiles, channels: input.channels)
    prepared.kernels.winograd.input(&arguments)
  }

  /// Computes the products of all frequencies of some output channels. The first one must begin a block of 16.
  private func multiply(_ block: Block, _ channels: Range<Int>) {
    var arguments = quern_fgemm_args()
    (arguments.input_stride, arguments.tap_elements, arguments.taps) = (input.channels, input.channels, 1)
    arguments.zeros = block.zeros
    (arguments.rows, arguments.output_channels, arguments.output_stride) = (block.tiles, channels.count, channels.count)
    let stride = (
      input: frequencyStride(tiles: block.tiles, channels: input.channels),
      output: frequencyStride(tiles: block.tiles, channels: channels.count)
    )
    let last = Int(QUERN_WINOGRAD_FREQUENCIES) - 1
    for frequency in 0...last {
      arguments.input = UnsafePointer(block.transformed + frequency * stride.input)
      let weights = UnsafePointer(
        prepared.packedWeights.pointer + frequency * prepared.matrixCount + channels.lowerBound * input.channels)
      arguments.weights = weights
      arguments.next_weights = frequency < last ? weights + prepared.matrixCount : nil
      arguments.bias =
        frequency == Int(QUERN_WINOGRAD_BIASED_FREQUENCY) ? block.bias + channels.lowerBound : block.zeros
      arguments.output = block.products + frequency * stride.output
      prepared.kernels.fgemm.run(&arguments)
    }
  }

  private func transformProducts(_ block: Block, _ channels: Range<Int>, _ buffers: OperatorBuffers) {
    var arguments = quern_winograd_output_args()
    arguments.products = UnsafePointer(block.products)
    arguments.frequency_stride = frequencyStride(tiles: block.tiles, channels: channels.count)
    arguments.channels = channels.count
    (arguments.tile_rows, arguments.tile_columns) = (tileRows, tileColumns)
    (arguments.first_tile, arguments.tiles) = (block.firstTile, block.tiles)
    (arguments.height, arguments.width) = (output.height, output.width)
    if let residual {
      arguments.residual = buffers.inputs[1].assumingMemoryBound(to: Float.self) + channels.lowerBound
      (arguments.residual_height, arguments.residual_width) = (residual.height, residual.width)
      arguments.residual_stride = residual.channels
    }
    arguments.clamp = prepared.op.activation.clamp
    arguments.output = buffers.output.assumingMemoryBound(to: Float.self) + channels.lowerBound
    arguments.output_stride = output.channels
    prepared.kernels.winograd.output(&arguments)
  }
}
