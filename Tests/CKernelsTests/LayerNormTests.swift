import CKernels
import Testing

/// Against references written from quern_layernorm.h.
@Suite struct LayerNormTests {
  private static let channelCounts = [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 96, 130, 768]
  private static let rows = 3

  private struct Problem {
    let channels: Int
    let (weight, bias): ([Float], [Float])
    let range: OutputRange
    let step: Double
    let epsilon: Double

    init(_ channels: Int, _ random: inout Random) {
      self.channels = channels
      weight = random.floats(channels, in: -40...40)
      bias = random.floats(channels, in: -40...40)
      range = OutputRange(using: &random)
      step = Double.random(in: 0.001...0.1, using: &random)
      epsilon = [0, 1e-6, 0.1][Int.random(in: 0..<3, using: &random)]
    }

    /// Runs every tier, and calls `check` with the stored levels, remainders and floats.
    func run(
      levels: [UInt8], remainders: [UInt8]?, reals: [Float]?,
      check: (_ tier: String, _ levels: [UInt8], _ remainders: [UInt8], _ floats: [Float]) -> Void
    ) {
      let count = rows * channels
      for (name, kernel) in layerNormTiers {
        let (x, w, b) = (GuardedBuffer(levels), GuardedBuffer(weight), GuardedBuffer(bias))
        let (e, r) = (GuardedBuffer(remainders ?? []), GuardedBuffer(reals ?? []))
        let plain = GuardedBuffer([UInt8](repeating: 7, count: count))
        let q = GuardedBuffer([UInt8](repeating: 7, count: count))
        let rest = GuardedBuffer([UInt8](repeating: 7, count: count))
        let y = GuardedBuffer([Float](repeating: 7, count: count))
        var arguments = quern_layernorm_args()
        arguments.input = UnsafePointer(x.pointer)
        if remainders != nil { arguments.input_remainder = UnsafePointer(e.pointer) }
        if reals != nil { arguments.reals = UnsafePointer(r.pointer) }
        (arguments.rows, arguments.channels) = (rows, channels)
        (arguments.step, arguments.epsilon) = (step, epsilon)
        (arguments.weight, arguments.bias) = (UnsafePointer(w.pointer), UnsafePointer(b.pointer))
        arguments.output_zero_point = range.zeroPoint
        arguments.output = plain.pointer
        kernel.run(&arguments)
        (arguments.output, arguments.output_remainder) = (q.pointer, rest.pointer)
        kernel.run(&arguments)
        arguments.output_f32 = y.pointer
        kernel.run(&arguments)
        // Remainders change nothing about levels.
        #expect(firstDifference(plain.values, q.values) == nil, "\(name), \(channels) channels")
        check(name, q.values, rest.values, y.values)
        withExtendedLifetime((x, w, b, e, r)) {}
      }
    }

    /// Checks levels and remainders against real values.
    func expect(
      _ tier: String, _ levels: [UInt8], _ remainders: [UInt8], _ floats: [Float], areThoseOf reals: [Float]
    ) {
      let zero = range.zeroPoint
      let expected = reals.map { requantised($0, zeroPoint: zero, minimum: 0, maximum: 255) }
      let rests = zip(reals, expected).map { remainder($0, $1, zeroPoint: zero, minimum: 0, maximum: 255) }
      #expect(firstDifference(levels, expected) == nil, "\(tier), \(channels) channels")
      #expect(firstDifference(remainders, rests) == nil, "\(tier), \(channels) channels")
      #expect(firstDifference(floats, reals) == nil, "\(tier), \(channels) channels")
    }
  }

  /// Every bit, with exact sums.
  @Test(arguments: channelCounts, [false, true]) func levels(channels: Int, areFine: Bool) {
    for seed in 0..<10 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(channels))
      let problem = Problem(channels, &random)
      // Extreme values have the largest sums, and no variance.
      let input = random.bytes(Self.rows * channels, extreme: seed == 0)
      let rests = areFine ? random.bytes(Self.rows * channels, extreme: seed == 0) : nil
      let values = input.indices.map { 256 * Int64(input[$0]) + Int64(rests?[$0] ?? 0) }.map { areFine ? $0 : $0 / 256 }
      var reals: [Float] = []
      for first in stride(from: 0, to: values.count, by: channels) {
        let row = values[first..<first + channels]
        let (sum, squares) = (row.reduce(0, +), row.reduce(0) { $0 + $1 * $1 })
        let count = Double(channels)
        let mean = Float(Double(sum) / count)
        let variance = Double(Int64(channels) * squares - sum * sum) / (count * count) * problem.step * problem.step
        let factor = Float(problem.step / (variance + problem.epsilon).squareRoot())
        for (channel, value) in row.enumerated() {
          let product = ((Float(value) - mean) * factor) * problem.weight[channel]
          reals.append(product + problem.bias[channel])
        }
      }
      problem.run(levels: input, remainders: rests, reals: nil) { tier, levels, remainders, floats in
        problem.expect(tier, levels, remainders, floats, areThoseOf: reals)
      }
    }
  }

  /// The largest sums that a kernel may meet.
  @Test func largestSums() {
    var random = Random(seed: 1)
    let problem = Problem(32768, &random)
    let input = [UInt8](repeating: 255, count: Self.rows * 32768)
    // One channel differs, so that there is a variance: (n - 1) / n^2 of the squared difference.
    var bytes = input
    for row in 0..<Self.rows { bytes[row * 32768] = 0 }
    problem.run(levels: bytes, remainders: input, reals: nil) { tier, _, _, floats in
      let n = 32768.0
      let variance = (n - 1) / (n * n) * 65280 * 65280 * problem.step * problem.step
      let outlier = -65280 * (n - 1) / n * problem.step / (variance + problem.epsilon).squareRoot()
      let expected = outlier * Double(problem.weight[0]) + Double(problem.bias[0])
      #expect(abs(Double(floats[0]) - expected) <= 1e-5 * abs(expected) + 1e-4, "\(tier)")
    }
  }

  /// Near the definition, with the same bits in every tier.
  @Test(arguments: channelCounts) func floats(channels: Int) {
    for seed in 0..<10 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(channels))
      let problem = Problem(channels, &random)
      let input = random.floats(Self.rows * channels, in: -9...9)
      // Without a variance and an epsilon there is no result.
      if channels == 1, problem.epsilon == 0 { continue }
      var first: [Float]?
      problem.run(levels: [], remainders: nil, reals: input) { tier, levels, remainders, floats in
        problem.expect(tier, levels, remainders, floats, areThoseOf: floats)
        #expect(firstDifference(floats, first ?? floats) == nil, "\(tier), \(channels) channels")
        first = floats
        for start in stride(from: 0, to: input.count, by: channels) {
          let row = input[start..<start + channels].map { Double($0) }
          let mean = row.reduce(0, +) / Double(channels)
          let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
          let factor = 1 / (variance + problem.epsilon).squareRoot()
          let wrong = row.indices.first { channel in
            let weight = Double(problem.weight[channel])
            let expected = (row[channel] - mean) * factor * weight + Double(problem.bias[channel])
            let bound = 1e-6 * (40 + abs(weight) * factor * (abs(mean) + abs(row[channel])))
            return !(abs(Double(floats[start + channel]) - expected) <= bound)
          }
          #expect(wrong == nil, "\(tier), \(channels) channels")
        }
      }
    }
  }
}
