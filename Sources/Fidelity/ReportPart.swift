/// The part of a report about one size.
package struct ReportPart {
  /// The size; nil where there is only one.
  package let size: SizeFidelity?
  /// The figures at this size.
  package let figures: FidelityFigures
  /// The gates at this size.
  package let gates: [GateResult]
  /// Whether images were compared and every gate passed.
  package let passed: Bool
}

extension FidelityReport {
  /// One part for each size, in order; at least one.
  package var parts: [ReportPart] {
    sizes.isEmpty
      ? [ReportPart(size: nil, figures: figures, gates: commonGates + gates, passed: passed)]
      : sizes.map { ReportPart(size: $0, figures: $0.figures, gates: $0.gates, passed: $0.passed) }
  }

  /// The gates of all sizes, and those that belong to no size.
  package var allGates: [GateResult] { separateGates + parts.flatMap(\.gates) }

  /// The gates that belong to no size, in the order of reports.
  var commonGates: [GateResult] { [referenceCheck?.gate, baseline?.gate].compactMap(\.self) }

  /// The gates that belong to no part.
  package var separateGates: [GateResult] { sizes.isEmpty ? [] : commonGates }
}
