import Fidelity
import PrintableText
import Retrieval

extension EvaluationReport {
  /// The number of changed queries that are listed for each model.
  static let listedChanges = 10

  /// The report for a terminal.
  ///
  /// - Parameter colored: whether to colour the gates by ANSI escape sequences.
  package func text(colored: Bool = false) -> String {
    let paint = Paint(enabled: colored)
    var lines = [summary]
    lines += warnings.map { paint.verdict(.inconclusive, "WARNING") + "  \(printable($0))" } + [""]
    for (index, title) in modelTitles.enumerated() { lines.append("[\(index + 1)] \(title)") }
    lines.append("")
    lines += columns([("", models.indices.map { "[\($0 + 1)]" })] + figureRows)
    for (index, model) in models.enumerated() {
      guard let changes = model.comparison?.changes, !changes.isEmpty else { continue }
      lines += ["", "queries that changed most from [1] to [\(index + 1)], by average precision:"]
      lines += columns(
        shown(changes).map { change in
          (
            printable(change.query),
            [
              "\(fixed(change.before, decimals: 2)) -> \(fixed(change.after, decimals: 2))", change.shownDifference,
            ]
          )
        })
    }
    if !gates.isEmpty { lines.append("") }
    for gate in gates {
      let verdict = gate.passed ? paint.verdict(.pass, "pass") : paint.verdict(.fail, "FAIL")
      let doubt = gate.doubt.isEmpty ? "" : ", \(printable(gate.doubt))"
      lines.append(
        "\(verdict)  \(gate.name.title) \(gate.shownValue), limit \(gate.shownLimit): \(printable(gate.model))\(doubt)")
    }
    if !notes.isEmpty { lines += [""] + notes.map { "note: \(printable($0))" } }
    return lines.map { line in
      var line = line
      while line.last == " " { line.removeLast() }
      return "\(line)\n"
    }.joined()
  }

  /// The changes to list: the queries that got worse most, or those that got better where none got worse.
  func shown(_ changes: [ModelComparison.Change]) -> [ModelComparison.Change] {
    changes.count <= Self.listedChanges
      ? changes : Array(changes.filter { $0.drop > 0 }.prefix(Self.listedChanges))
  }

  private func columns(_ rows: [(title: String, values: [String])]) -> [String] {
    let title = rows.map(\.title.count).max() ?? 0
    let widths = (rows.first?.values.indices ?? 0..<0).map { column in rows.map { $0.values[column].count }.max() ?? 0 }
    return rows.map { row in
      "  "
        + ([padded(row.title, to: title)] + zip(row.values, widths).map { padded($0, to: $1) }).joined(separator: "  ")
    }
  }
}
