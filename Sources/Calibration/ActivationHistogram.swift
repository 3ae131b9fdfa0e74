import CKernels
import Kernels

/// Exact counts of the values of one activation for any number of calibration images, on the fixed logarithmic grid of
/// quern_histogram.h. Every value is counted, memory does not grow, and the counts of parts of the images add up to the
/// same result however the images are split.
///
/// Next to the counts stand the weights of the images that they come from. The drift of an embedding depends on errors
/// relative to the activations of the same image, so that an error is worth less in an image with large activations
/// than the same error in another image.
package struct ActivationHistogram: Sendable, Hashable {
  /// The number of bins.
  package static let binCount = Int(QUERN_HISTOGRAM_BINS)
  private static let binsPerSign = 4096
  /// The number of groups of bins that weights are kept for: the first bin alone, and then 16 bins each.
  package static let groupCount = 1 + 2 * binsPerSign / binsPerGroup
  private static let binsPerGroup = 16
  /// The bit pattern of 2^-16, truncated to sign, exponent and 7 fraction bits.
  private static let base: UInt32 = (127 - 16) << 7

  /// Counts by bin: first the bin of the values nearest zero, then the positive magnitudes, then the negative ones,
  /// both ascending by magnitude.
  package internal(set) var counts: [UInt64]
  /// For each group of bins, the sum of the counts of images, each divided by the mean square of the image's values, in
  /// units of 2^-44. Integers add up to the same sum in any order.
  package internal(set) var weights: [UInt128]
  /// The smallest finite value; +infinity if there is none.
  package internal(set) var minimum: Float
  /// The largest finite value; -infinity if there is none.
  package internal(set) var maximum: Float
  /// The number of NaNs and infinities, which are in no bin.
  package internal(set) var nonFiniteCount: UInt64

  /// A histogram without any value.
  package init() {
    counts = [UInt64](repeating: 0, count: Self.binCount)
    weights = [UInt128](repeating: 0, count: Self.groupCount)
    (minimum, maximum) = (.infinity, -.infinity)
    nonFiniteCount = 0
  }

  /// Restores counts that were stored before; `nil` where no values have these: where they add up to more than their
  /// types hold, or the extremes are not finite or the wrong way round.
  ///
  /// - Parameters:
  ///   - counts: the counts of `binCount` bins.
  ///   - weights: the weights of `groupCount` groups.
  ///   - minimum: the smallest value counted; +infinity if there is none.
  ///   - maximum: the largest value counted; -infinity if there is none.
  package init?(counts: [UInt64], weights: [UInt128], minimum: Float, maximum: Float) {
    precondition(counts.count == Self.binCount, "\(counts.count) counts for \(Self.binCount) bins")
    precondition(weights.count == Self.groupCount, "\(weights.count) weights for \(Self.groupCount) groups")
    guard let total = checkedSum(counts), checkedSum(weights) != nil else { return nil }
    let isEmpty = minimum == .infinity && maximum == -.infinity
    let isRange = minimum.isFinite && maximum.isFinite && minimum <= maximum
    guard total == 0 ? isEmpty : isRange else { return nil }
    (self.counts, self.weights, self.minimum, self.maximum) = (counts, weights, minimum, maximum)
    nonFiniteCount = 0
  }

  /// The number of values in bins.
  package var total: UInt64 { counts.reduce(0, &+) }

  /// The histogram after each value has been clamped to a range that contains zero.
  package func clamped(to range: ClosedRange<Double>) -> ActivationHistogram {
    let (lowest, highest) = (Float(range.lowerBound), Float(range.upperBound))
    guard minimum <= maximum, minimum < lowest || maximum > highest else { return self }
    var result = self
    for bin in counts.indices where counts[bin] > 0 {
      let (lower, upper) = Self.bounds(ofBin: bin)
      let target = (upper <= lowest ? lowest : lower >= highest ? highest : nil).map(Self.bin)
      guard let target, target != bin else { continue }
      let (from, to) = (Self.group(ofBin: bin), Self.group(ofBin: target))
      // The weight of a bin is its share of what is left of its group's.
      let left = result.count(inGroup: from)
      let moved = UInt128(Double(result.weights[from]) * (Double(counts[bin]) / Double(left)))
      let weight = counts[bin] == left ? result.weights[from] : min(moved, result.weights[from])
      result.weights[from] -= weight
      result.weights[to] += weight
      result.counts[target] += counts[bin]
      result.counts[bin] = 0
    }
    (result.minimum, result.maximum) = (min(max(minimum, lowest), highest), max(min(maximum, highest), lowest))
    return result
  }

  /// Adds the counts and weights of another histogram.
  package mutating func merge(_ other: ActivationHistogram) {
    for bin in counts.indices { counts[bin] &+= other.counts[bin] }
    for group in weights.indices { weights[group] &+= other.weights[group] }
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
    nonFiniteCount &+= other.nonFiniteCount
  }

  /// Counts the values of one image.
  ///
  /// - Parameters:
  ///   - values: the values, which need not be finite.
  ///   - kernels: the kernels to count with; they all give the same counts.
  package mutating func count(_ values: [Float], kernels: KernelSet = KernelSet()) {
    var scratch = HistogramScratch()
    values.withUnsafeBufferPointer { scratch.count($0, into: &self, kernels: kernels) }
  }

  /// The index of the bin of a finite value.
  package static func bin(of value: Float) -> Int {
    let magnitude = value.bitPattern & 0x7FFF_FFFF
    let cut = magnitude >> 16
    guard cut >= base else { return 0 }
    let index = min(Int(cut - base), binsPerSign - 1)
    return 1 + index + (value.sign == .minus ? binsPerSign : 0)
  }

  /// The index of the group of a bin.
  static func group(ofBin bin: Int) -> Int { bin == 0 ? 0 : 1 + (bin - 1) / binsPerGroup }

  /// The number of values in the bins of a group.
  private func count(inGroup group: Int) -> UInt64 {
    let bins = group == 0 ? 0..<1 : 1 + (group - 1) * Self.binsPerGroup..<1 + group * Self.binsPerGroup
    return counts[bins].reduce(0, &+)
  }

  /// The bounds of a bin's values. The first bin contains the values around zero.
  package static func bounds(ofBin bin: Int) -> (lower: Float, upper: Float) {
    guard bin > 0 else { return (-0x1p-16, 0x1p-16) }
    let isNegative = bin > binsPerSign
    let index = UInt32(bin - 1 - (isNegative ? binsPerSign : 0))
    let inner = Float(bitPattern: (base + index) << 16)
    let outer = Float(bitPattern: (base + index + 1) << 16)
    return isNegative ? (-outer, -inner) : (inner, outer)
  }

  /// The occupied bins in ascending order of their values, with their bounds limited to the observed minimum and
  /// maximum.
  package var occupied: [(lower: Double, upper: Double, count: Double)] { occupied { Double(counts[$0]) } }

  /// The same bins with counts that make every image weigh the same: an error that is as large, relative to the
  /// activation of an image, counts as much in one image as in another. The unit of the counts is arbitrary.
  package var weighted: [(lower: Double, upper: Double, count: Double)] {
    guard weights.contains(where: { $0 > 0 }) else { return occupied }
    let groups = weights.indices.map { Double(weights[$0]) / Double(max(count(inGroup: $0), 1)) }
    return occupied { Double(counts[$0]) * groups[Self.group(ofBin: $0)] }
  }

  /// - Parameter count: the count to state for a bin.
  private func occupied(_ count: (Int) -> Double) -> [(lower: Double, upper: Double, count: Double)] {
    let negative = stride(from: Self.binCount - 1, through: 1 + Self.binsPerSign, by: -1)
    let order = Array(negative) + [0] + Array(1...Self.binsPerSign)
    return order.compactMap { bin in
      guard counts[bin] > 0 else { return nil }
      let (lower, upper) = Self.bounds(ofBin: bin)
      // Values beyond the grid are in its last bins.
      let isLast = bin == Self.binsPerSign
      let isFirst = bin == Self.binCount - 1
      return (
        Double(isFirst ? minimum : max(lower, minimum)), Double(isLast ? maximum : min(upper, maximum)),
        count(bin)
      )
    }
  }
}

/// Working memory for counting one tensor, which is reused for the next.
struct HistogramScratch {
  private var bins = [UInt32](repeating: 0, count: ActivationHistogram.binCount)

  /// Adds the counts of `values` to `histogram`.
  mutating func count(
    _ values: UnsafeBufferPointer<Float>, into histogram: inout ActivationHistogram, kernels: KernelSet
  ) {
    // A call counts fewer than 2^31 values, so 32-bit bins cannot overflow.
    var start = 0
    while start < values.count {
      let part = UnsafeBufferPointer(rebasing: values[start..<min(values.count, start + 1 << 30)])
      countPart(part, into: &histogram, kernels: kernels)
      start += part.count
    }
  }

  private mutating func countPart(
    _ values: UnsafeBufferPointer<Float>, into histogram: inout ActivationHistogram, kernels: KernelSet
  ) {
    bins.withUnsafeMutableBufferPointer { bins in
      bins.update(repeating: 0)
      var counted = quern_histogram(
        bins: bins.baseAddress, minimum: histogram.minimum, maximum: histogram.maximum, nonfinite: 0)
      kernels.histogram.count(values.baseAddress, values.count, &counted)
      histogram.minimum = counted.minimum
      histogram.maximum = counted.maximum
      histogram.nonFiniteCount &+= counted.nonfinite
      let weight = Self.weight(of: bins)
      for bin in bins.indices where bins[bin] != 0 {
        histogram.counts[bin] &+= UInt64(bins[bin])
        // A sum is below 2^84 times a count, and counts below 2^44.
        histogram.weights[ActivationHistogram.group(ofBin: bin)] &+= weight &* UInt128(bins[bin])
      }
    }
  }

  /// The inverse of the mean square of an image's values, in units of 2^-44: at most 2^84, and 0 where all values are.
  /// The values of a bin are taken to be in its middle; the largest counted is 2^16.
  private static func weight(of bins: UnsafeMutableBufferPointer<UInt32>) -> UInt128 {
    var (power, count) = (0.0, 0.0)
    for bin in bins.indices where bins[bin] != 0 {
      count += Double(bins[bin])
      guard bin > 0 else { continue }
      let (lower, upper) = ActivationHistogram.bounds(ofBin: bin)
      let middle = (Double(lower) + Double(upper)) / 2
      power += Double(bins[bin]) * middle * middle
    }
    return power > 0 ? UInt128(min(0x1p44 * count / power, 0x1p84)) : 0
  }
}

/// The sum of numbers; `nil` where it is more than their type holds.
private func checkedSum<Number: FixedWidthInteger>(_ numbers: [Number]) -> Number? {
  var sum: Number = 0
  for number in numbers {
    let (next, overflow) = sum.addingReportingOverflow(number)
    guard !overflow else { return nil }
    sum = next
  }
  return sum
}
