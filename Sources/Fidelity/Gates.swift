import ReportRules

/// The limits that a package must keep.
package struct Gates: Hashable, Sendable {
  /// The highest mean drift, from 0 to 2.
  package let maxMeanDrift: Double
  /// The highest drift of any image, from 0 to 2.
  package let maxDrift: Double
  /// The lowest agreement, in percent of the images that both networks must give the same class; not applied without a
  /// classifier, unless it is required.
  package let minAgreement: Double
  /// Whether the gate on agreement fails without a classifier. One that nothing can fail, of 0 %, does not.
  package let requiresAgreement: Bool
  /// The lowest decisive agreement, in percent of the images that are not near ties (`NearTie`); nil: not applied. The
  /// gate fails without a classifier, unless nothing can fail it.
  package let minDecisiveAgreement: Double?
  /// The highest loss of top-1 accuracy, in percentage points; not applied without labelled images, unless it is
  /// required.
  package let maxTop1Drop: Double
  /// Whether the gate on the loss of accuracy fails without labelled images. One that nothing can fail, of 100 points,
  /// does not.
  package let requiresTop1Drop: Bool
  /// The lowest top-1 accuracy of the float network, in percent of the labelled images; nil: not applied. The gate
  /// fails without labelled images, as the accuracy was not measured.
  package let minFloatTop1: Double?
  /// The lowest neighbour agreement, in percent of the images that are searched, in the gallery where it is lower; nil:
  /// not applied. The gate fails where neighbours were not measured, as with fewer than two images.
  package let minNeighborAgreement: Double?

  /// The default limits of `minAgreement` and `maxTop1Drop`.
  package static let (defaultMinAgreement, defaultMaxTop1Drop) = (95.0, 1.0)

  /// - Throws: `FidelityError.limit` for a limit that is NaN, infinite or out of the gate's range, and for a share from
  ///   0 to 1 where a percentage is meant.
  package init(
    maxMeanDrift: Double = 0.01, maxDrift: Double = 0.05, minAgreement: Double = Self.defaultMinAgreement,
    requiresAgreement: Bool = false, minDecisiveAgreement: Double? = nil, maxTop1Drop: Double = Self.defaultMaxTop1Drop,
    requiresTop1Drop: Bool = false, minFloatTop1: Double? = nil, minNeighborAgreement: Double? = nil
  ) throws(FidelityError) {
    let limits: [(GateName, Double)] = [
      (.meanDrift, maxMeanDrift), (.maxDrift, maxDrift), (.top1Agreement, minAgreement),
      (.decisiveAgreement, minDecisiveAgreement ?? 0), (.top1Drop, maxTop1Drop), (.floatTop1, minFloatTop1 ?? 0),
      (.neighborAgreement, minNeighborAgreement ?? 0),
    ]
    for (gate, limit) in limits where !gate.limits.contains(limit) || gate.isLikelyShare(limit) {
      throw .limit(gate, limit)
    }
    self.maxMeanDrift = maxMeanDrift
    self.maxDrift = maxDrift
    self.minAgreement = minAgreement
    self.requiresAgreement = requiresAgreement
    self.minDecisiveAgreement = minDecisiveAgreement
    self.maxTop1Drop = maxTop1Drop
    self.requiresTop1Drop = requiresTop1Drop
    self.minFloatTop1 = minFloatTop1
    self.minNeighborAgreement = minNeighborAgreement
  }

  /// Compares the figures with the limits, in the order of `GateName`.
  ///
  /// A value equal to its limit passes. Without images the drift gates have no value and fail, and so do gates that are
  /// required and whose figures were not measured.
  package func results(for figures: FidelityFigures) -> [GateResult] {
    var results = [
      meanDriftResult(figures),
      GateResult(.maxDrift, value: figures.drift.max, limit: maxDrift),
    ]
    if figures.agreement.top1 != nil || requiresAgreement && minAgreement > 0 {
      results.append(
        GateResult(
          .top1Agreement, value: figures.agreement.top1, limit: minAgreement, interval: figures.agreement.top1Interval,
          images: figures.images,
          needed: figures.agreement.top1.flatMap { SampleSize.ofShare($0 / 100, limit: minAgreement / 100) }))
    }
    if let limit = minDecisiveAgreement, figures.decisiveAgreement != nil || limit > 0 {
      let decisive = figures.decisiveAgreement
      results.append(
        GateResult(
          .decisiveAgreement, value: decisive?.top1, limit: limit, interval: decisive?.top1Interval,
          images: decisive?.images ?? 0,
          needed: decisive?.top1.flatMap { SampleSize.ofShare($0 / 100, limit: limit / 100) }))
    }
    if let drop = figures.top1Drop {
      results.append(top1DropResult(drop, figures))
    } else if requiresTop1Drop, maxTop1Drop < 100 {
      results.append(GateResult(.top1Drop, value: nil, limit: maxTop1Drop))
    }
    if let limit = minFloatTop1 {
      results.append(
        GateResult(
          .floatTop1, value: figures.float.top1, limit: limit, interval: figures.float.top1Interval,
          images: figures.labelledImages,
          needed: figures.float.top1.flatMap { SampleSize.ofShare($0 / 100, limit: limit / 100) }))
    }
    if let limit = minNeighborAgreement {
      let agreement = figures.neighbors?.lowerAgreement
      results.append(
        GateResult(
          .neighborAgreement, value: agreement?.top1, limit: limit, interval: agreement?.top1Interval,
          images: figures.neighbors?.images ?? 0,
          needed: agreement.flatMap { SampleSize.ofShare($0.top1 / 100, limit: limit / 100) }))
    }
    // Such images count as drift 2, which fails the drift gates unless their limits allow for it.
    if figures.nonFiniteImages > 0 {
      results.append(GateResult(.nonFiniteImages, value: Double(figures.nonFiniteImages), limit: 0))
    }
    guard let stop = figures.stop else { return results }
    return results.map { $0.replacingInterval(by: stop.intervals[$0.name]) }
  }

  private func meanDriftResult(_ figures: FidelityFigures) -> GateResult {
    guard let mean = figures.drift.mean else { return GateResult(.meanDrift, value: nil, limit: maxMeanDrift) }
    guard let interval = figures.drift.meanInterval, let deviation = figures.drift.deviation else {
      // A single image says nothing about the spread: the mean may be anything, and two images are the minimum.
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

/// The figure that a gate limits, which libquern knows, too.
package typealias GateName = ReportRules.GateName

/// A figure compared with its limit.
package struct GateResult: Hashable, Sendable {
  /// The conclusion about all images, from the sample that was measured.
  package enum Verdict: String, Hashable, Sendable, Codable {
    case pass
    case fail
    /// The interval contains the limit: more images might change the outcome.
    case inconclusive
  }

  /// How an interval was found, where it is not the figure's usual method.
  package enum IntervalMethod: String, Hashable, Sendable, Codable {
    /// The intervals of all gates are valid together, whenever verification stops.
    case confidenceSequence = "confidence_sequence"
  }

  /// The figure that the gate limits.
  package let name: GateName
  /// nil if it cannot be computed: without images, or if it is not finite.
  package let value: Double?
  /// The lowest value that passes where `name.isMinimum`, otherwise the highest; in the unit of the value.
  package let limit: Double
  /// The 95 % confidence interval, in the unit of the value. nil for a figure that is not an estimate: the maximum
  /// drift of these images says nothing about that of others.
  package private(set) var interval: ConfidenceInterval?
  /// How the interval was found; nil for the figure's usual method: bootstrap, Wilson, or Agresti and Min.
  package private(set) var intervalMethod: IntervalMethod?
  /// For an inconclusive gate, about how many images would decide it if value and spread stayed the same; nil if no
  /// number would.
  package private(set) var neededImages: Int?
  /// The limit that holds by default, where it does not follow from the name.
  private var ownDefaultLimit: Double?

  /// Whether there is a value and it is within the limit.
  package var passed: Bool { value.map(passes) ?? false }

  /// The outcome, or `inconclusive` where the interval contains the limit.
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
      // The formulas are approximations: these images did not decide the gate, so it takes at least one more.
      neededImages: needed.map { max($0, images + 1) })
  }

  /// - Parameter neededImages: ignored unless the gate is inconclusive.
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

  /// The result with the interval of a confidence sequence, or without one.
  func replacingInterval(by interval: ConfidenceInterval?) -> GateResult {
    GateResult(
      name: name, value: value, limit: limit, interval: interval,
      intervalMethod: interval.map { _ in .confidenceSequence }, neededImages: nil)
  }

  /// The result with a default limit that does not follow from the name; `nil` for none.
  func loosened(from standard: Double?) -> GateResult {
    var result = self
    result.ownDefaultLimit = standard
    return result
  }

  /// The default limit, where this one is looser.
  package var loosenedFrom: Double? {
    guard let standard = ownDefaultLimit ?? name.defaultLimit else { return nil }
    return (name.isMinimum ? limit < standard : limit > standard) ? standard : nil
  }

  private func passes(_ value: Double) -> Bool { name.passes(value, limit: limit) }
}

extension GateName {
  /// The limit that holds where no other is given; `nil` for gates that are then not applied.
  package var defaultLimit: Double? {
    switch self {
    case .meanDrift: 0.01
    case .maxDrift: 0.05
    case .top1Agreement: Gates.defaultMinAgreement
    case .top1Drop: Gates.defaultMaxTop1Drop
    case .reference, .regression, .decisiveAgreement, .floatTop1, .neighborAgreement, .nonFiniteImages, .packageBytes:
      nil
    }
  }

  /// Whether a limit in percent is probably meant as a share from 0 to 1: nobody requires at least 1 % agreement. 0
  /// stands for no limit.
  func isLikelyShare(_ limit: Double) -> Bool { isMinimum && limit > 0 && limit <= 1 }

  /// The option of the tool that sets the limit.
  var option: String {
    switch self {
    case .meanDrift: "--max-mean-drift"
    case .maxDrift: "--max-drift"
    case .top1Agreement: "--min-agreement"
    case .decisiveAgreement: "--min-decisive-agreement"
    case .top1Drop: "--max-top1-drop"
    case .floatTop1: "--min-float-top1"
    case .neighborAgreement: "--min-neighbour-agreement"
    case .packageBytes: "--max-bytes"
    case .nonFiniteImages: "the limit of non-finite images"
    case .reference: "--reference-embedding-tolerance"
    case .regression: "--baseline"
    }
  }
}
