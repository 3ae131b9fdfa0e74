/// The figure that a gate limits; the raw value is its name in reports.
package enum GateName: String, CaseIterable, Hashable, Sendable, Codable {
  /// The float network's difference from its framework, as a share of the tolerance; present only where it was
  /// measured.
  case reference
  /// The number of figures that regressed since an earlier report; present only where there is one. The limit is always
  /// 0.
  case regression
  case meanDrift = "mean_drift"
  case maxDrift = "max_drift"
  case top1Agreement = "top1_agreement"
  /// Present only where a limit was given.
  case decisiveAgreement = "decisive_agreement"
  case top1Drop = "top1_drop"
  /// Present only where a limit was given; independent of the package's outputs.
  case floatTop1 = "float_top1"
  /// Present only where a limit was given.
  case neighborAgreement = "neighbour_agreement"
  /// Present only where there are such images; the limit is always 0.
  case nonFiniteImages = "non_finite_images"
  /// Present only where a limit was given; independent of the package's outputs.
  case packageBytes = "package_bytes"

  /// Earlier names of gates, which stored reports may contain.
  private static let earlierNames: [String: GateName] = ["clear_agreement": .decisiveAgreement]

  /// - Parameter name: as it is in a report.
  /// - Returns: `nil` for a name that neither is nor was that of a gate.
  package init?(inReport name: String) {
    guard let gate = GateName(rawValue: name) ?? Self.earlierNames[name] else { return nil }
    self = gate
  }

  /// - Throws: `DecodingError` for a name that neither is nor was that of a gate.
  package init(from decoder: any Decoder) throws {
    let name = try decoder.singleValueContainer().decode(String.self)
    guard let gate = GateName(inReport: name) else {
      throw DecodingError.dataCorrupted(
        .init(codingPath: decoder.codingPath, debugDescription: "there is no gate '\(name)'"))
    }
    self = gate
  }
}

extension GateName {
  /// Whether the limit is the lowest value that passes; otherwise it is the highest.
  package var isMinimum: Bool {
    switch self {
    case .top1Agreement, .decisiveAgreement, .floatTop1, .neighborAgreement: true
    default: false
    }
  }

  /// Whether a figure is within a limit, or equal to it.
  package func passes(_ value: Double, limit: Double) -> Bool { isMinimum ? value >= limit : value <= limit }

  /// The valid limits.
  package var limits: ClosedRange<Double> {
    switch self {
    case .meanDrift, .maxDrift: ReportLimits.drifts
    case .top1Agreement, .decisiveAgreement, .top1Drop, .floatTop1, .neighborAgreement: ReportLimits.percentages
    case .nonFiniteImages: 0...0
    case .reference, .regression, .packageBytes: 0...Double.greatestFiniteMagnitude
    }
  }

  /// The values that the figure can have.
  package var figures: ClosedRange<Double> {
    switch self {
    case .top1Drop: ReportLimits.drops
    case .nonFiniteImages: 0...Double.greatestFiniteMagnitude
    default: limits
    }
  }

  /// The gates that are applied to figures whatever options are given.
  ///
  /// - Parameters:
  ///   - images: the number of images that were compared.
  ///   - hasAgreement: whether agreement was measured.
  ///   - hasDrop: whether the drop of accuracy was measured.
  ///   - nonFiniteImages: the number of images with an output that is not finite.
  package static func always(
    images: Int, hasAgreement: Bool, hasDrop: Bool, nonFiniteImages: Int
  ) -> [GateName] {
    guard images > 0 else { return [] }
    return [.meanDrift, .maxDrift] + (hasAgreement ? [.top1Agreement] : []) + (hasDrop ? [.top1Drop] : [])
      + (nonFiniteImages > 0 ? [.nonFiniteImages] : [])
  }

  /// Whether a limit is such that a network which tells no images apart would keep it.
  ///
  /// - Parameters:
  ///   - limit: the limit of the gate.
  ///   - medianDistance: how far the reference's embeddings of different images are from each other; `nil` where that
  ///     is not known, or too far to matter.
  ///   - hasOneAnswer: whether the reference ranks the same class first for every image.
  package func isVacuous(limit: Double, medianDistance: Double?, hasOneAnswer: Bool) -> Bool {
    switch self {
    case .meanDrift: medianDistance.map { $0 <= min(limit, ReportLimits.smallDistance) } ?? false
    case .top1Agreement, .decisiveAgreement: hasOneAnswer && limit > 0
    default: false
    }
  }
}
