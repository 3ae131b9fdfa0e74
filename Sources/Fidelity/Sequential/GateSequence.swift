/// The confidence sequence of a gate's figure, in the figure's unit.
struct GateSequence: Sendable {
  private enum Figure: Sendable {
    case share(ShareSequence)
    /// The mean of values in a range.
    case mean(MeanSequence, ClosedRange<Double>)
  }

  let name: GateName
  private let limit: Double
  private var figure: Figure

  /// - Parameter alpha: the probability with which the sequence may miss the figure.
  /// - Returns: `nil` for a gate whose figure is not a mean over images.
  init?(_ name: GateName, gates: Gates, alpha: Double) {
    self.name = name
    func share(_ percent: Double) -> Figure { .share(ShareSequence(limit: percent / 100, alpha: alpha)) }
    switch name {
    case .meanDrift:
      limit = gates.maxMeanDrift
      // An image above `maxDrift` fails that gate at once.
      let largest = gates.maxDrift > 0 ? min(gates.maxDrift, worstDrift) : worstDrift
      figure = .mean(MeanSequence(alpha: alpha), 0...largest)
    case .top1Agreement:
      limit = gates.minAgreement
      figure = share(limit)
    case .decisiveAgreement:
      guard let percent = gates.minDecisiveAgreement else { return nil }
      limit = percent
      figure = share(percent)
    case .top1Drop:
      limit = gates.maxTop1Drop
      figure = .mean(MeanSequence(alpha: alpha), -100...100)
    case .floatTop1:
      guard let percent = gates.minFloatTop1 else { return nil }
      limit = percent
      figure = share(percent)
    // An image's neighbours depend on all images: agreement with a gallery that grows is not a mean over images.
    case .neighborAgreement: return nil
    case .reference, .regression, .maxDrift, .nonFiniteImages, .packageBytes: return nil
    }
  }

  /// Adds an image, if it is one of those that the figure is measured on.
  mutating func add(_ image: ImageComparison) {
    switch name {
    case .meanDrift: add(image.drift)
    case .top1Agreement: add(image.agreement?.top1)
    case .decisiveAgreement: if image.isNearTie == false { add(image.agreement?.top1) }
    case .top1Drop:
      if let float = image.float, let int8 = image.int8 { add(100 * ((float.top1 ? 1.0 : 0) - (int8.top1 ? 1 : 0))) }
    case .floatTop1: add(image.float?.top1)
    case .reference, .regression, .maxDrift, .nonFiniteImages, .packageBytes, .neighborAgreement: break
    }
  }

  private mutating func add(_ isHit: Bool?) {
    guard let isHit, case .share(var sequence) = figure else { return }
    sequence.add(isHit)
    figure = .share(sequence)
  }

  private mutating func add(_ value: Double) {
    guard case .mean(var sequence, let range) = figure else { return }
    sequence.add(min(max((value - range.lowerBound) / (range.upperBound - range.lowerBound), 0), 1))
    figure = .mean(sequence, range)
  }

  /// Intersects the interval with that after the images so far.
  mutating func narrow() {
    switch figure {
    case .share(var sequence):
      sequence.narrow()
      figure = .share(sequence)
    case .mean(var sequence, let range):
      sequence.narrow()
      figure = .mean(sequence, range)
    }
  }

  /// The interval, in the figure's unit; `nil` where it is empty.
  var interval: ConfidenceInterval? {
    switch figure {
    case .share(let sequence): return sequence.interval?.percent
    case .mean(let sequence, let range):
      let width = range.upperBound - range.lowerBound
      return sequence.interval.map {
        ConfidenceInterval(low: range.lowerBound + width * $0.low, high: range.lowerBound + width * $0.high)
      }
    }
  }

  /// Whether the whole interval is on the passing side of the limit (true) or on the failing side (false); `nil` while
  /// it contains the limit.
  var isKept: Bool? {
    guard let interval else { return nil }
    if name.isMinimum { return interval.low >= limit ? true : interval.high < limit ? false : nil }
    return interval.high <= limit ? true : interval.low > limit ? false : nil
  }
}
