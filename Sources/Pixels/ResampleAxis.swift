import CResampling

/// The weights of one of Pillow's antialiased filters along one axis.
///
/// Output sample `i` is the weighted mean of the input samples within `support = filter.support * max(scale, 1)` of
/// `center = from + (i + 0.5) * scale`, where `scale = (to - from) / outputSize`. The weight of input sample `j` is
/// that of the filter at `(j + 0.5 - center) / max(scale, 1)`. Weights are normalised to a sum of one and rounded to 22
/// fractional bits, halves away from zero. Every expression keeps Pillow's order and precision (the box in single, the
/// others in double), since bit identity depends on it.
struct ResampleAxis: Sendable {
  /// The number of weights of each output; those beyond the filter's support are zero.
  var taps: Int
  /// The input samples that any output needs.
  let inputs: Range<Int>
  /// The first input sample of each output, counted from `inputs.lowerBound`. It never decreases.
  var first: [Int32]
  /// `weights[i * taps + t]` belongs to the input sample `first[i] + t`, counted alike. Those of bicubic and Lanczos
  /// may be negative.
  var weights: [Int32]

  /// - Parameter window: the outputs to compute, in `0 ..< outputSize`.
  init(
    inputSize: Int, from: Float, to: Float, outputSize: Int, window: Range<Int>, filter: ResizeFilter
  ) {
    let scale = Double(to - from) / Double(outputSize)
    let filterScale = max(scale, 1)
    let support = filter.support * filterScale
    let inverse = 1 / filterScale

    func span(_ center: Double) -> Range<Int> {
      // The start does not exceed the end, as every centre lies inside the box, and the box inside the input.
      let end = max(min(Int(center + support + 0.5), inputSize), 1)
      return min(max(Int(center - support + 0.5), 0), end - 1)..<end
    }
    func center(_ output: Int) -> Double { Double(from) + (Double(output) + 0.5) * scale }

    let taps = window.reduce(1) { max($0, span(center($1)).count) }
    var first: [Int32] = []
    var weights = [Int32](repeating: 0, count: window.count * taps)
    first.reserveCapacity(window.count)
    var exact = [Double](repeating: 0, count: taps)
    for (index, output) in window.enumerated() {
      let center = center(output)
      let span = span(center)
      var sum = 0.0
      for (t, input) in span.enumerated() {
        exact[t] = filter.weight((Double(input) - center + 0.5) * inverse)
        sum += exact[t]
      }
      let start = min(span.lowerBound, inputSize - taps)
      let offset = index * taps + span.lowerBound - start
      for t in 0..<span.count {
        let weight = sum == 0 ? 0 : exact[t] / sum
        weights[offset + t] = Int32((weight < 0 ? -0.5 : 0.5) + weight * 4_194_304)
      }
      first.append(Int32(truncatingIfNeeded: start))
    }
    let start = first.first ?? 0
    inputs = Int(start)..<Int(first.last ?? 0) + taps
    (self.taps, self.first, self.weights) = (taps, first.map { $0 - start }, weights)
  }

  /// The number of bytes of the weights and the positions.
  var byteCount: Int { (first.count + weights.count) * MemoryLayout<Int32>.stride }

  /// Calls `body` with the weights in the form that the kernels take, with input samples counted from
  /// `inputs.lowerBound`.
  func withTaps(_ body: (quern_resample_taps) -> Void) {
    first.withUnsafeBufferPointer { first in
      weights.withUnsafeBufferPointer { weights in
        body(
          quern_resample_taps(
            first: first.baseAddress, weights: weights.baseAddress, taps: taps, outputs: first.count))
      }
    }
  }
}
