/// The confidence sequence of a gate's figure, in the figure's unit.
struct GateSequence: Sendable {
  private enum Figure: Sendable {
    case share(ShareSequence)
    /// A mean of values in a range.
    case mean(MeanSequence, ClosedRange<Double>)
  }

  let name: GateName
  private let limit: Double
  private var figure: Figure

  /// - Parameter alpha: the probability with which the sequence may miss the figure.
  /// - Returns: `nil` for a gate whose figure is no mean of the images.
  init?(_ name: GateName, gates: Gates, alpha: Double) {
    self.name = name
    func share(_ percent: Double) -> Figure { .share(ShareSequence(limit: percent / 100, alpha: alpha)) }
    switch name {
    case .meanDrift:
      limit = gates.maxMeanDrift
      // An image above the limit of single images fails that gate at once.
      let largest = gates.maxDrift > 0 ? min(gates.maxDrift, worstDrift) : worstDrift
      figure = .mean(MeanSequence(alpha: alpha), 0...largest)
    case .top1Agreement:
      limit = gates.minAgreement
      figure = share(limit)
    case .clearAgreement:
      guard let percent = gates.minClearAgreement else { return nil }
      limit = percent
      figure = share(percent)
    case .top1Drop:
      limit = gates.maxTop1Drop
      figure = .mean(MeanSequence(alpha: alpha), -100...100)
    case .floatTop1:
      guard let percent = gates.minFloatTop1 else { return nil }
      limit = percent
      figure = share(percent)
    case .reference, .maxDrift, .nonFiniteImages, .packageBytes: return nil
    }
  }

  /// Takes an image in, if it is one of those that the figure is of.
  mutating func add(_ image: ImageComparison) {
    switch name {
    case .meanDrift: add(image.drift)
    case .top1Agreement: add(image.agreement?.top1)
    case .clearAgreement: if image.isCoinToss == false { add(image.agreement?.top1) }
    case .top1Drop:
      if let float = image.float, let int8 = image.int8 { add(100 * ((float.top1 ? 1.0 : 0) - (int8.top1 ? 1 : 0))) }
    case .floatTop1: add(image.float?.top1)
    case .reference, .maxDrift, .nonFiniteImages, .packageBytes: break
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

  /// Takes the interval after the images so far into the intersection of all.
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

  /// In the figure's unit; `nil` where it is empty.
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

  /// Whether the figure keeps the limit (true) or does not (false); `nil` while the interval straddles it.
  var isKept: Bool? {
    guard let interval else { return nil }
    if name.isMinimum { return interval.low >= limit ? true : interval.high < limit ? false : nil }
    return interval.high <= limit ? true : interval.low > limit ? false : nil
  }
}
