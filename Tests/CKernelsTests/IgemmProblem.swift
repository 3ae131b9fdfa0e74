import CKernels

/// One product with everything it needs, and what it must give.
struct IgemmProblem: CustomStringConvertible {
  enum Residual: CaseIterable { case none, uint8, uint8WithRemainder, float32 }

  struct Plane {
    var input: [UInt8]
    var offsets: [Int32]?
    var bias: [Int32]
    var multiplier: [Float]
  }

  var description: String
  var rows: Int
  var taps: Int
  var tapBytes: Int
  var channels: Int
  var inputStride: Int
  var input: [UInt8]
  var offsets: [Int32]?
  var weights: [Int8]
  var bias: [Int32]
  var multiplier: [Float]
  /// A second plane of the input, with its own offsets, bias and multiplier.
  var second: Plane?
  var storesFloat: Bool
  var wantsRemainders: Bool
  var clamp: Clamp
  var range: OutputRange
  var residual: Residual
  var residualBytes: [UInt8]
  var residualRemainders: [UInt8]
  var residualFloats: [Float]
  var residualMultiplier: Float
  var residualZeroPoint: Int32
  let outputPadding = 5, residualPadding = 3

  init(seed: UInt64, rows: Int, taps: Int, tapBytes: Int, channels: Int, usesOffsets: Bool) {
    var random = Random(seed: seed)
    (self.rows, self.taps, self.tapBytes, self.channels) = (rows, taps, tapBytes, channels)
    inputStride = tapBytes + Int.random(in: 0...7, using: &random)
    let inputSize = usesOffsets ? tapBytes + Int.random(in: 0...500, using: &random) : rows * inputStride
    input = random.bytes(inputSize + 64)
    func randomOffsets() -> [Int32] {
      (0..<rows * taps).map { _ in Int32.random(in: 0...Int32(inputSize - tapBytes), using: &random) }
    }
    offsets = usesOffsets ? randomOffsets() : nil
    weights = random.weights(channels * taps * tapBytes)
    let padded = (channels + 15) / 16 * 16
    bias = (0..<padded).map { _ in Int32.random(in: -100_000...100_000, using: &random) }
    let scale = 100 / (Float(taps * tapBytes).squareRoot() * 10_000)
    multiplier = random.floats(padded, in: 0...(Bool.random(using: &random) ? scale : 1000 * scale))
    storesFloat = Bool.random(using: &random)
    wantsRemainders = Bool.random(using: &random)
    clamp = Clamp(using: &random)
    range = OutputRange(using: &random)
    residual = Residual.allCases.randomElement(using: &random) ?? .none
    let residualCount = rows * (channels + residualPadding) - residualPadding
    residualBytes = random.bytes(residualCount)
    residualRemainders = random.bytes(residualCount)
    residualFloats = random.floats(residualCount, in: -100...100)
    for special in [Float.nan, .infinity, -.infinity, -0.0] where Bool.random(using: &random) {
      residualFloats[Int.random(in: 0..<residualCount, using: &random)] = special
    }
    residualMultiplier = Float.random(in: 0...2, using: &random)
    residualZeroPoint = Int32.random(in: -50...300, using: &random)
    if Int.random(in: 0..<4, using: &random) == 0 {
      second = Plane(
        input: random.bytes(inputSize + 64), offsets: usesOffsets ? randomOffsets() : nil,
        bias: bias.map { _ in Int32.random(in: -100_000...100_000, using: &random) },
        multiplier: random.floats(padded, in: 0...scale / 256))
    }
    description =
      "seed \(seed): \(rows) rows, \(taps) taps of \(tapBytes), \(channels) channels, offsets \(usesOffsets), "
      + "float \(storesFloat), clamp \(clamp.value), residual \(residual), second plane \(second != nil)"
  }

  var storesRemainders: Bool { wantsRemainders && !storesFloat }

  /// Accumulators by the header's formula, in 64 bits: those of real layers fit in 32 at the end.
  func accumulator(row: Int, channel: Int) -> Int64 {
    accumulator(Plane(input: input, offsets: offsets, bias: bias, multiplier: multiplier), row: row, channel: channel)
  }

  private func accumulator(_ plane: Plane, row: Int, channel: Int) -> Int64 {
    var sum = Int64(plane.bias[channel])
    for tap in 0..<taps {
      let start = plane.offsets.map { Int($0[row * taps + tap]) } ?? row * inputStride
      let first = (channel * taps + tap) * tapBytes
      for k in 0..<tapBytes { sum += Int64(plane.input[start + k]) * Int64(weights[first + k]) }
    }
    return sum
  }

  func real(row: Int, channel: Int) -> Float {
    var scaled = Float(Int32(accumulator(row: row, channel: channel))) * multiplier[channel]
    if let second {
      scaled += Float(Int32(accumulator(second, row: row, channel: channel))) * second.multiplier[channel]
    }
    let at = row * (channels + residualPadding) + channel
    switch residual {
    case .none: return scaled
    case .uint8: return scaled + Float(Int32(residualBytes[at]) - residualZeroPoint) * residualMultiplier
    case .uint8WithRemainder:
      return scaled
        + scaledLevel(
          residualBytes[at], residualRemainders[at], zeroPoint: residualZeroPoint, factor: residualMultiplier)
    case .float32: return scaled + residualFloats[at]
    }
  }

  private func eachOutput<Value>(_ blank: Value, _ value: (Float) -> Value) -> [Value] {
    let stride = channels + outputPadding
    var output = [Value](repeating: blank, count: rows * stride)
    for row in 0..<rows {
      for channel in 0..<channels { output[row * stride + channel] = value(real(row: row, channel: channel)) }
    }
    return output
  }

  /// The whole output with its untouched padding.
  func expectedBytes() -> [UInt8] {
    eachOutput(0xA5) {
      requantised($0, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
    }
  }

  func expectedRemainders() -> [UInt8] {
    eachOutput(0x5A) {
      let q = requantised($0, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
      return remainder($0, q, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
    }
  }

  func expectedFloats() -> [Float] {
    eachOutput(-12345) { clamp($0) }
  }

  func packedWeights() -> [Int8] {
    var packed = [Int8](repeating: 99, count: quern_igemm_packed_size(channels, taps, tapBytes))
    quern_igemm_pack(weights, channels, taps, tapBytes, &packed)
    return packed
  }

  /// The bytes, with their remainders where they are wanted, or the floats that a kernel gives.
  func run(_ kernel: quern_igemm_kernel) -> (bytes: [UInt8], remainders: [UInt8], floats: [Float]) {
    let stride = channels + outputPadding
    let bytes = GuardedBuffer([UInt8](repeating: 0xA5, count: storesFloat ? 0 : rows * stride))
    let remainders = GuardedBuffer([UInt8](repeating: 0x5A, count: storesRemainders ? rows * stride : 0))
    let floats = GuardedBuffer([Float](repeating: -12345, count: storesFloat ? rows * stride : 0))
    let buffers = (
      input: GuardedBuffer(input), offsets: GuardedBuffer(offsets ?? []), weights: GuardedBuffer(packedWeights()),
      bias: GuardedBuffer(bias), multiplier: GuardedBuffer(multiplier),
      residualBytes: GuardedBuffer(residualBytes), residualFloats: GuardedBuffer(residualFloats),
      residualRemainders: GuardedBuffer(residualRemainders)
    )
    let secondBuffers = (
      input: GuardedBuffer(second?.input ?? []), offsets: GuardedBuffer(second?.offsets ?? []),
      bias: GuardedBuffer(second?.bias ?? []), multiplier: GuardedBuffer(second?.multiplier ?? [])
    )
    withExtendedLifetime((buffers, secondBuffers)) {
      var arguments = quern_igemm_args()
      arguments.input = UnsafePointer(buffers.input.pointer)
      arguments.offsets = offsets == nil ? nil : UnsafePointer(buffers.offsets.pointer)
      arguments.input_stride = inputStride
      arguments.rows = rows
      arguments.taps = taps
      arguments.tap_bytes = tapBytes
      arguments.weights = UnsafePointer(buffers.weights.pointer)
      arguments.bias = UnsafePointer(buffers.bias.pointer)
      arguments.multiplier = UnsafePointer(buffers.multiplier.pointer)
      if let second {
        arguments.remainders.input = UnsafePointer(secondBuffers.input.pointer)
        arguments.remainders.offsets = second.offsets == nil ? nil : UnsafePointer(secondBuffers.offsets.pointer)
        arguments.remainders.bias = UnsafePointer(secondBuffers.bias.pointer)
        arguments.remainders.multiplier = UnsafePointer(secondBuffers.multiplier.pointer)
      }
      arguments.output_channels = channels
      arguments.store = Int32(storesFloat ? QUERN_STORE_F32 : QUERN_STORE_U8)
      arguments.clamp = clamp.value
      arguments.output_zero_point = range.zeroPoint
      arguments.output_min = range.minimum
      arguments.output_max = range.maximum
      arguments.output = storesFloat ? UnsafeMutableRawPointer(floats.pointer) : UnsafeMutableRawPointer(bytes.pointer)
      arguments.output_stride = stride
      arguments.output_remainder = storesRemainders ? remainders.pointer : nil
      let isLevels = residual == .uint8 || residual == .uint8WithRemainder
      arguments.residual = isLevels ? UnsafePointer(buffers.residualBytes.pointer) : nil
      arguments.residual_remainder =
        residual == .uint8WithRemainder ? UnsafePointer(buffers.residualRemainders.pointer) : nil
      arguments.residual_f32 = residual == .float32 ? UnsafePointer(buffers.residualFloats.pointer) : nil
      arguments.residual_stride = channels + residualPadding
      arguments.residual_multiplier = residualMultiplier
      arguments.residual_zero_point = residualZeroPoint
      kernel.run(&arguments)
    }
    return (bytes.values, remainders.values, floats.values)
  }
}
