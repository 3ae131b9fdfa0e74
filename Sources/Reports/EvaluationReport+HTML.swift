import Fidelity
import PrintableText
import Retrieval

extension EvaluationReport {
  /// The report as one HTML page that loads nothing; its pictures are embedded. The page is also
  /// well-formed XML.
  package func html() -> String {
    var page = Page(title: "Evaluation on \(set)", answer: answer)
    page.verdict = verdict.map { ($0, $0.word) }
    page.warnings = warnings
    page.body = ["<p>\(escapedForXML(summary))</p>"] + gateSection
    page.body += ["<h2>Figures</h2>", "<p>In brackets: the 95 % confidence interval.</p>"]
    page.body += htmlTable("Figures by model", ["figure"] + modelTitles, figureRows.map { [$0.title] + $0.values })
    for model in models {
      guard let comparison = model.comparison, !comparison.changes.isEmpty else { continue }
      page.body.append("<h2>Queries that changed: \(escapedForXML(model.path))</h2>")
      page.body.append(
        "<p>\(comparison.worse) worse, \(comparison.better) better, \(comparison.unchanged) the same, by average "
          + "precision.</p>")
      page.body += closed(
        "All \(comparison.changes.count) queries",
        htmlTable(
          "Queries that changed", ["query", "before, %", "after, %", "change, pp"],
          comparison.changes.map {
            [$0.query, fixed($0.before, decimals: 2), fixed($0.after, decimals: 2), $0.shownDifference]
          }))
    }
    page.body += sheetSection
    page.remarks = notes
    page.toolVersion = toolVersion
    return page.html()
  }

  /// The gates in one line, or what the last model loses; without either, how many models were measured.
  private var answer: String {
    guard gates.isEmpty else {
      return gates.map { "\($0.name.title) \($0.shownValue), limit \($0.shownLimit)" }.joined(separator: "; ") + "."
    }
    if let last = models.last, let drop = last.comparison?.mapDrop {
      return "\(printable(last.path)) loses \(Estimate?.some(drop).shown(decimals: 2, unit: " pp")) of mAP against "
        + "\(printable(models[0].path))."
    }
    return "\(models.count) model\(models.count == 1 ? "" : "s") measured."
  }

  private var gateSection: [String] {
    guard !gates.isEmpty else { return [] }
    return ["<h2>Gates</h2>"]
      + htmlTable(
        "Gates", ["gate", "value", "limit", "result", "model"],
        gates.map { [$0.name.title, $0.shownValue, $0.shownLimit, $0.result(failed: "FAIL"), $0.model] })
  }

  private var sheetSection: [String] {
    guard !sheets.isEmpty else { return [] }
    var lines = [
      "<h2>What was found first</h2>",
      "<p>The queries that changed most, each with the first images that the models found; the frames of images that "
        + "the query should find are green, those of others red and dashed.</p>",
    ]
    for sheet in sheets {
      let change = sheet.change
      lines += [
        "<div class=\"sheet\">",
        "<p>\(escapedForXML(change.query)): average precision \(fixed(change.before, decimals: 2)) -&gt; "
          + "\(fixed(change.after, decimals: 2)) %</p>",
        "<div class=\"row\">\(figure(sheet.query.picture, sheet.query.name, style: "query"))</div>",
      ]
      for row in sheet.rows {
        lines.append("<p>\(escapedForXML(row.model))</p>")
        let pictures = row.found.map { figure($0.picture, $0.name, style: $0.isPositive ? "hit" : "miss") }.joined()
        lines.append("<div class=\"row\">\(pictures)</div>")
      }
      lines.append("</div>")
    }
    return lines
  }
}
