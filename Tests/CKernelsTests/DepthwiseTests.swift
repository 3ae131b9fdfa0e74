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
  let outputPadding = 3
  /// What kernels may read past the channels of a tap.
  private static let readableBytesBehind = 63

  init(seed: UInt64, rows: Int, taps: Int, channels: Int) {
    var random = Random(seed: seed)
    (self.rows, self.taps, self.channels) = (rows, taps, channels)
    let extreme = seed % 8 == 0
    let extra = Int.random(in: 0...300, using: &random)
    input = random.bytes(channels + extra + Self.readableBytesBehind, extreme: extreme)
    offsets = (0..<rows * taps).map { _ in Int32.random(in: 0...Int32(extra), using: &random) }
    weights = random.weights(channels * taps, extremePeriod: extreme ? taps : nil)
    let padded = (channels + 15) / 16 * 16
    let bound: Int32 = extreme ? 2_000_000_000 : 10_000
    bias = (0..<padded).map { _ in Int32.random(in: -bound...bound, using: &random) }
    multiplier = random.floats(padded, in: 0...(Bool.random(using: &random) ? 0.01 : 10))
    if seed % 5 == 0 { multiplier[0] = .nan }
    range = OutputRange(using: &random)
  }

  func expected() -> [UInt8] {
    let stride = channels + outputPadding
    var output = [UInt8](repeating: 0xA5, count: rows * stride)
    for row in 0..<rows {
      for c in 0..<channels {
        var sum = Int64(bias[c])
        for t in 0..<taps { sum += Int64(input[Int(offsets[row * taps + t]) + c]) * Int64(weights[c * taps + t]) }
        output[row * stride + c] = requantised(
          Float(Int32(sum)) * multiplier[c], zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
      }
    }
    return output
  }

  func run(_ kernel: quern_depthwise_kernel) -> [UInt8] {
    var packed = [Int8](repeating: 99, count: quern_depthwise_packed_size(channels, taps))
    quern_depthwise_pack(weights, channels, taps, &packed)
    let output = GuardedBuffer([UInt8](repeating: 0xA5, count: rows * (channels + outputPadding)))
    let buffers = (
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
      kernel.run(&arguments)
    }
    return output.values
  }
}

@Suite struct DepthwiseTests {
  private func check(seed: UInt64, rows: Int, taps: Int, channels: Int) {
    let problem = DepthwiseProblem(seed: seed, rows: rows, taps: taps, channels: channels)
    for (name, kernel) in depthwiseTiers {
      let difference = firstDifference(problem.run(kernel), problem.expected())
      #expect(difference == nil, "\(name), seed \(seed): \(rows) rows, \(taps) taps, \(channels) channels")
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
}
