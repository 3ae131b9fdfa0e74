import CKernels
import Testing

@Suite struct IgemmTests {
  private func check(_ problem: IgemmProblem) {
    for (name, kernel) in igemmTiers {
      let result = problem.run(kernel)
      let difference =
        problem.storesFloat
        ? firstDifference(result.floats, problem.expectedFloats())
        : firstDifference(result.bytes, problem.expectedBytes())
      #expect(difference == nil, "\(name), \(problem)")
      if problem.storesRemainders {
        #expect(firstDifference(result.remainders, problem.expectedRemainders()) == nil, "\(name), \(problem)")
      }
    }
  }

  @Test(arguments: 0..<250)
  func randomProblems(seed: Int) {
    var random = Random(seed: UInt64(seed))
    let usesOffsets = seed % 3 != 0
    check(
      IgemmProblem(
        seed: UInt64(seed) << 32, rows: Int.random(in: 1...20, using: &random),
        taps: usesOffsets ? Int.random(in: 1...10, using: &random) : 1,
        tapBytes: Int.random(in: 1...70, using: &random), channels: Int.random(in: 1...150, using: &random),
        usesOffsets: usesOffsets))
  }

  /// Every number of rows and blocks that a register tile may have, and every remainder of a block.
  @Test(arguments: [1, 15, 16, 17, 31, 32, 33, 48, 50, 63, 64, 65, 80, 96, 112, 127, 128, 129])
  func everyRowCount(channels: Int) {
    for rows in 1...20 {
      let seed = UInt64(channels * 100 + rows)
      check(IgemmProblem(seed: seed, rows: rows, taps: 2, tapBytes: 5, channels: channels, usesOffsets: true))
    }
  }

  /// Pointwise products of whole panels, which some tiers finish among the products of what comes next.
  @Test(arguments: [64, 66, 100, 127, 128, 190, 512, 515], [64, 128, 192])
  func pointwise(tapBytes: Int, channels: Int) {
    for seed in 0..<24 {
      var random = Random(seed: UInt64(seed * 1000 + tapBytes + channels))
      var problem = IgemmProblem(
        seed: UInt64(seed), rows: Int.random(in: 1...14, using: &random), taps: 1, tapBytes: tapBytes,
        channels: channels, usesOffsets: seed % 2 == 0)
      problem.storesFloat = false
      if problem.residual == .uint8 || problem.residual == .float32 { problem.residual = .uint8WithRemainder }
      problem.wantsRemainders = seed % 3 != 0
      if seed % 5 != 0 {
        problem.range.zeroPoint = min(max(problem.range.zeroPoint, problem.range.minimum), problem.range.maximum)
      }
      // Sums within the output's range and beyond it; halves, which go to the even neighbour; and a NaN.
      let scale = Float(tapBytes).squareRoot() * 10_000
      problem.multiplier = problem.multiplier.map { _ in
        seed % 4 == 0 ? 0.5 : Float.random(in: 0...(seed % 4 == 1 ? 5 : 1) * 100 / scale, using: &random)
      }
      if seed % 4 == 0 { problem.bias = problem.bias.map { $0 % 100 } }
      if seed % 8 == 0 { problem.weights = problem.weights.map { $0 / 120 } }
      if seed % 8 == 3 { problem.multiplier[Int.random(in: 0..<channels, using: &random)] = .nan }
      check(problem)
    }
  }

  /// More rows than one pass over the weights takes.
  @Test func manyRowsOfLongTaps() {
    check(IgemmProblem(seed: 1, rows: 131, taps: 1, tapBytes: 8192, channels: 17, usesOffsets: false))
  }

  /// Accumulators of the largest magnitude: 65536 products of 255 and +-127, and a bias that fills int32 up.
  @Test(arguments: [false, true])
  func accumulatorsAtTheEndsOfInt32(storesFloat: Bool) {
    var problem = IgemmProblem(seed: 2, rows: 2, taps: 16, tapBytes: 4096, channels: 18, usesOffsets: true)
    problem.input = [UInt8](repeating: 255, count: problem.input.count)
    for channel in 0..<problem.channels {
      let sign = channel % 2 == 0 ? 1 : -1
      for k in 0..<65536 { problem.weights[channel * 65536 + k] = Int8(sign * 127) }
      let products = 65536 * 255 * 127 * sign
      problem.bias[channel] = Int32((sign > 0 ? Int(Int32.max) : Int(Int32.min)) - products)
    }
    problem.storesFloat = storesFloat
    #expect(problem.accumulator(row: 0, channel: 0) == Int64(Int32.max))
    #expect(problem.accumulator(row: 1, channel: 17) == Int64(Int32.min))
    check(problem)
  }

  /// Sums that leave int32 on the way and return: the bias subtracts what the zero point adds.
  @Test func intermediateSumsMayWrap() {
    var problem = IgemmProblem(seed: 3, rows: 3, taps: 2, tapBytes: 32768, channels: 16, usesOffsets: true)
    problem.input = [UInt8](repeating: 255, count: problem.input.count)
    for channel in 0..<16 {
      for k in 0..<65536 { problem.weights[channel * 65536 + k] = k < 32768 ? 127 : -127 }
      problem.bias[channel] = 2_000_000_000 + Int32(channel)
      problem.multiplier[channel] = 1e-7
    }
    problem.storesFloat = true
    check(problem)
  }

  /// Products far beyond the range of the output, infinite and undefined ones among them.
  @Test(arguments: [Float.greatestFiniteMagnitude, .infinity, .nan, 0, .leastNonzeroMagnitude])
  func extremeMultipliers(multiplier: Float) {
    for seed in 0..<6 as Range<UInt64> {
      var problem = IgemmProblem(seed: seed, rows: 7, taps: 3, tapBytes: 6, channels: 37, usesOffsets: true)
      problem.multiplier = problem.multiplier.map { _ in multiplier }
      problem.storesFloat = seed % 2 == 0
      check(problem)
    }
  }

  /// Weights of -128, which models of other tools have. The tier "neon" is not used for them.
  @Test func leastWeights() {
    for seed in 0..<4 as Range<UInt64> where !igemmTiers.contains(where: { $0.0 == "neon" }) {
      var problem = IgemmProblem(seed: seed, rows: 7, taps: 3, tapBytes: 36, channels: 37, usesOffsets: true)
      problem.weights = problem.weights.map { $0 < 0 ? -128 : $0 }
      check(problem)
    }
  }

  /// Products that end in one half, which go to the even neighbour.
  @Test func halvesAreRoundedToEven() {
    var problem = IgemmProblem(seed: 4, rows: 20, taps: 1, tapBytes: 2, channels: 64, usesOffsets: true)
    problem.multiplier = problem.multiplier.map { _ in 0.5 }
    problem.weights = problem.weights.map { $0 % 2 }
    problem.bias = problem.bias.map { $0 % 100 }
    problem.second = nil
    problem.residual = .none
    problem.storesFloat = false
    check(problem)
  }

  @Test func noRowsOrChannelsDoNothing() {
    for (_, kernel) in igemmTiers {
      var arguments = quern_igemm_args()
      arguments.taps = 1
      arguments.tap_bytes = 4
      kernel.run(&arguments)
      arguments.rows = 3
      kernel.run(&arguments)
    }
  }

  @Test func packedLayoutIsTheDocumentedOne() {
    let (channels, taps, bytes) = (18, 2, 5)
    let weights = (0..<channels * taps * bytes).map { Int8($0 % 127 + 1) }
    var packed = [Int8](repeating: 99, count: quern_igemm_packed_size(channels, taps, bytes))
    #expect(packed.count == 2 * taps * 8 * 16)
    quern_igemm_pack(weights, channels, taps, bytes, &packed)
    for n in 0..<32 {
      for t in 0..<taps {
        for k in 0..<8 {
          let at = n / 16 * taps * 8 * 16 + t * 8 * 16 + k / 4 * 64 + n % 16 * 4 + k % 4
          #expect(packed[at] == (n < channels && k < bytes ? weights[(n * taps + t) * bytes + k] : 0))
        }
      }
    }
  }

  /// Sums of channels, and the minimum of all weights and 0.
  @Test(arguments: [0, 1, 15, 16, 17, 31, 32, 33, 147, 4608, 65536])
  func sumsOfWeights(length: Int) {
    for (seed, range) in [(1 as UInt64, -128...127), (2, -127...127), (3, 3...127), (4, -128 ... -128), (5, -1...0)] {
      var random = Random(seed: seed << 20 + UInt64(length))
      let channels = length > 1000 ? 3 : 7
      let weights = random.bytes(channels * length).map { Int8(Int($0) % range.count + range.lowerBound) }
      var sums = [Int32](repeating: 99, count: channels)
      let minimum = quern_igemm_sums(weights, channels, length, &sums)
      #expect(minimum == min(0, weights.min() ?? 0), "length \(length), seed \(seed)")
      let expected = (0..<channels).map { n in
        weights[n * length..<(n + 1) * length].reduce(0 as Int32) { $0 + Int32($1) }
      }
      #expect(sums == expected, "length \(length), seed \(seed)")
    }
  }
}
