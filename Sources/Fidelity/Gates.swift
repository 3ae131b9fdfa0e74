/// The tolerances a package must keep.
package struct Gates: Hashable, Sendable {
  /// Of the images' drift (0 to 2).
  package let maxMeanDrift: Double
  /// Of any image's drift (0 to 2).
  package let maxDrift: Double
  /// Percent of the images both networks must give the same class; not applied without a classifier.
  package let minAgreement: Double
  /// The same of the images that are no coin toss (`CoinToss`); nil: not applied.
  package let minClearAgreement: Double?
  /// Percentage points of top-1 accuracy that may be lost; not applied without labelled images.
  package let maxTop1Drop: Double
  /// Percent of the labelled images whose class the float network must rank first; nil: not applied. It fails without
  /// labelled images: what was to be checked was not.
  package let minFloatTop1: Double?

  /// - Throws: `FidelityError.limit` for a limit that is NaN, infinite or out of the gate's range, and for a share from 0 to 1
  ///   where a percentage is meant.
  package init(
    maxMeanDrift: Double = 0.01, maxDrift: Double = 0.05, minAgreement: Double = 95,
    minClearAgreement: Double? = nil, maxTop1Drop: Double = 1, minFloatTop1: Double? = nil
  ) throws(FidelityError) {
    let limits: [(GateName, Double)] = [
      (.meanDrift, maxMeanDrift), (.maxDrift, maxDrift), (.top1Agreement, minAgreement),
      (.clearAgreement, minClearAgreement ?? 0), (.top1Drop, maxTop1Drop), (.floatTop1, minFloatTop1 ?? 0),
    ]
    for (gate, limit) in limits where !gate.limits.contains(limit) || gate.isLikelyShare(limit) {
      throw .limit(gate, limit)
    }
    self.maxMeanDrift = maxMeanDrift
    self.maxDrift = maxDrift
    self.minAgreement = minAgreement
    self.minClearAgreement = minClearAgreement
    self.maxTop1Drop = maxTop1Drop
    self.minFloatTop1 = minFloatTop1
  }

  /// Holds the figures against the tolerances, in the order of `GateName`.
  ///
  /// A value equal to its limit passes. Without images the drift gates have no value and fail.
  package func results(for figures: FidelityFigures) -> [GateResult] {
    var results = [
      meanDriftResult(figures),
      GateResult(.maxDrift, value: figures.drift.max, limit: maxDrift),
    ]
    if let agreement = figures.agreement.top1 {
      results.append(
        GateResult(
          .top1Agreement, value: agreement, limit: minAgreement, interval: figures.agreement.top1Interval,
          images: figures.images,
          needed: SampleSize.ofShare(agreement / 100, limit: minAgreement / 100)))
    }
    if let limit = minClearAgreement, let clear = figures.clearAgreement {
      results.append(
        GateResult(
          .clearAgreement, value: clear.top1, limit: limit, interval: clear.top1Interval, images: clear.images,
          needed: clear.top1.flatMap { SampleSize.ofShare($0 / 100, limit: limit / 100) }))
    }
    if let drop = figures.top1Drop {
      results.append(top1DropResult(drop, figures))
    }
    if let limit = minFloatTop1 {
      results.append(
        GateResult(
          .floatTop1, value: figures.float.top1, limit: limit, interval: figures.float.top1Interval,
          images: figures.labelledImages,
          needed: figures.float.top1.flatMap { SampleSize.ofShare($0 / 100, limit: limit / 100) }))
    }
    // Such images count as drift 2, which fails the drift gates unless their limits were loosened that far.
    if figures.nonFiniteImages > 0 {
      results.append(GateResult(.nonFiniteImages, value: Double(figures.nonFiniteImages), limit: 0))
    }
    guard let stop = figures.stop else { return results }
    return results.map { $0.replacingInterval(by: stop.intervals[$0.name]) }
  }

  private func meanDriftResult(_ figures: FidelityFigures) -> GateResult {
    guard let mean = figures.drift.mean else { return GateResult(.meanDrift, value: nil, limit: maxMeanDrift) }
    guard let interval = figures.drift.meanInterval, let deviation = figures.drift.deviation else {
      // A single image tells nothing of the spread: the mean may be anything, and a second one is the least that tells.
      return GateResult(
        .meanDrift, value: mean, limit: maxMeanDrift, interval: ConfidenceInterval(low: 0, high: worstDrift), images: 1,
        needed: 2)
    }
    return GateResult(
      .meanDrift, value: mean, limit: maxMeanDrift, interval: interval, images: figures.images,
      needed: SampleSize.ofMean(mean, deviation: deviation, limit: maxMeanDrift))
  }

  private func top1DropResult(_ drop: Double, _ figures: FidelityFigures) -> GateResult {
    let n = Double(figures.labelledImages)
    let needed = figures.top1Changes.flatMap {
      SampleSize.ofDifference(lost: Double($0.lost) / n, gained: Double($0.gained) / n, limit: maxTop1Drop / 100)
    }
    return GateResult(
      .top1Drop, value: drop, limit: maxTop1Drop, interval: figures.top1DropInterval, images: figures.labelledImages,
      needed: needed)
  }
}

/// What a gate measures; the raw value is its name in reports.
package enum GateName: String, CaseIterable, Hashable, Sendable, Codable {
  /// The float network's difference from its framework, as a share of the tolerance; present only where that was measured.
  case reference
  case meanDrift = "mean_drift"
  case maxDrift = "max_drift"
  case top1Agreement = "top1_agreement"
  /// Present only where it was asked for.
  case clearAgreement = "clear_agreement"
  case top1Drop = "top1_drop"
  /// Present only where it was asked for; nothing that the package computes.
  case floatTop1 = "float_top1"
  /// Present only when there are such images; its limit is always 0.
  case nonFiniteImages = "non_finite_images"
  /// Present only where the package was to have a size; nothing that it computes.
  case packageBytes = "package_bytes"
}

/// A figure held against its limit.
package struct GateResult: Hashable, Sendable {
  /// What can be said for all images, of which those that were measured are a sample.
  package enum Verdict: String, Hashable, Sendable, Codable {
    case pass
    case fail
    /// The interval straddles the limit: more images might turn the outcome.
    case inconclusive
  }

  /// A way to an interval that is not the figure's usual one.
  package enum IntervalMethod: String, Hashable, Sendable, Codable {
    /// Those of all gates hold together, wherever one stops.
    case confidenceSequence = "confidence_sequence"
  }

  package let name: GateName
  /// nil if it cannot be computed: without images, or if it is not finite.
  package let value: Double?
  package let limit: Double
  /// With 95 % confidence, in the unit of the value. nil for what is no estimate: the greatest drift of these images says
  /// nothing of that of others.
  package private(set) var interval: ConfidenceInterval?
  /// How the interval was found; nil for the method that belongs to the figure: bootstrap, Wilson, or Agresti and Min.
  package private(set) var intervalMethod: IntervalMethod?
  /// For an inconclusive gate, about how many images would make it conclusive if the value and the spread stayed what they
  /// are; nil if no number would.
  package private(set) var neededImages: Int?

  /// Whether the value is there and within the limit.
  package var passed: Bool { value.map(passes) ?? false }

  /// The outcome, unless the interval straddles the limit.
  package var verdict: Verdict {
    isConclusive ? (passed ? .pass : .fail) : .inconclusive
  }

  private var isConclusive: Bool {
    interval.map { passes($0.low) == passed && passes($0.high) == passed } ?? true
  }

  package init(
    _ name: GateName, value: Double?, limit: Double, interval: ConfidenceInterval? = nil, images: Int = 0,
    needed: Int? = nil
  ) {
    self.init(
      name: name, value: value.flatMap { $0.isFinite ? $0 : nil }, limit: limit, interval: interval,
      // The formulas are approximations: a number that is there already was not enough.
      neededImages: needed.map { max($0, images + 1) })
  }

  /// - Parameter neededImages: counts only where the gate is inconclusive.
  init(
    name: GateName, value: Double?, limit: Double, interval: ConfidenceInterval?, intervalMethod: IntervalMethod? = nil,
    neededImages: Int?
  ) {
    self.name = name
    self.value = value
    self.limit = limit
    self.interval = interval
    self.intervalMethod = intervalMethod
    if !isConclusive { self.neededImages = neededImages }
  }

  /// The same with the interval of a confidence sequence, or none.
  func replacingInterval(by interval: ConfidenceInterval?) -> GateResult {
    GateResult(
      name: name, value: value, limit: limit, interval: interval,
      intervalMethod: interval.map { _ in .confidenceSequence }, neededImages: nil)
  }

  private func passes(_ value: Double) -> Bool { name.isMinimum ? value >= limit : value <= limit }
}

extension GateName {
  /// Whether the limit is the least value that passes; otherwise it is the greatest.
  package var isMinimum: Bool { [.top1Agreement, .clearAgreement, .floatTop1].contains(self) }

  /// The limits that can be given.
  var limits: ClosedRange<Double> {
    switch self {
    case .meanDrift, .maxDrift: 0...worstDrift
    case .top1Agreement, .clearAgreement, .top1Drop, .floatTop1: 0...100
    case .reference, .nonFiniteImages, .packageBytes: 0...Double.greatestFiniteMagnitude
    }
  }

  /// Whether a limit in percent is one of those that are given where a share from 0 to 1 is taken for percent: nobody asks for
  /// at least 1 % agreement. 0 stands for no limit.
  func isLikelyShare(_ limit: Double) -> Bool { isMinimum && limit > 0 && limit <= 1 }

  /// The option of the tool that sets the limit.
  var option: String {
    switch self {
    case .meanDrift: "--max-mean-drift"
    case .maxDrift: "--max-drift"
    case .top1Agreement: "--min-agreement"
    case .clearAgreement: "--min-clear-agreement"
    case .top1Drop: "--max-top1-drop"
    case .floatTop1: "--min-float-top1"
    case .packageBytes: "--max-bytes"
    case .nonFiniteImages: "the limit of non-finite images"
    case .reference: "--reference-embedding-tolerance"
    }
  }
}
