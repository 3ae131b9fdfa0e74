import Graphs
import Kernels
import Tensors
import Threads

/// The response of each channel relative to those of all: `y_c = g_c / (mean over the channels of g + epsilon)`, where
/// `g_c` is the L2 norm of the channel's map. These are the factors of global response normalisation (Woo et al., arXiv
/// 2301.00808, section 4, equations 1 and 2). Its last step, `x (weight y + 1) + bias`, is a batch norm of rows and a
/// `ChannelScaling`.
///
/// The input is a float32 or uint8 map [N, H, W, C], the output float32 [N, C]. Squares of levels are summed exactly,
/// those of floats in double precision in row-major order; everything else is in double precision and rounded once.
package struct ChannelResponse: Operator {
  package static let wireName = "channel_response"
  package static let arity = 1...1

  /// Added to the mean; positive, so that a map of zeros has a response.
  package let epsilon: Double

  package init(epsilon: Double) { self.epsilon = epsilon }
  package init(attributes: Attributes) throws(GraphError) {
    epsilon = try attributes.float("epsilon")
    guard epsilon > 0, epsilon.isFinite else { throw .attribute(name: "epsilon", expected: "positive") }
  }
  package var attributes: Attributes { ["epsilon": .float(epsilon)] }
  package static let outputLayout = OutputLayout.rows
  package var quantizationRule: QuantizationRule { .float }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { 0 }

  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.readsEitherFormat = true
    return traits
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 4 else { throw .shape("responses of channels need a map with 4 axes, not \(inputs[0])") }
    _ = try inputs[0].checkedActivation()
    return [inputs[0].batch, inputs[0].channels]
  }
}

extension ChannelResponse: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.outputFormat == .float32 else { throw .structure("responses of channels must be float32") }
    return Prepared(epsilon: epsilon, quantization: context.inputFormats[0].quantization)
  }

  private struct Prepared: PreparedOperator {
    let epsilon: Double
    /// That of the input; `nil` for a float map.
    let quantization: QuantizationParameters?

    func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
      Planned(prepared: self, input: inputs[0])
    }
  }

  private struct Planned: PlannedOperator {
    let prepared: Prepared
    let input: Shape

    /// The number of channels that one thread sums at a time.
    private static let channelChunk = 128
    /// The number of elements of a map below which waking a second thread costs more than it saves.
    private static let minShared = 1 << 14
    /// The number of squares of levels, each at most 255 * 255, whose sum fits 32 bits.
    private static let maxPixels = 1 << 16

    private var pixels: Int { input.height * input.width }
    private var channels: Int { input.channels }

    /// For the norm of each channel, and its partial sum of squares of levels.
    var scratchByteCount: Int {
      input.batch * channels * (MemoryLayout<Double>.stride + MemoryLayout<UInt32>.stride)
    }

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let norms = buffers.scratch.assumingMemoryBound(to: Double.self)
      let partial = UnsafeMutableRawPointer(norms + input.batch * channels).assumingMemoryBound(to: UInt32.self)
      let chunk = pixels * channels < Self.minShared ? channels : Self.channelChunk
      let pieces = (channels + chunk - 1) / chunk
      team.forEach(
        input.batch * pieces,
        with: (plan: self, map: buffers.inputs[0], partial: partial, norms: norms, pieces: pieces, chunk: chunk)
      ) { state, index, _ in
        state.plan.computeNorms(
          image: index / state.pieces, firstChannel: index % state.pieces * state.chunk, maxCount: state.chunk,
          of: state.map, partial: state.partial, to: state.norms)
      }
      let output = buffers.output.assumingMemoryBound(to: Float.self)
      for image in 0..<input.batch {
        let row = image * channels..<(image + 1) * channels
        var sum = 0.0
        for channel in row { sum += norms[channel] }
        let divisor = sum / Double(channels) + prepared.epsilon
        for channel in row { output[channel] = Float(norms[channel] / divisor) }
      }
    }

    /// The norms of up to `maxCount` channels of an image.
    private func computeNorms(
      image: Int, firstChannel first: Int, maxCount: Int, of map: UnsafeRawPointer,
      partial: UnsafeMutablePointer<UInt32>, to norms: UnsafeMutablePointer<Double>
    ) {
      let count = min(maxCount, channels - first)
      let (row, offset) = (image * channels + first, image * pixels * channels + first)
      if let parameters = prepared.quantization {
        let map = map.assumingMemoryBound(to: UInt8.self) + offset
        sumSquares(of: map, Int32(parameters.zeroPoint), count, partial: partial + row, to: norms + row)
        let scale = Double(parameters.scale)
        for channel in row..<row + count { norms[channel] = norms[channel].squareRoot() * scale }
      } else {
        sumSquares(of: map.assumingMemoryBound(to: Float.self) + offset, count, to: norms + row)
        for channel in row..<row + count { norms[channel] = norms[channel].squareRoot() }
      }
    }

    /// The sums of squares of `count` channels, from the first element of `map` to `sums`.
    private func sumSquares(of map: UnsafePointer<Float>, _ count: Int, to sums: UnsafeMutablePointer<Double>) {
      sums.update(repeating: 0, count: count)
      for pixel in 0..<pixels {
        let values = map + pixel * channels
        for channel in 0..<count { sums[channel] += Double(values[channel]) * Double(values[channel]) }
      }
    }

    /// The same for levels, whose sums are below 2^53 and thus exact.
    private func sumSquares(
      of map: UnsafePointer<UInt8>, _ zeroPoint: Int32, _ count: Int, partial: UnsafeMutablePointer<UInt32>,
      to sums: UnsafeMutablePointer<Double>
    ) {
      sums.update(repeating: 0, count: count)
      for start in stride(from: 0, to: pixels, by: Self.maxPixels) {
        partial.update(repeating: 0, count: count)
        for pixel in start..<min(start + Self.maxPixels, pixels) {
          let levels = map + pixel * channels
          for channel in 0..<count {
            let value = Int32(levels[channel]) &- zeroPoint
            partial[channel] &+= UInt32(bitPattern: value &* value)
          }
        }
        for channel in 0..<count { sums[channel] += Double(partial[channel]) }
      }
    }
  }
}
