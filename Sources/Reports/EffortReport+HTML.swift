import Fidelity
import PrintableText

extension EffortReport {
  /// The report as one HTML page that loads nothing, with the costs as bars. The page is also well-formed XML.
  package func html() -> String {
    var page = Page(title: "Efforts for \(printable(checkpoint))", answer: "\(answer).")
    page.verdict = (verdict, verdict.word)
    page.advice = remarks.map { "\($0)." } + failures.map { "\($0.effort): \(printable($0.failure))." }
    let warnings = conversions.flatMap(\.report.warnings)
    page.warnings = warnings.indices.filter { !warnings[..<$0].contains(warnings[$0]) }.map { warnings[$0] }
    page.body =
      PageTable(
        "Efforts", header, textColumns: 2,
        rows.indices.map { index in
          rows[index].enumerated().map { column, text in
            guard column == 1, index > 0 else { return PageTable.Cell(text, key: key(row: index, column: column)) }
            return PageTable.Cell(conversions[index - 1].report.verdict, text)
          }
        }
      ).html
    page.body += facts(explanations.map { ($0.column, $0.meaning) })
    page.body += ["<h2>Costs</h2>", legend([("bar", "a conversion"), ("quiet", "the network in float")])]
    page.body.append(
      bars(
        "mean drift (1 - cosine)",
        conversions.map { ($0.effort, $0.report.figures.drift.mean, shownDrift($0.report.figures.drift.mean)) }))
    page.body.append(
      bars(
        "size",
        [("float", Double(float.bytes), shownBytes(float.bytes))]
          + conversions.map { ($0.effort, $0.bytes.map(Double.init), $0.bytes.map(shownBytes) ?? missingValue) }))
    page.body.append(
      bars(
        "ms per image",
        [("float", float.milliseconds, fixed(float.milliseconds, decimals: 2))]
          + conversions.map { ($0.effort, $0.milliseconds, fixed($0.milliseconds, decimals: 2)) }))
    page.body.append(
      bars("seconds of the conversion", conversions.map { ($0.effort, $0.seconds, fixed($0.seconds, decimals: 1)) }))
    page.toolVersion = conversions.lazy.compactMap(\.report.toolVersion).first
    return page.html()
  }

  /// What a column of sizes is sorted by; `nil` for columns that are sorted by the numbers in them.
  private func key(row: Int, column: Int) -> Double? {
    guard header[column] == "size" else { return nil }
    return row == 0 ? Double(float.bytes) : conversions[row - 1].bytes.map(Double.init)
  }

  /// Bars from 0, one below the other.
  ///
  /// - Parameter rows: the name, the length and the text of each bar; without a length there is only the text.
  private func bars(_ title: String, _ rows: [(name: String, value: Double?, shown: String)]) -> String {
    let greatest = rows.compactMap(\.value).max() ?? 0
    let (left, right, height) = (16.0, 16.0, 24.0)
    var marks = [label(title, x: 0, y: 12, "axis")]
    for (index, row) in rows.enumerated() {
      let y = 22 + height * Double(index)
      let width = greatest > 0 ? (100 - left - right) * (row.value ?? 0) / greatest : 0
      marks += [
        label(row.name, x: 0, y: y + 13),
        bar(
          x: left, y: y, width: max(width, 0.2), height: height - 6, row.name == "float" ? "quiet" : "bar",
          title: "\(row.name): \(row.shown)"),
        label(row.shown, x: left + width + 1, y: y + 13),
      ]
    }
    return chart(height: 22 + height * Double(rows.count), name: "Bars: \(title) by effort", marks)
  }
}
