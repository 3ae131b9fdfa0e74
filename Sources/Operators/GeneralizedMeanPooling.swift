import CKernels
import Glibc
import Graphs
import Kernels
import Tensors
import Threads

/// GeM: `y_c = (mean over all pixels of max(x_c, 1e-6)^p)^(1/p)` (Radenović et al., arXiv 1711.02512, equation 3, as
/// used by MultiGrain, arXiv 1902.05509, section 3.1). p = 1 is average pooling and p = infinity maximum pooling, both
/// without the floor of 1e-6. Networks from other sources may have another floor, at any p.
///
/// The input is a float32 or uint8 map [N, H, W, C], the output float32 [N, C]. On uint8, the powers come from a table
/// of 256 entries, so that x^p is never rounded to 8 bits, and are summed in float32. For p = 1, levels are summed
/// exactly: the means of squeeze-and-excitation change how later layers round, and must not depend on the order of the
/// sum. The powers of floats are summed in double precision: in float32, the error of a sum of a few thousand equal
/// terms reaches 1e-5 of it.
package struct GeneralizedMeanPooling: Operator {
  package static let wireName = "gem_pooling"
  package static let arity = 1...1
  /// The floor to which smaller values are raised before the power is taken, unless p is 1 or infinite.
  package static let defaultFloor = 1e-6

  /// The exponent p; positive, or infinite.
  package var exponent: Double
  /// A floor that is used instead, at any exponent; `nil` for the default rule.
  package var customFloor: Double?
  /// Whether a channel that is constant 1 is appended: the bias channel of a whitened network.
  package var appendsOne: Bool

  package init(exponent: Double, customFloor: Double? = nil, appendsOne: Bool = false) {
    self.exponent = exponent
    self.customFloor = customFloor
    self.appendsOne = appendsOne
  }

  /// The floor to which smaller values are raised; `nil` where there is none.
  package var floor: Double? {
    customFloor ?? (exponent == 1 || exponent == .infinity ? nil : Self.defaultFloor)
  }

  /// Whether the result is the mean or the maximum of the values themselves.
  private var isPlain: Bool { (exponent == 1 || exponent == .infinity) && customFloor == nil }
  fileprivate var takesMean: Bool { isPlain && exponent == 1 }

  package init(attributes: Attributes) throws(GraphError) {
    exponent = try attributes.float("exponent")
    let appended = try attributes.int("append_one")
    guard 0...1 ~= appended else { throw .attribute(name: "append_one", expected: "0 or 1") }
    appendsOne = appended == 1
    guard exponent > 0 else { throw .attribute(name: "exponent", expected: "positive") }
    if attributes["floor"] != nil {
      let floor = try attributes.float("floor")
      // Powers of negative numbers are not defined for all exponents.
      guard floor.isFinite, floor >= 0 || exponent == 1 || exponent == .infinity else {
        throw .attribute(name: "floor", expected: "finite, and at least 0 where the exponent is neither 1 nor infinite")
      }
      customFloor = floor
    }
  }

  package var attributes: Attributes {
    var result: Attributes = ["exponent": .float(exponent), "append_one": .int(appendsOne ? 1 : 0)]
    if let customFloor { result["floor"] = .float(customFloor) }
    return result
  }
  package static let outputLayout = OutputLayout.rows
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    let bound = max(bounds[0], floor ?? -.infinity)
    return appendsOne ? min(bound, 1) : bound
  }
  package var quantizationRule: QuantizationRule { .float }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.readsEitherFormat = true
    return traits
  }
  /// A factor does not apply to the floor, and changes the rounding of powers and roots. Means and maxima have neither.
  package func channelRule(ofInput slot: Int) -> ChannelRule {
    isPlain && !appendsOne ? .carried : .fixed
  }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility {
    // The root of a mean, and powers other than squares and cubes, come from the C library.
    if exponent == .infinity { return .specified }
    if exponent != 1 { return .library }
    return customFloor == nil || inputs.first != .float32 ? .specified : .implementation
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 4 else { throw .shape("GeM pooling takes a map with 4 axes, not \(inputs[0])") }
    _ = try inputs[0].checkedActivation()
    return [inputs[0].batch, inputs[0].channels + (appendsOne ? 1 : 0)]
  }

  /// `max(x, floor)^p`, or `max(x, floor)` where p is infinite.
  func power(_ x: Float) -> Float {
    let x = floor.map { max(x, Float($0)) } ?? x
    return switch exponent {
    case 1, .infinity: x
    case 2: x * x
    case 3: x * x * x
    default: powf(x, Float(exponent))
    }
  }

  /// The pooled value from the mean of the powers.
  func root(mean: Float) -> Float { exponent == 1 ? mean : powf(mean, Float(1 / exponent)) }
}

extension GeneralizedMeanPooling: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.outputFormat == .float32 else { throw .structure("the output of GeM pooling must be float32") }
    return Prepared(op: self, kernel: context.kernels.pool, input: context.inputFormats[0])
  }

  private struct Prepared: PreparedOperator, @unchecked Sendable {
    let op: GeneralizedMeanPooling
    let kernel: quern_pool_kernel
    let input: ValueFormat
    let table: [Float]

    init(op: GeneralizedMeanPooling, kernel: quern_pool_kernel, input: ValueFormat) {
      self.op = op
      self.kernel = kernel
      self.input = input
      if let parameters = input.quantization {
        table = (0...255).map { op.power(parameters.dequantize(UInt8($0))) }
      } else {
        table = []
      }
    }

    func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
      Planned(prepared: self, input: inputs[0], output: output)
    }
  }

  private struct Planned: PlannedOperator {
    let prepared: Prepared
    let input: Shape
    let output: Shape
    /// For sums of levels or of floats.
    var scratchByteCount: Int { input.batch * input.channels * MemoryLayout<Double>.stride }

    /// The number of channels that one thread pools at a time.
    private static let channelChunk = 128
    /// The number of elements of a map below which waking a second thread costs more than it saves.
    private static let minShared = 1 << 14

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let (pixels, channels) = (input.height * input.width, input.channels)
      let chunk = pixels * channels < Self.minShared ? channels : Self.channelChunk
      let pieces = (channels + chunk - 1) / chunk
      team.forEach(input.batch * pieces, with: (plan: self, buffers: buffers, chunk: chunk, pieces: pieces)) {
        state, index, _ in
        let (image, first) = (index / state.pieces, index % state.pieces * state.chunk)
        let channels = first..<min(first + state.chunk, state.plan.input.channels)
        state.plan.compute(channels, image: image, state.buffers)
      }
    }

    /// Pools some channels of an image.
    private func compute(_ range: Range<Int>, image: Int, _ buffers: OperatorBuffers) {
      let (pixels, channels) = (input.height * input.width, input.channels)
      let row = buffers.output.assumingMemoryBound(to: Float.self) + image * output.channels
      let first = image * pixels * channels + range.lowerBound
      // Each piece has the scratch of its channels in its image.
      let scratch = buffers.scratch + (image * channels + range.lowerBound) * MemoryLayout<Double>.stride
      if let parameters = prepared.input.quantization {
        let map = buffers.inputs[0].assumingMemoryBound(to: UInt8.self) + first
        if prepared.op.takesMean {
          average(
            map, parameters, range.count, sums: scratch.assumingMemoryBound(to: UInt32.self),
            to: row + range.lowerBound)
        } else {
          pool(map, range.count, to: row + range.lowerBound)
        }
      } else {
        let map = buffers.inputs[0].assumingMemoryBound(to: Float.self) + first
        if prepared.op.takesMean {
          average(map, range.count, sums: scratch.assumingMemoryBound(to: Double.self), to: row + range.lowerBound)
        } else {
          pool(map, range.count, sums: scratch.assumingMemoryBound(to: Double.self), to: row + range.lowerBound)
        }
      }
      if prepared.op.appendsOne, range.upperBound == channels { row[channels] = 1 }
    }

    /// Pools `count` channels, from the first element of `source` to `row`. So do the functions below.
    private func pool(
      _ source: UnsafePointer<Float>, _ count: Int, sums: UnsafeMutablePointer<Double>,
      to row: UnsafeMutablePointer<Float>
    ) {
      let (op, pixels) = (prepared.op, input.height * input.width)
      let floor = Float(op.floor ?? -.infinity)
      if op.exponent == .infinity {
        row.update(repeating: -Float.infinity, count: count)
        for pixel in 0..<pixels {
          let map = source + pixel * input.channels
          for channel in 0..<count { row[channel] = max(row[channel], max(map[channel], floor)) }
        }
        return
      }
      sums.update(repeating: 0, count: count)
      for pixel in 0..<pixels {
        let map = source + pixel * input.channels
        if op.exponent == 3 {
          for channel in 0..<count {
            let x = max(map[channel], floor)
            sums[channel] += Double(x * x * x)
          }
        } else {
          for channel in 0..<count { sums[channel] += Double(op.power(map[channel])) }
        }
      }
      for channel in 0..<count { row[channel] = op.root(mean: Float(sums[channel] / Double(pixels))) }
    }

    private func pool(_ source: UnsafePointer<UInt8>, _ count: Int, to row: UnsafeMutablePointer<Float>) {
      let (pixels, channels) = (input.height * input.width, input.channels)
      if prepared.op.exponent == .infinity {
        row.update(repeating: -Float.infinity, count: count)
        for pixel in 0..<pixels {
          for channel in 0..<count {
            row[channel] = max(row[channel], prepared.table[Int(source[pixel * channels + channel])])
          }
        }
        return
      }
      row.update(repeating: 0, count: count)
      prepared.table.withUnsafeBufferPointer {
        prepared.kernel.table_sum(source, pixels, channels, count, $0.baseAddress, row)
      }
      for channel in 0..<count { row[channel] = prepared.op.root(mean: row[channel] / Float(pixels)) }
    }

    private func average(
      _ source: UnsafePointer<Float>, _ count: Int, sums: UnsafeMutablePointer<Double>,
      to row: UnsafeMutablePointer<Float>
    ) {
      let pixels = input.height * input.width
      sums.update(repeating: 0, count: count)
      prepared.kernel.sum_f32(source, pixels, input.channels, count, sums)
      for channel in 0..<count { row[channel] = Float(sums[channel] / Double(pixels)) }
    }

    /// `scale * ((sum of levels - pixels * zero point) / pixels)`. The integers are exact, and each float32 operation
    /// is rounded once.
    private func average(
      _ source: UnsafePointer<UInt8>, _ parameters: QuantizationParameters, _ count: Int,
      sums: UnsafeMutablePointer<UInt32>, to row: UnsafeMutablePointer<Float>
    ) {
      let pixels = input.height * input.width
      sums.update(repeating: 0, count: count)
      prepared.kernel.sum_u8(source, pixels, input.channels, count, sums)
      for channel in 0..<count {
        let centred = Int(sums[channel]) - pixels * Int(parameters.zeroPoint)
        row[channel] = parameters.scale * (Float(centred) / Float(pixels))
      }
    }
  }
}
