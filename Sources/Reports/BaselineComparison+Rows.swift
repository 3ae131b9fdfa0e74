import Fidelity
import PrintableText

extension FidelityReport {
  /// How figures changed since the baseline, for the text report; empty without a baseline.
  var baselineLines: [String] {
    guard let baseline else { return [] }
    let rows = baseline.changes.map { ("change", $0.sentence) } + baseline.notes.map { ("", $0) }
    return aligned(rows + [("baseline", printable(baseline.path))]) + [""]
  }

  /// The same for the Markdown report.
  var baselineBlocks: [String] {
    guard let baseline else { return [] }
    let table = markdownTable(
      ["figure", "baseline", "now", "95 % confidence interval of the change", "result"], baseline.changes.map(\.cells))
    return [table, "Baseline: \(escapedForMarkdown(baseline.path))"]
      + baseline.notes.map { "> \(escapedForMarkdown($0))" }
  }
}

extension BaselineComparison {
  /// The changes and notes in sentences.
  var sentences: [String] { changes.map { $0.sentence + "." } + notes.map { $0 + "." } }
}

extension BaselineComparison.Change {
  /// Such as "mean drift at 500 px".
  var title: String { figure.title + (size.map { " at \($0) px" } ?? "") }

  var outcome: String { regressed ? "regressed" : interval == nil ? "not decided" : "no regression" }

  /// The figure, its values in both reports, the interval of the change, and the outcome.
  var cells: [String] {
    [title, shown(baseline), shown(value), shownInterval.isEmpty ? missingValue : shownInterval, outcome]
  }

  /// Such as "mean drift 0.00123 to 0.00235, change 0.000900 to 0.00130: regressed".
  var sentence: String {
    let change = shownInterval.isEmpty ? "" : ", change \(shownInterval)"
    return "\(title) \(shown(baseline)) to \(shown(value))\(change): \(outcome)"
  }

  func shown(_ value: Double) -> String { figure.digits(value, interval) + figure.unit }

  /// The interval of the change; empty without one.
  var shownInterval: String { interval.map { $0.shown(figure) } ?? "" }
}
