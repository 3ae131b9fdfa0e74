import Calibration
import ReferenceOperators
import Testing

@Suite struct HistogramTests {
  /// Counts by the bins' bounds, which is another way than the bit patterns that the kernels cut.
  private struct Naive: Equatable {
    var counts = [UInt64](repeating: 0, count: ActivationHistogram.binCount)
    var minimum = Float.infinity
    var maximum = -Float.infinity
    var nonFiniteCount: UInt64 = 0

    init(_ values: [Float]) {
      // Magnitudes' lower bounds, 128 to a power of two.
      let lowers = (0..<4096).map {
        Float(sign: .plus, exponent: -16 + $0 / 128, significand: 1 + Float($0 % 128) / 128)
      }
      for value in values {
        guard value.isFinite else {
          nonFiniteCount += 1
          continue
        }
        minimum = min(minimum, value)
        maximum = max(maximum, value)
        // Binary search for the last lower bound that is no larger.
        var (low, high) = (0, 4096)
        while low < high {
          let middle = (low + high) / 2
          if lowers[middle] <= abs(value) { low = middle + 1 } else { high = middle }
        }
        counts[low == 0 ? 0 : (value < 0 ? 4096 : 0) + low] += 1
      }
    }
  }

  private static func values(seed: Int) -> [Float] {
    var random = SplitMix64(seed: UInt64(seed))
    let count = random.int(0...3000)
    let special: [Float] = [
      0, -0.0, 0x1p-16, -0x1p-16, (0x1p-16 as Float).nextDown, 0x1p16, -0x1p16, (0x1p16 as Float).nextDown, 1, -1,
      .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude, -.greatestFiniteMagnitude,
    ]
    let hasNonFinite = random.chance(0.5)
    return (0..<count).map { _ in
      switch random.int(0...9) {
      case 0: random.pick(special)
      case 1 where hasNonFinite: random.pick([.nan, .infinity, -.infinity])
      case 2: Float(bitPattern: UInt32.random(in: 0..<0x7F80_0000, using: &random))
      case 3: -Float(bitPattern: UInt32.random(in: 0..<0x7F80_0000, using: &random))
      default: Float.random(in: -3...5, using: &random)
      }
    }
  }

  @Test(arguments: 0..<40)
  func countsAreExactInEveryTier(seed: Int) {
    let values = Self.values(seed: seed)
    let expected = Naive(values)
    for (tier, kernels) in KernelTiers.runnable {
      var histogram = ActivationHistogram()
      histogram.count(values, kernels: kernels)
      #expect(histogram.counts == expected.counts, "\(tier)")
      #expect(histogram.minimum == expected.minimum && histogram.maximum == expected.maximum, "\(tier)")
      #expect(histogram.nonFiniteCount == expected.nonFiniteCount, "\(tier)")
      #expect(histogram.total + histogram.nonFiniteCount == UInt64(values.count))
    }
  }

  /// The images of a seed: runs of its values, with magnitudes that differ.
  private static func images(seed: Int) -> [[Float]] {
    let values = Self.values(seed: seed)
    var random = SplitMix64(seed: UInt64(seed))
    var images: [[Float]] = []
    var first = 0
    while first < values.count {
      let end = random.int(first + 1...values.count)
      let scale: Float = random.pick([1, 1, 0.01, 30])
      images.append(values[first..<end].map { scale * $0 })
      first = end
    }
    return images
  }

  @Test(arguments: 0..<40)
  func anyGroupingOfImagesMergesToTheSame(seed: Int) {
    var random = SplitMix64(seed: UInt64(seed))
    let images = Self.images(seed: seed)
    var whole = ActivationHistogram()
    for image in images { whole.count(image) }
    var parts: [ActivationHistogram] = [ActivationHistogram()]
    for image in images {
      // Some images are counted into the same part, some are merged.
      if random.chance(0.5) { parts.append(ActivationHistogram()) }
      parts[parts.count - 1].count(image)
    }
    parts.shuffle(using: &random)
    let merged = parts.reduce(into: ActivationHistogram()) { $0.merge($1) }
    #expect(merged == whole)
    // Grouped otherwise.
    let halves = [parts[..<(parts.count / 2)], parts[(parts.count / 2)...]].map { part in
      part.reduce(into: ActivationHistogram()) { $0.merge($1) }
    }
    var grouped = halves[1]
    grouped.merge(halves[0])
    #expect(grouped == whole)
  }

  /// Against sums over the values themselves. Within a group of bins, only the sum of weights is exact.
  @Test(arguments: 0..<40)
  func imagesWeighByTheInverseOfTheirPower(seed: Int) {
    let images = Self.images(seed: seed).map { $0.filter { abs($0) < 0x1p16 } }
    var histogram = ActivationHistogram()
    var expected = (sum: 0.0, positive: 0.0)
    for image in images {
      histogram.count(image)
      let power = image.reduce(0) { $0 + ($1.magnitude < 0x1p-16 ? 0 : Double($1) * Double($1)) }
      guard power > 0 else { continue }
      let weight = Double(image.count) / power
      // Weights are integers in units of 2^-44, and at most 2^40.
      guard weight < 0x1p40 else { continue }
      expected.sum += weight * Double(image.count)
      expected.positive += weight * Double(image.count { $0 >= 0x1p-16 })
    }
    guard expected.sum > 0 else { return }
    let unit = 0x1p44
    let weighted = histogram.weighted
    let sum = weighted.reduce(0) { $0 + $1.count } / unit
    let positive = weighted.filter { $0.lower > 0 }.reduce(0) { $0 + $1.count } / unit
    // Bins are 1/128 of their values wide.
    #expect(abs(sum - expected.sum) <= 0.01 * expected.sum)
    #expect(abs(positive - expected.positive) <= 0.01 * expected.sum)
    // Clamping moves weights and loses none.
    let clamped = histogram.clamped(to: -0.7...1.3)
    let (moved, whole): (UInt128, UInt128) = (clamped.weights.reduce(0, +), histogram.weights.reduce(0, +))
    #expect(moved == whole)
    #expect(clamped.total == histogram.total)
  }

  @Test func valuesAroundZeroHaveNoWeight() {
    var histogram = ActivationHistogram()
    histogram.count([0, 1e-6, -1e-6])
    #expect(histogram.weights.allSatisfy { $0 == 0 } && histogram.total == 3)
    #expect(histogram.weighted.map(\.count) == histogram.occupied.map(\.count))
    // The largest and the smallest values that can be told apart.
    histogram.count([.greatestFiniteMagnitude])
    histogram.count([0x1p-16] + [Float](repeating: 0, count: 1_000_000))
    #expect(histogram.weights.reduce(0, +) > 0 && histogram.weighted.allSatisfy { $0.count.isFinite })
  }

  @Test func binsAndBoundsAgree() {
    for bin in 1..<ActivationHistogram.binCount {
      let (lower, upper) = ActivationHistogram.bounds(ofBin: bin)
      #expect(lower < upper)
      let (inner, outer) = lower > 0 ? (lower, upper) : (upper, lower)
      #expect(ActivationHistogram.bin(of: inner) == bin)
      #expect(ActivationHistogram.bin(of: inner > 0 ? outer.nextDown : outer.nextUp) == bin)
      #expect(abs(outer - inner) <= abs(inner) / 128)
    }
    for value: Float in [0, -0.0, 1e-6, -1e-6, .leastNonzeroMagnitude] {
      #expect(ActivationHistogram.bin(of: value) == 0)
    }
    #expect(ActivationHistogram.bin(of: .greatestFiniteMagnitude) == 4096)
    #expect(ActivationHistogram.bin(of: -.greatestFiniteMagnitude) == 8192)
  }

  @Test(arguments: 0..<20)
  func occupiedBinsAreInOrderAndHoldTheirValues(seed: Int) {
    let values = Self.values(seed: seed).filter(\.isFinite)
    var histogram = ActivationHistogram()
    histogram.count(values)
    let bins = histogram.occupied
    #expect(bins.reduce(0) { $0 + $1.count } == Double(values.count))
    for (a, b) in zip(bins, bins.dropFirst()) { #expect(a.upper <= b.lower) }
    for bin in bins { #expect(bin.lower <= bin.upper) }
    guard let first = bins.first, let last = bins.last else { return }
    #expect(first.lower == Double(histogram.minimum) && last.upper == Double(histogram.maximum))
    for value in values {
      #expect(bins.contains { $0.lower <= Double(value) && Double(value) <= $0.upper })
    }
  }
}
