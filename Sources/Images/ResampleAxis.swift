import CImageCodecs

/// The weights of one of Pillow's antialiased filters along one axis.
///
/// Output sample `i` is the weighted mean of the input samples within `support = filter.support * max(scale, 1)` of
/// `center = from + (i + 0.5) * scale`, where `scale = (to - from) / outputSize`; the weight of input sample `j` is that of
/// the filter at `(j + 0.5 - center) / max(scale, 1)`, normalised to sum to one and rounded to 22 fractional bits, halves
/// away from zero. Every expression keeps Pillow's order and precision (the box in single, the others in double), since bit
/// identity depends on it.
struct ResampleAxis {
  /// Weights for each output; those beyond the filter's support are zero.
  var taps: Int
  /// The first input sample of each output; `first[i] + taps <= inputSize`, and it never decreases.
  var first: [Int32]
  /// `weights[i * taps + t]` belongs to the input sample `first[i] + t`. Those of bicubic and Lanczos may be negative.
  var weights: [Int32]

  /// - Parameter window: the outputs to compute, of the `outputSize` there are.
  init(
    inputSize: Int, from: Float, to: Float, outputSize: Int, window: Range<Int>, filter: ResizeFilter
  ) {
    let scale = Double(to - from) / Double(outputSize)
    let filterScale = max(scale, 1)
    let support = filter.support * filterScale
    let inverse = 1 / filterScale

    func span(_ center: Double) -> Range<Int> {
      // The start never passes the end: a box that lies inside the input keeps each centre inside it.
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
    (self.taps, self.first, self.weights) = (taps, first, weights)
  }

  /// The input samples that any output needs.
  var inputs: Range<Int> {
    guard let start = first.first, let end = first.last else { return 0..<0 }
    return Int(start)..<Int(end) + taps
  }

  /// Calls `body` with the weights as the kernels take them, input samples counted from the first that is needed.
  func withTaps(_ body: (quern_resample_taps) -> Void) {
    let origin = first.first ?? 0
    let relative = first.map { $0 - origin }
    relative.withUnsafeBufferPointer { first in
      weights.withUnsafeBufferPointer { weights in
        body(
          quern_resample_taps(
            first: first.baseAddress, weights: weights.baseAddress, taps: taps, outputs: first.count))
      }
    }
  }
}
