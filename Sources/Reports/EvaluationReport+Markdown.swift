import Fidelity
import Retrieval

extension EvaluationReport {
  /// The report in GitHub's Markdown, short enough for the summary of a CI step.
  package func markdown() -> String {
    let failed = gates.count { !$0.passed }
    let open = gates.count { $0.verdict == .inconclusive }
    let outcome =
      switch verdict {
      case nil: ""
      case .pass?: "\(GateResult.Verdict.pass.symbol) \(gates.count) of \(gates.count) gates: "
      case .fail?: "\(GateResult.Verdict.fail.symbol) \(failed) of \(gates.count) gates failed: "
      case .inconclusive?:
        "\(GateResult.Verdict.inconclusive.symbol) \(open) of \(gates.count) gates inconclusive: "
      }
    var blocks = ["### \(outcome)\(escapedForMarkdown(summary))", ReportMark.markdown]
    blocks += warnings.map { "> [!WARNING]\n> \(escapedForMarkdown($0))" }
    if !gates.isEmpty {
      blocks.append(
        markdownTable(
          ["gate", "model", "value", "limit", "result"],
          gates.map {
            [
              $0.name.title, escapedForMarkdown($0.model), $0.shownValue, escapedForMarkdown($0.shownLimit),
              $0.result(failed: "**fail**"),
            ]
          }))
    }
    blocks.append(
      markdownTable(
        ["figure (95 % confidence interval)"] + modelTitles.map(escapedForMarkdown),
        figureRows.map { [$0.title] + $0.values }))
    for model in models {
      guard let changes = model.comparison?.changes, !changes.isEmpty else { continue }
      blocks.append("#### Queries that changed most: \(escapedForMarkdown(model.path))")
      blocks.append(
        markdownTable(
          ["query", "average precision before", "after", "change"],
          shown(changes).map { change in
            [
              escapedForMarkdown(change.query), fixed(change.before, decimals: 2), fixed(change.after, decimals: 2),
              change.shownDifference,
            ]
          }))
    }
    blocks += notes.map { "> \(escapedForMarkdown($0))" }
    return blocks.joined(separator: "\n\n") + "\n"
  }
}
