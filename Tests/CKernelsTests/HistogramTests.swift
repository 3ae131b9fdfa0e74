import CKernels
import Testing

/// Counts by the header's definition, in arithmetic rather than in bits.
private struct Counts: Equatable {
  var bins = [UInt32](repeating: 0, count: QUERN_HISTOGRAM_BINS)
  var minimum = Float.infinity, maximum = -Float.infinity
  var nonfinite: UInt64 = 0

  mutating func add(_ x: Float) {
    guard x.isFinite else {
      nonfinite += 1
      return
    }
    minimum = min(minimum, x == 0 ? 0 : x)
    maximum = max(maximum, x == 0 ? 0 : x)
    let magnitude = x.magnitude
    guard magnitude >= 0x1p-16 else {
      bins[0] += 1
      return
    }
    let cell: Int
    if magnitude >= 0x1p16 {
      cell = 4095
    } else {
      cell = (Int(magnitude.exponent) + 16) * 128 + Int((magnitude.significand - 1) * 128)
    }
    bins[1 + (x < 0 ? 4096 : 0) + cell] += 1
  }
}

@Suite struct HistogramTests {
  /// Counts `parts` one after the other into one histogram.
  private func run(_ kernel: quern_histogram_kernel, _ parts: [[Float]]) -> Counts {
    let bins = GuardedBuffer([UInt32](repeating: 0, count: QUERN_HISTOGRAM_BINS))
    var histogram = quern_histogram(bins: bins.pointer, minimum: .infinity, maximum: -.infinity, nonfinite: 0)
    for part in parts {
      let x = GuardedBuffer(part)
      kernel.count(x.pointer, part.count, &histogram)
    }
    return Counts(
      bins: bins.values, minimum: histogram.minimum, maximum: histogram.maximum, nonfinite: histogram.nonfinite)
  }

  private func check(_ parts: [[Float]], _ comment: String) {
    var expected = Counts()
    for value in parts.joined() { expected.add(value) }
    for (name, kernel) in histogramTiers {
      let result = run(kernel, parts)
      #expect(firstDifference(result.bins, expected.bins) == nil, "\(name), \(comment)")
      #expect(
        firstDifference([result.minimum, result.maximum], [expected.minimum, expected.maximum]) == nil,
        "\(name), \(comment)")
      #expect(result.nonfinite == expected.nonfinite, "\(name), \(comment)")
    }
  }

  @Test(arguments: [0, 1, 5, 8, 15, 16, 17, 31, 100, 1000, 5000])
  func anyBitPatterns(count: Int) {
    var random = Random(seed: UInt64(count))
    let values = (0..<count).map { _ in Float(bitPattern: UInt32(truncatingIfNeeded: random.next())) }
    check([values], "\(count) values")
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func activationsInParts(seed: UInt64) {
    var random = Random(seed: seed)
    let parts = (0..<3).map { _ in
      random.floats(Int.random(in: 0...3000, using: &random), in: -4...4).map { seed % 2 == 0 ? max($0, 0) : $0 }
    }
    check(parts, "seed \(seed)")
  }

  @Test func edgesOfTheGrid() {
    let edges: [Float] = [0x1p-16, 0x1p16, 65535.996, 0, 1, 2, .leastNonzeroMagnitude, .greatestFiniteMagnitude]
    let neighbours = edges.flatMap { [$0, $0.nextUp, $0.nextDown] }
    check([neighbours + neighbours.map { -$0 } + [.nan, .infinity, -.infinity]], "edges")
    check([(0..<400).map { _ in 1.5 }], "one value")
  }

  /// Only zeros of both signs: the least and the greatest are +0, in whichever order they come.
  @Test func zerosOfBothSigns() {
    for start in 0..<2 {
      let zeros = (0..<37).map { ($0 + start) % 2 == 0 ? Float(0) : -0.0 }
      check([zeros], "zeros")
    }
    check([[-0.0]], "one zero")
  }

  @Test func nothingFiniteLeavesTheEndsAlone() {
    check([[.nan, .infinity]], "nonfinite")
    check([[]], "empty")
  }
}
