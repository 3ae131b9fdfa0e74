import Glibc
import Graphs
import Kernels
import Tensors
import Threads

/// GeM with an exponent for each channel: `y_c = (mean over all pixels of max(x_c, floor)^p_c)^(1/p_c)` (Radenović et
/// al., arXiv 1711.02512, equation 3).
///
/// The input is a float32 or uint8 map [N, H, W, C], the output float32 [N, C]. On uint8, the powers come from a table
/// of 256 entries for each channel, so that x^p is never rounded to 8 bits.
///
/// Constants: `exponent` float32 [C], positive and finite.
package struct ChannelwiseMeanPooling: Operator {
  package static let wireName = "channelwise_gem_pooling"
  package static let arity = 1...1

  /// The number to which smaller values are raised before the power is taken; finite, and at least 0.
  package let floor: Double

  /// - Throws: `GraphError.attribute` where the floor is negative or not finite.
  package init(floor: Double) throws(GraphError) {
    guard floor >= 0, floor.isFinite else { throw .attribute(name: "floor", expected: "finite, and at least 0") }
    self.floor = floor
  }

  package init(attributes: Attributes) throws(GraphError) { try self.init(floor: try attributes.float("floor")) }
  package var attributes: Attributes { ["floor": .float(floor)] }
  package static let outputLayout = OutputLayout.rows
  package var quantizationRule: QuantizationRule { .float }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { max(bounds[0], floor) }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.readsEitherFormat = true
    return traits
  }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    .library
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 4 else { throw .shape("GeM pooling takes a map with 4 axes, not \(inputs[0])") }
    _ = try inputs[0].checkedActivation()
    guard let exponents = constants["exponent"] else { throw .constant(role: "exponent", problem: "is missing") }
    guard exponents.elementCount == inputs[0].channels else {
      throw .constant(
        role: "exponent", problem: "has \(exponents.elementCount) elements for \(inputs[0].channels) channels")
    }
    return [inputs[0].batch, inputs[0].channels]
  }
}

extension ChannelwiseMeanPooling: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: ["exponent"])
    guard context.outputFormat == .float32 else { throw .structure("the output of GeM pooling must be float32") }
    let exponents = try context.constant("exponent", .float32, rank: 1).elements(as: Float.self)
    guard !exponents.isEmpty, exponents.allSatisfy({ $0 > 0 && $0.isFinite }) else {
      throw .constant(role: "exponent", problem: "is not positive and finite everywhere")
    }
    return Prepared(exponents, floor: Float(floor), levels: context.inputFormats[0].quantization)
  }

  private struct Prepared: PreparedOperator {
    let exponents: [Float]
    let floor: Float
    /// The powers of the 256 levels of each channel; empty for a float32 map.
    let table: [Float]

    init(_ exponents: [Float], floor: Float, levels: QuantizationParameters?) {
      (self.exponents, self.floor) = (exponents, floor)
      guard let levels else {
        table = []
        return
      }
      let values = (0...255).map { max(levels.dequantize(UInt8($0)), floor) }
      table = exponents.flatMap { exponent in values.map { powf($0, exponent) } }
    }

    var byteCount: Int { (exponents.count + table.count) * MemoryLayout<Float>.stride }

    func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
      Planned(prepared: self, input: inputs[0])
    }
  }

  private struct Planned: PlannedOperator {
    let prepared: Prepared
    let input: Shape
    let scratchByteCount = 0

    /// The number of channels that one thread pools at a time.
    private static let channelChunk = 128

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let pieces = (input.channels + Self.channelChunk - 1) / Self.channelChunk
      team.forEach(input.batch * pieces, with: (plan: self, buffers: buffers, pieces: pieces)) { state, index, _ in
        let (image, first) = (index / state.pieces, index % state.pieces * Self.channelChunk)
        let channels = first..<min(first + Self.channelChunk, state.plan.input.channels)
        state.plan.compute(channels, image: image, state.buffers)
      }
    }

    /// Pools some channels of an image.
    private func compute(_ range: Range<Int>, image: Int, _ buffers: OperatorBuffers) {
      let (pixels, channels) = (input.height * input.width, input.channels)
      let row = buffers.output.assumingMemoryBound(to: Float.self) + image * channels
      for channel in range { row[channel] = 0 }
      if prepared.table.isEmpty {
        let map = buffers.inputs[0].assumingMemoryBound(to: Float.self) + image * pixels * channels
        for pixel in 0..<pixels {
          for channel in range {
            row[channel] += powf(max(map[pixel * channels + channel], prepared.floor), prepared.exponents[channel])
          }
        }
      } else {
        let map = buffers.inputs[0].assumingMemoryBound(to: UInt8.self) + image * pixels * channels
        for pixel in 0..<pixels {
          for channel in range {
            row[channel] += prepared.table[channel * 256 + Int(map[pixel * channels + channel])]
          }
        }
      }
      for channel in range { row[channel] = powf(row[channel] / Float(pixels), 1 / prepared.exponents[channel]) }
    }
  }
}
