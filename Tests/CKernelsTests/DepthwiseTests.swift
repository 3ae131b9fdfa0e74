import CKernels
import Testing

/// One depthwise convolution and what it must give.
private struct DepthwiseProblem {
  var rows, taps, channels: Int
  var input: [UInt8]
  var offsets: [Int32]
  var weights: [Int8]
  var bias: [Int32]
  var multiplier: [Float]
  var range: OutputRange
  /// [rows] of channels and padding, or empty.
  var addend: [Float] = []
  let outputPadding = 3
  /// What kernels may read past the channels of a tap.
  private static let readableBytesAfter = 63

  init(seed: UInt64, rows: Int, taps: Int, channels: Int) {
    var random = Random(seed: seed)
    (self.rows, self.taps, self.channels) = (rows, taps, channels)
    let extreme = seed % 8 == 0
    let extra = Int.random(in: 0...300, using: &random)
    input = random.bytes(channels + extra + Self.readableBytesAfter, extreme: extreme)
    offsets = (0..<rows * taps).map { _ in Int32.random(in: 0...Int32(extra), using: &random) }
    weights = random.weights(channels * taps, extremePeriod: extreme ? taps : nil)
    let padded = (channels + 15) / 16 * 16
    let bound: Int32 = extreme ? 2_000_000_000 : 10_000
    bias = (0..<padded).map { _ in Int32.random(in: -bound...bound, using: &random) }
    multiplier = random.floats(padded, in: 0...(Bool.random(using: &random) ? 0.01 : 10))
    if seed % 5 == 0 { multiplier[0] = .nan }
    range = OutputRange(using: &random)
    if seed % 3 == 0 { addend = random.floats(rows * (channels + outputPadding), in: -50...50) }
  }

  private func eachOutput<Value>(_ untouched: Value, _ store: (Float) -> Value) -> [Value] {
    let stride = channels + outputPadding
    var output = [Value](repeating: untouched, count: rows * stride)
    for row in 0..<rows {
      for c in 0..<channels {
        var sum = Int64(bias[c])
        for t in 0..<taps { sum += Int64(input[Int(offsets[row * taps + t]) + c]) * Int64(weights[c * taps + t]) }
        let real = Float(Int32(sum)) * multiplier[c]
        output[row * stride + c] = store(addend.isEmpty ? real : real + addend[row * stride + c])
      }
    }
    return output
  }

  func expected() -> [UInt8] {
    eachOutput(0xA5) {
      requantised($0, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
    }
  }

  func expectedFloats() -> [Float] { eachOutput(-12345) { $0 } }

  func run(_ kernel: quern_depthwise_kernel) -> (bytes: [UInt8], floats: [Float]) {
    var packed = [Int8](repeating: 99, count: quern_depthwise_packed_size(channels, taps))
    quern_depthwise_pack(weights, channels, taps, &packed)
    let output = GuardedBuffer([UInt8](repeating: 0xA5, count: rows * (channels + outputPadding)))
    let floats = GuardedBuffer([Float](repeating: -12345, count: rows * (channels + outputPadding)))
    let buffers = (
      addend: GuardedBuffer(addend),
      input: GuardedBuffer(input), offsets: GuardedBuffer(offsets), weights: GuardedBuffer(packed),
      bias: GuardedBuffer(bias), multiplier: GuardedBuffer(multiplier)
    )
    withExtendedLifetime(buffers) {
      var arguments = quern_depthwise_args()
      arguments.input = UnsafePointer(buffers.input.pointer)
      arguments.offsets = UnsafePointer(buffers.offsets.pointer)
      arguments.rows = rows
      arguments.taps = taps
      arguments.channels = channels
      arguments.weights = UnsafePointer(buffers.weights.pointer)
      arguments.bias = UnsafePointer(buffers.bias.pointer)
      arguments.multiplier = UnsafePointer(buffers.multiplier.pointer)
      arguments.output_zero_point = range.zeroPoint
      arguments.output_min = range.minimum
      arguments.output_max = range.maximum
      arguments.output = output.pointer
      arguments.output_stride = channels + outputPadding
      arguments.addend = addend.isEmpty ? nil : UnsafePointer(buffers.addend.pointer)
      kernel.run(&arguments)
      arguments.output_f32 = floats.pointer
      kernel.run(&arguments)
    }
    return (output.values, floats.values)
  }
}

@Suite struct DepthwiseTests {
  private func check(seed: UInt64, rows: Int, taps: Int, channels: Int) {
    let problem = DepthwiseProblem(seed: seed, rows: rows, taps: taps, channels: channels)
    for (name, kernel) in depthwiseTiers {
      let result = problem.run(kernel)
      let what = "\(name), seed \(seed): \(rows) rows, \(taps) taps, \(channels) channels"
      #expect(firstDifference(result.bytes, problem.expected()) == nil, "\(what)")
      #expect(firstDifference(result.floats, problem.expectedFloats()) == nil, "\(what), floats")
    }
  }

  @Test(arguments: 0..<150 as Range<UInt64>)
  func randomProblems(seed: UInt64) {
    var random = Random(seed: seed)
    check(
      seed: seed, rows: Int.random(in: 1...13, using: &random), taps: Int.random(in: 1...50, using: &random),
      channels: Int.random(in: 1...200, using: &random))
  }

  @Test(arguments: [1, 2, 3, 4, 5, 8, 9, 25, 49, 128, 129])
  func everyRemainderOfTapsAndChannels(taps: Int) {
    for channels in [1, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 128] {
      for rows in [1, 2, 3, 4, 5, 8, 9] {
        check(seed: UInt64(taps * 1000 + channels), rows: rows, taps: taps, channels: channels)
      }
    }
  }

  @Test(arguments: 1000..<1100 as Range<UInt64>)
  func singleTaps(seed: UInt64) {
    var random = Random(seed: seed)
    check(
      seed: seed, rows: Int.random(in: 1...13, using: &random), taps: 1,
      channels: Int.random(in: 1...20, using: &random) * (seed % 2 == 0 ? 16 : 11))
  }
}
