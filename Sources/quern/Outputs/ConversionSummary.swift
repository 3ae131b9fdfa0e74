import Conversion
import Fidelity
import PrintableText

/// The text that describes what a conversion did, to be printed before its report.
struct ConversionSummary {
  private let outcome: ConversionOutcome

  init(_ outcome: ConversionOutcome) { self.outcome = outcome }

  /// A line for each failed gate, with the distance of the best network that was found from the limit.
  private var missed: String {
    let sizes = outcome.report.sizes
    let results: [(size: String, gates: [GateResult])] =
      sizes.isEmpty
      ? [("", outcome.report.gates)]
      : sizes.map { (" at \($0.size) px", $0.gates) } + [("", outcome.report.gates.filter { $0.name == .packageBytes })]
    return results.flatMap { size, gates in
      gates.filter { !$0.passed }.map { gate in
        "Gate missed: \(gate.name.title)\(size) \(Self.distance(gate))\n"
      }
    }.joined()
  }

  /// Such as "50 points below the limit".
  private static func distance(_ gate: GateResult) -> String {
    guard let value = gate.value else { return "not measured" }
    let (format, unit): (StaticString, String) =
      switch gate.name {
      case .top1Agreement, .decisiveAgreement, .floatTop1, .top1Drop, .neighborAgreement: ("%.3g", " points")
      case .packageBytes: ("%.0f", " bytes")
      case .reference, .regression, .meanDrift, .maxDrift, .nonFiniteImages: ("%.3g", "")
      }
    return formatted(format, abs(value - gate.limit)) + unit
      + (value < gate.limit ? " below the limit" : " above the limit")
  }

  private var wideInputs: String {
    guard let first = outcome.layersWith16BitInputs.first else { return "" }
    let count = outcome.layersWith16BitInputs.count
    return "16-bit inputs: \(count) layer\(count == 1 ? "" : "s") (first: \(printable(first)))\n"
  }

  private var coarserWeights: String {
    guard outcome.coarsening.share > 0 else { return "" }
    return formatted(
      "%.1f %% of weights made coarser; average saving %.2f bits a weight\n", outcome.coarsening.share * 100,
      outcome.coarsening.bitsPerWeight)
  }

  private var keptFloat: String {
    guard !outcome.keptFloat.isEmpty else { return "" }
    let (count, shown) = (outcome.keptFloat.count, 4)
    let bytes = Double(outcome.keptFloat.reduce(0) { $0 + $1.extraBytes })
    let names = outcome.keptFloat.prefix(shown).map { printable($0.name) }.joined(separator: ", ")
    let size = bytes < 999_500 ? formatted("%.3g kB", bytes / 1e3) : formatted("%.3g MB", bytes / 1e6)
    return "\(count) layer\(count == 1 ? "" : "s") kept in float (+\(size)): \(names)\(count > shown ? ", …" : "")\n"
  }

  /// - Parameter difference: relative to the largest magnitude of an output.
  private static func change(_ difference: Float) -> String {
    "float outputs changed by at most \(formatted("%.1g", Double(difference))), relative to the largest"
  }

  var text: String {
    let equalized =
      outcome.equalization.map {
        "\($0.scales.channelCount) channels of \($0.scales.valueCount) maps; \(Self.change($0.difference))"
      } ?? "off"
    return """
      Folding: \(outcome.foldingNotes.count) rewrites; \(Self.change(outcome.foldingDifference))
      Equalisation: \(equalized)
      \(coarserWeights)\(wideInputs)\(keptFloat)Verified on \(printable(outcome.verifiedOn))
      \(missed)
      """
  }
}
