import CKernels
import Testing

/// One float product with everything it needs, and what it must give.
private struct FgemmProblem: CustomStringConvertible {
  var description: String
  var rows: Int
  var taps: Int
  var tapElements: Int
  var channels: Int
  var inputStride: Int
  var input: [Float]
  var offsets: [Int32]?
  var weights: [Float]
  var bias: [Float]
  var residual: [Float]?
  var clamp: Clamp
  var streams = false
  var outputPadding = 5
  let residualPadding = 3

  init(seed: UInt64, rows: Int, taps: Int, tapElements: Int, channels: Int, usesOffsets: Bool) {
    var random = Random(seed: seed)
    (self.rows, self.taps, self.tapElements, self.channels) = (rows, taps, tapElements, channels)
    inputStride = tapElements + Int.random(in: 0...7, using: &random)
    // Nothing may be read past the end of the last tap, nor before the first.
    let inputCount =
      usesOffsets ? tapElements + Int.random(in: 0...500, using: &random) : (rows - 1) * inputStride + tapElements
    input = random.floats(inputCount, in: -2...2)
    if usesOffsets {
      let last = inputCount - tapElements
      offsets = (0..<rows * taps).map { _ in
        let pads = Int.random(in: 0..<5, using: &random) == 0
        return pads ? (Bool.random(using: &random) ? -1 : .min) : Int32(Int.random(in: 0...last, using: &random))
      }
    }
    weights = random.floats(channels * taps * tapElements, in: -1...1)
    bias = random.floats((channels + 15) / 16 * 16, in: -5...5)
    clamp = Clamp(using: &random)
    if Bool.random(using: &random) {
      residual = random.floats(rows * (channels + residualPadding) - residualPadding, in: -5...5)
    }
    description =
      "seed \(seed): \(rows) rows, \(taps) taps of \(tapElements), \(channels) channels, offsets \(usesOffsets), "
      + "clamp \(clamp.value), residual \(residual != nil)"
  }

  private func tapStart(row: Int, tap: Int) -> Int? {
    guard let offsets else { return row * inputStride }
    let offset = offsets[row * taps + tap]
    return offset < 0 ? nil : Int(offset)
  }

  private func weight(_ channel: Int, _ tap: Int, _ k: Int) -> Float {
    weights[(channel * taps + tap) * tapElements + k]
  }

  private func finished(_ sum: Float, row: Int, channel: Int) -> Float {
    let value = residual.map { sum + $0[row * (channels + residualPadding) + channel] } ?? sum
    return clamp(value)
  }

  /// The whole output by the header's formula, with its untouched padding.
  func expected() -> [Float] {
    let outputStride = channels + outputPadding
    var output = [Float](repeating: -12345, count: rows * outputStride)
    for row in 0..<rows {
      for channel in 0..<channels {
        var total = bias[channel]
        for first in stride(from: 0, to: taps * tapElements, by: QUERN_FGEMM_BLOCK) {
          var sum: Float = 0
          for product in first..<min(first + QUERN_FGEMM_BLOCK, taps * tapElements) {
            let (tap, k) = (product / tapElements, product % tapElements)
            sum = sum.addingProduct(
              tapStart(row: row, tap: tap).map { input[$0 + k] } ?? 0, weight(channel, tap, k))
          }
          total += sum
        }
        output[row * outputStride + channel] = finished(total, row: row, channel: channel)
      }
    }
    return output
  }

  /// The exact value of one output nearly, in double precision, and how far a float sum of this length may lie from it:
  /// each of the at most n roundings that a product passes errs by at most 2^-24, and no result exceeds the sum of magnitudes
  /// by more than a factor of (1 + 2^-24)^n (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
  func real(row: Int, channel: Int) -> (value: Double, bound: Double) {
    var (sum, magnitude) = (Double(bias[channel]), Double(abs(bias[channel])))
    for tap in 0..<taps {
      guard let start = tapStart(row: row, tap: tap) else { continue }
      for k in 0..<tapElements {
        let product = Double(input[start + k]) * Double(weight(channel, tap, k))
        sum += product
        magnitude += abs(product)
      }
    }
    if let residual {
      let value = Double(residual[row * (channels + residualPadding) + channel])
      sum += value
      magnitude += abs(value)
    }
    let steps =
      Double(min(taps * tapElements, QUERN_FGEMM_BLOCK) + taps * tapElements / QUERN_FGEMM_BLOCK + 2) * 0x1p-24
    return (clamp(sum), magnitude * steps / (1 - steps))
  }

  func packedWeights() -> [Float] {
    var packed = [Float](repeating: 99, count: quern_fgemm_packed_count(channels, taps, tapElements))
    quern_fgemm_pack(weights, channels, taps, tapElements, &packed)
    return packed
  }

  func run(_ kernel: quern_fgemm_kernel) -> [Float] {
    let stride = channels + outputPadding
    let output = GuardedBuffer([Float](repeating: -12345, count: rows * stride))
    let buffers = (
      input: GuardedBuffer(input), offsets: GuardedBuffer(offsets ?? []), weights: GuardedBuffer(packedWeights()),
      bias: GuardedBuffer(bias), residual: GuardedBuffer(residual ?? []),
      zeros: GuardedBuffer([Float](repeating: 0, count: tapElements))
    )
    withExtendedLifetime(buffers) {
      var arguments = quern_fgemm_args()
      arguments.input = UnsafePointer(buffers.input.pointer)
      arguments.offsets = offsets == nil ? nil : UnsafePointer(buffers.offsets.pointer)
      arguments.zeros = UnsafePointer(buffers.zeros.pointer)
      arguments.input_stride = inputStride
      arguments.rows = rows
      arguments.taps = taps
      arguments.tap_elements = tapElements
      arguments.weights = UnsafePointer(buffers.weights.pointer)
      arguments.next_weights = clamp.value.is_set == 1 ? arguments.weights : nil
      arguments.bias = UnsafePointer(buffers.bias.pointer)
      arguments.output_channels = channels
      arguments.residual = residual == nil ? nil : UnsafePointer(buffers.residual.pointer)
      arguments.residual_stride = channels + residualPadding
      arguments.clamp = clamp.value
      arguments.output = output.pointer
      arguments.output_stride = stride
      arguments.stream = streams ? 1 : 0
      kernel.run(&arguments)
    }
    return output.values
  }
}

@Suite struct FgemmTests {
  /// Every tier gives the bits of the formula.
  private func check(_ problem: FgemmProblem) {
    let expected = problem.expected()
    for (name, kernel) in fgemmTiers {
      let difference = firstDifference(problem.run(kernel), expected)
      #expect(difference == nil, "\(name), \(problem)")
    }
  }

  private func random(_ seed: Int) -> FgemmProblem {
    var random = Random(seed: UInt64(seed))
    let usesOffsets = seed % 3 != 0
    return FgemmProblem(
      seed: UInt64(seed) << 32, rows: Int.random(in: 1...20, using: &random),
      taps: usesOffsets ? Int.random(in: 1...10, using: &random) : 1,
      tapElements: Int.random(in: 1...70, using: &random), channels: Int.random(in: 1...150, using: &random),
      usesOffsets: usesOffsets)
  }

  @Test(arguments: 0..<200)
  func randomProblems(seed: Int) { check(random(seed)) }

  @Test(arguments: 1000..<1050)
  func errorsStayWithinTheBoundOfTheSum(seed: Int) throws {
    let problem = random(seed)
    let result = problem.run(try #require(fgemmTiers.first).kernel)
    for row in 0..<problem.rows {
      for channel in 0..<problem.channels {
        let (value, bound) = problem.real(row: row, channel: channel)
        let given = Double(result[row * (problem.channels + problem.outputPadding) + channel])
        #expect(abs(given - value) <= bound, "\(problem): row \(row), channel \(channel)")
      }
    }
  }

  /// Every number of rows and blocks that a register tile may have, and every remainder of a block.
  @Test(arguments: [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 50, 63, 64, 65, 80, 96, 112, 127, 128, 129])
  func everyRowCount(channels: Int) {
    for rows in 1...26 {
      let seed = UInt64(channels * 100 + rows)
      check(FgemmProblem(seed: seed, rows: rows, taps: 2, tapElements: 5, channels: channels, usesOffsets: true))
    }
  }

  /// Outputs that may be written past the caches, where they begin with lines of those and where not.
  @Test(arguments: [64, 65, 80, 128, 192], [0, 5, 16])
  func streamedOutputs(channels: Int, padding: Int) {
    for rows in 1...14 {
      let seed = UInt64(channels * 100 + rows)
      var problem = FgemmProblem(
        seed: seed, rows: rows, taps: 1, tapElements: 70, channels: channels, usesOffsets: rows % 2 == 0)
      (problem.streams, problem.outputPadding) = (true, padding)
      check(problem)
    }
  }

  /// Rows enough for several passes over the weights, and sums long enough for narrow panels.
  @Test func manyRowsOfLongTaps() {
    check(FgemmProblem(seed: 1, rows: 131, taps: 1, tapElements: 4099, channels: 50, usesOffsets: false))
  }

  /// Infinities, NaN, negative zero, denormals and sums that overflow pass through alike; ReLU makes NaN zero.
  @Test(arguments: 0..<20)
  func specialValues(seed: Int) {
    var problem = random(2000 + seed)
    var random = Random(seed: UInt64(seed))
    let specials: [Float] = [
      .nan, .infinity, -.infinity, -0.0, .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude,
    ]
    for special in specials where Bool.random(using: &random) {
      problem.input[Int.random(in: 0..<problem.input.count, using: &random)] = special
      problem.weights[Int.random(in: 0..<problem.weights.count, using: &random)] = special
      problem.bias[Int.random(in: 0..<problem.bias.count, using: &random)] = special
      if let count = problem.residual?.count {
        problem.residual?[Int.random(in: 0..<count, using: &random)] = special
      }
    }
    check(problem)
  }

  /// Products that a separate multiplication would round away: (1 + 2^-12)(1 - 2^-12) - 1 = -2^-24.
  @Test func productsAreNotRounded() {
    var problem = FgemmProblem(seed: 5, rows: 13, taps: 1, tapElements: 1, channels: 65, usesOffsets: false)
    problem.input = problem.input.map { _ in 1 + 0x1p-12 }
    problem.weights = problem.weights.map { _ in 1 - 0x1p-12 }
    problem.bias = problem.bias.map { _ in -1 }
    (problem.residual, problem.clamp) = (nil, .none)
    for (name, kernel) in fgemmTiers { #expect(problem.run(kernel)[0] == -0x1p-24, "\(name)") }
    check(problem)
  }

  @Test func noRowsChannelsOrElementsDoNothing() {
    for (_, kernel) in fgemmTiers {
      var arguments = quern_fgemm_args()
      arguments.taps = 1
      arguments.tap_elements = 4
      kernel.run(&arguments)
      arguments.rows = 3
      kernel.run(&arguments)
      (arguments.rows, arguments.output_channels) = (0, 20)
      kernel.run(&arguments)
    }
  }

  @Test func packedLayoutIsTheDocumentedOne() {
    let (channels, taps, elements) = (18, 2, 5)
    let weights = (0..<channels * taps * elements).map { Float($0 + 1) }
    var packed = [Float](repeating: 99, count: quern_fgemm_packed_count(channels, taps, elements))
    #expect(packed.count == 2 * taps * elements * 16)
    quern_fgemm_pack(weights, channels, taps, elements, &packed)
    for n in 0..<32 {
      for t in 0..<taps {
        for k in 0..<elements {
          let at = n / 16 * taps * elements * 16 + (t * elements + k) * 16 + n % 16
          #expect(packed[at] == (n < channels ? weights[(n * taps + t) * elements + k] : 0))
        }
      }
    }
  }
}
