import Conversion
import Fidelity
import Foundation

/// What a conversion did, for people, to stand before its report.
struct ConversionSummary {
  private let outcome: ConversionOutcome

  init(_ outcome: ConversionOutcome) { self.outcome = outcome }

  /// By how much the best network that was found misses each gate that it does not keep.
  private var missed: String {
    let sizes = outcome.report.sizes
    let results: [(place: String, gates: [GateResult])] =
      sizes.isEmpty
      ? [("", outcome.report.gates)]
      : sizes.map { (" at \($0.size) px", $0.gates) } + [("", outcome.report.gates.filter { $0.name == .packageBytes })]
    return results.flatMap { place, gates in
      gates.filter { !$0.passed }.map { gate in
        let format = gate.name == .packageBytes ? "%.0f" : "%.3g"
        let distance = gate.value.map { String(format: format, abs($0 - gate.limit)) } ?? "what cannot be told"
        return "Missed     \(gate.name.rawValue)\(place) by \(distance)\n"
      }
    }.joined()
  }

  private var widened: String {
    guard let first = outcome.widened.first else { return "" }
    return "Widened    \(outcome.widened.count) activations are read as 16 bits, that of \(first) first\n"
  }

  private var coarsened: String {
    guard outcome.coarsening.share > 0 else { return "" }
    return String(
      format: "Coarsened  %.1f %% of weights, by %.2f bits a weight over all\n", outcome.coarsening.share * 100,
      outcome.coarsening.bitsPerWeight)
  }

  private var kept: String {
    guard !outcome.keptFloat.isEmpty else { return "" }
    let (count, shown) = (outcome.keptFloat.count, 4)
    let bytes = Double(outcome.keptFloat.reduce(0) { $0 + $1.extraBytes })
    let names = outcome.keptFloat.prefix(shown).map(\.name).joined(separator: ", ")
    return "Kept float \(count) layer\(count == 1 ? "" : "s"), \(String(format: "%.3g", bytes / 1e6)) MB more: "
      + "\(names)\(count > shown ? ", …" : "")\n"
  }

  var text: String {
    let equalized =
      outcome.equalization.map {
        "\($0.scales.channelCount) channels of \($0.scales.valueCount) maps; float outputs moved by at most "
          + String(format: "%.1g", $0.difference)
      } ?? "nothing"
    return """
      Folding    \(outcome.foldingNotes.count) rewrites; float outputs moved by at most \(String(format: "%.1g", outcome.foldingDifference)) of the largest value
      Equalised  \(equalized)
      \(coarsened)\(widened)\(kept)Verified   on \(outcome.verifiedOn)
      \(missed)
      """
  }
}
