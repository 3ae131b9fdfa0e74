import Conversion
import Fidelity
import PrintableText

/// What a conversion did, to be printed with its report.
struct ConversionSummary {
  private let outcome: ConversionOutcome

  init(_ outcome: ConversionOutcome) { self.outcome = outcome }

  private var wideInputs: String? {
    guard let first = outcome.layersWith16BitInputs.first else { return nil }
    let count = outcome.layersWith16BitInputs.count
    return count == 1 ? "1 layer (\(printable(first)))" : "\(count) layers (first: \(printable(first)))"
  }

  private var coarserWeights: String? {
    guard outcome.coarsening.share > 0 else { return nil }
    return formatted(
      "%.1f %% of weights made coarser, saving %.2f bits a weight on average", outcome.coarsening.share * 100,
      outcome.coarsening.bitsPerWeight)
  }

  private var keptFloat: String? {
    guard !outcome.keptFloat.isEmpty else { return nil }
    let (count, shown) = (outcome.keptFloat.count, 4)
    let bytes = Double(outcome.keptFloat.reduce(0) { $0 + $1.extraBytes })
    let names = outcome.keptFloat.prefix(shown).map { printable($0.name) }.joined(separator: ", ")
    let size = bytes < 999_500 ? formatted("%.3g kB", bytes / 1e3) : formatted("%.3g MB", bytes / 1e6)
    return "\(count) layer\(count == 1 ? "" : "s") kept in float (+\(size)): \(names)\(count > shown ? ", …" : "")"
  }

  /// - Parameter difference: relative to the largest magnitude of an output.
  private static func change(_ difference: Float) -> String {
    "float outputs changed by at most \(formatted("%.1g", Double(difference))), relative to the largest"
  }

  /// Titles and values.
  var rows: [(title: String, value: String)] {
    let equalized =
      outcome.equalization.map {
        "\($0.scales.channelCount) channels of \($0.scales.valueCount) maps; \(Self.change($0.difference))"
      } ?? "off"
    let rows: [(String, String?)] = [
      ("folding", "\(outcome.foldingNotes.count) rewrites; \(Self.change(outcome.foldingDifference))"),
      ("equalisation", equalized), ("weights", coarserWeights), ("16-bit inputs", wideInputs), ("float", keptFloat),
      ("verified on", printable(outcome.verifiedOn)),
    ]
    return rows.compactMap { title, value in value.map { (title, $0) } }
  }
}
