/// What a report says of one size.
package struct ReportPart {
  /// nil where there is one size.
  package let size: SizeFidelity?
  package let figures: FidelityFigures
  package let gates: [GateResult]
  package let passed: Bool
}

extension FidelityReport {
  /// A part for each size, the first first; at least one.
  package var parts: [ReportPart] {
    sizes.isEmpty
      ? [ReportPart(size: nil, figures: figures, gates: commonGates + gates, passed: passed)]
      : sizes.map { ReportPart(size: $0, figures: $0.figures, gates: $0.gates, passed: $0.passed) }
  }

  /// Of all sizes.
  package var allGates: [GateResult] { separateGates + parts.flatMap(\.gates) }

  /// Gates that belong to no part.
  package var separateGates: [GateResult] { sizes.isEmpty ? [] : commonGates }
}
