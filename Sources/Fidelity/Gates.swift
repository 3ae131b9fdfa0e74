/// The tolerances a package must keep.
public struct Gates: Hashable, Sendable {
  /// Of the images' drift (0 to 2).
  public let maxMeanDrift: Double
  /// Of any image's drift (0 to 2).
  public let maxDrift: Double
  /// Percent of the images both networks must give the same class; not applied without a classifier.
  public let minAgreement: Double
  /// Percentage points of top-1 accuracy that may be lost; not applied without labelled images.
  public let maxTop1Drop: Double

  /// - Throws: `FidelityError.limit` for a limit that is NaN or infinite.
  public init(
    maxMeanDrift: Double = 0.01, maxDrift: Double = 0.05, minAgreement: Double = 95, maxTop1Drop: Double = 1
  ) throws(FidelityError) {
    let limits: [(GateName, Double)] = [
      (.meanDrift, maxMeanDrift), (.maxDrift, maxDrift), (.top1Agreement, minAgreement), (.top1Drop, maxTop1Drop),
    ]
    for (gate, limit) in limits where !limit.isFinite {
      throw .limit(gate, limit)
    }
    self.maxMeanDrift = maxMeanDrift
    self.maxDrift = maxDrift
    self.minAgreement = minAgreement
    self.maxTop1Drop = maxTop1Drop
  }

  /// Holds the figures against the tolerances, in the order of `GateName`.
  ///
  /// A value equal to its limit passes. Without images the drift gates have no value and fail.
  public func results(for figures: FidelityFigures) -> [GateResult] {
    var results = [
      GateResult(.meanDrift, value: figures.drift.mean, limit: maxMeanDrift),
      GateResult(.maxDrift, value: figures.drift.max, limit: maxDrift),
    ]
    if let agreement = figures.agreement.top1 {
      results.append(GateResult(.top1Agreement, value: agreement, limit: minAgreement))
    }
    if let drop = figures.top1Drop {
      results.append(GateResult(.top1Drop, value: drop, limit: maxTop1Drop))
    }
    // Such images count as drift 2, which fails the drift gates unless their limits were loosened that far.
    if figures.nonFiniteImages > 0 {
      results.append(GateResult(.nonFiniteImages, value: Double(figures.nonFiniteImages), limit: 0))
    }
    return results
  }
}

/// What a gate measures; the raw value is its name in reports.
public enum GateName: String, CaseIterable, Hashable, Sendable, Codable {
  case meanDrift = "mean_drift"
  case maxDrift = "max_drift"
  case top1Agreement = "top1_agreement"
  case top1Drop = "top1_drop"
  /// Present only when there are such images; its limit is always 0.
  case nonFiniteImages = "non_finite_images"
}

/// A figure held against its limit.
public struct GateResult: Hashable, Sendable {
  public let name: GateName
  /// nil if it cannot be computed: without images, or if it is not finite.
  public let value: Double?
  public let limit: Double
  /// Whether the value is there and within the limit.
  public var passed: Bool {
    guard let value else { return false }
    return name.isMinimum ? value >= limit : value <= limit
  }

  package init(_ name: GateName, value: Double?, limit: Double) {
    self.name = name
    self.value = value.flatMap { $0.isFinite ? $0 : nil }
    self.limit = limit
  }
}

extension GateName {
  /// Whether the limit is the least value that passes; otherwise it is the greatest.
  var isMinimum: Bool { self == .top1Agreement }
}
