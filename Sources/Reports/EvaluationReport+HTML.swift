import Fidelity
import Retrieval

extension EvaluationReport {
  /// The report as one HTML page without scripts or external resources; its pictures are embedded. The page is also
  /// well-formed XML.
  package func html() -> String {
    let title = "Evaluation on \(escapedForXML(summary))"
    var lines = [
      "<!DOCTYPE html>", "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">", "<head>",
      "<meta charset=\"utf-8\"/>", "<title>\(title)</title>", "<style>\(LossAnalysis.style)\(Self.sheetStyle)</style>",
      "</head>", "<body>", "<h1>\(title)</h1>",
    ]
    lines += warnings.map { "<p class=\"warning\">\(escapedForXML($0))</p>" }
    lines += gateSection
    lines += ["<h2>Figures</h2>", "<p>In brackets: the 95 % confidence interval.</p>"]
    lines += htmlTable(["figure"] + modelTitles, figureRows.map { [$0.title] + $0.values })
    for model in models {
      guard let comparison = model.comparison, !comparison.changes.isEmpty else { continue }
      lines.append("<h2>Queries that changed: \(escapedForXML(model.path))</h2>")
      lines.append(
        "<p>\(comparison.worse) worse, \(comparison.better) better, \(comparison.unchanged) the same, by average "
          + "precision.</p>")
      lines += ["<details><summary>All \(comparison.changes.count) queries</summary>"]
      lines += htmlTable(
        ["query", "before", "after", "change"],
        comparison.changes.map {
          [$0.query, fixed($0.before, decimals: 2), fixed($0.after, decimals: 2), $0.shownDifference]
        })
      lines.append("</details>")
    }
    lines += sheetSection + notes.map { "<p>\(escapedForXML($0))</p>" }
    if let toolVersion { lines.append("<p>quern \(escapedForXML(toolVersion))</p>") }
    return (lines + ["</body>", "</html>"]).map { "\($0)\n" }.joined()
  }

  private static let sheetStyle =
    ".sheet img{width:96px;height:auto;display:block;border:3px solid #bbb}.sheet .hit img{border-color:#2a8a3a}"
    + ".sheet .miss img{border-color:#c0392b}.sheet figcaption{max-width:9em}.sheet{margin:0 0 1.6em}"

  private var gateSection: [String] {
    guard !gates.isEmpty else { return [] }
    return ["<h2>Gates</h2>"]
      + htmlTable(
        ["gate", "value", "limit", "result", "model"],
        gates.map { gate in
          let doubt = gate.verdict == .inconclusive ? ", inconclusive" : ""
          return [
            gate.name.title, gate.shownValue, gate.shownLimit, (gate.passed ? "pass" : "FAIL") + doubt, gate.model,
          ]
        })
  }

  private var sheetSection: [String] {
    guard !sheets.isEmpty else { return [] }
    var lines = [
      "<h2>What was found first</h2>",
      "<p>The queries that changed most, each with the first images that the models found; the frames of images that "
        + "the query should find are green, those of others red.</p>",
    ]
    for sheet in sheets {
      let change = sheet.change
      lines += [
        "<div class=\"sheet\">",
        "<p>\(escapedForXML(change.query)): average precision \(fixed(change.before, decimals: 2)) -&gt; "
          + "\(fixed(change.after, decimals: 2)) %</p>",
        "<div class=\"row\">\(figure(sheet.query, "query"))</div>",
      ]
      for row in sheet.rows {
        lines.append("<p>\(escapedForXML(row.model))</p>")
        let pictures = row.found.map { figure($0, $0.isPositive ? "hit" : "miss") }.joined()
        lines.append("<div class=\"row\">\(pictures)</div>")
      }
      lines.append("</div>")
    }
    return lines
  }

  private func figure(_ image: QuerySheet.Found, _ kind: String) -> String {
    let picture = image.picture.map {
      "<img alt=\"\" width=\"\($0.width)\" height=\"\($0.height)\" src=\"\($0.dataURI)\"/>"
    }
    return "<figure class=\"\(kind)\">\(picture ?? "")<figcaption>\(escapedForXML(image.name))</figcaption></figure>"
  }
}

/// A table whose first column is text.
func htmlTable(_ header: [String], _ rows: [[String]]) -> [String] {
  func line(_ cells: [String], _ tag: String) -> String {
    let cells = cells.enumerated().map { column, text in
      "<\(tag)\(column == 0 ? "" : " class=\"n\"")>\(escapedForXML(text))</\(tag)>"
    }
    return "<tr>\(cells.joined())</tr>"
  }
  return ["<table class=\"numbers\">", line(header, "th")] + rows.map { line($0, "td") } + ["</table>"]
}
