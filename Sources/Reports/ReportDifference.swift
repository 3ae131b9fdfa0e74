import Fidelity
import PrintableText

/// Two fidelity reports side by side.
package struct ReportDifference {
  private let (old, new): (FidelityReport, FidelityReport)
  private let (oldPath, newPath): (String, String)
  private let comparison: BaselineComparison

  /// - Parameters:
  ///   - old: the earlier report, its file, and the hash of that in hexadecimal.
  ///   - new: the later report, and its file.
  package init(
    old: (report: FidelityReport, path: String, sha256: String), new: (report: FidelityReport, path: String)
  ) {
    (self.old, oldPath) = (old.report, old.path)
    (self.new, newPath) = new
    comparison = BaselineComparison(new.report, since: old.report, path: old.path, sha256: old.sha256)
  }

  /// Whether the figures and verdicts of the reports are the same; `false` where they have no figure in common.
  package var isSame: Bool {
    old.verdict == new.verdict && comparison.notes.isEmpty && !comparison.changes.isEmpty
      && comparison.changes.allSatisfy { $0.baseline == $0.value }
  }

  /// Whether a figure is worse by more than chance explains. Reports without a figure in common cannot show that none
  /// is, so that it is true for them, too.
  package var hasRegressed: Bool { comparison.changes.isEmpty || !comparison.regressions.isEmpty }

  /// The answer in one line.
  private var answer: String {
    let regressions = comparison.regressions
    guard regressions.isEmpty else {
      return "\(regressions.count) of \(comparison.changes.count) figures regressed: "
        + regressions.map(\.title).joined(separator: ", ")
    }
    if comparison.changes.isEmpty { return "the reports have no figure in common" }
    return isSame ? "the figures are the same" : "no figure of \(comparison.changes.count) regressed"
  }

  private static func headline(_ report: FidelityReport) -> String {
    "\(report.headline.word), \(report.headline.detail)"
  }

  /// For a terminal.
  package var text: String {
    var lines = [answer, ""]
    let reports = [("old", oldPath, old), ("new", newPath, new)]
    lines += aligned(reports.map { ($0, "\(printable($1)): \(Self.headline($2))") }) + [""]
    let titles = ["figure", "old", "new", "change, 95 % interval", "result"]
    let rows = [titles] + comparison.changes.map(\.cells)
    let widths = titles.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    for row in rows {
      var line = row.enumerated().map { padded($1, to: widths[$0]) }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      lines.append("  " + line)
    }
    if !comparison.notes.isEmpty { lines += [""] + comparison.notes.map { "note: \($0)" } }
    return lines.map { "\($0)\n" }.joined()
  }

  /// A page that loads nothing, with both reports side by side.
  package func html() -> String {
    var page = Page(title: "Two fidelity reports", answer: "\(answer).")
    page.verdict =
      comparison.changes.isEmpty
      ? (.fail, "NOT COMPARABLE") : comparison.regressions.isEmpty ? nil : (.fail, "REGRESSED")
    page.body = ["<h2>Verdicts</h2>"]
    page.body += facts([
      ("old", "\(printable(oldPath)): \(Self.headline(old))"), ("new", "\(printable(newPath)): \(Self.headline(new))"),
    ])
    page.body += ["<h2>Figures</h2>"]
    page.body +=
      PageTable(
        "Figures of both reports", ["figure", "result", "old", "new", "change, 95 % confidence interval"],
        textColumns: 2,
        comparison.changes.map { change in
          let texts = change.cells
          return [
            .init(texts[0]), .init(texts[4], style: change.regressed ? "verdict fail" : nil),
            .init(texts[1], key: change.baseline), .init(texts[2], key: change.value), .init(texts[3]),
          ]
        }
      ).html
    page.body += ["<h2>Images that drift most</h2>"]
    page.body += worstImages
    page.remarks = comparison.notes
    page.toolVersion = new.toolVersion
    return page.html()
  }

  /// The worst images of either report, with their drift in both; an image that is not among the worst of a report has
  /// no figure there.
  private var worstImages: [String] {
    let (before, now) = (old.figures.worstImages, new.figures.worstImages)
    // A file may list any number of them.
    var seen: Set<String> = []
    let names = (now + before).map(\.name).filter { seen.insert($0).inserted }
    func drifts(_ images: [FidelityFigures.WorstImage]) -> [String: Double] {
      Dictionary(images.map { ($0.name, $0.drift) }, uniquingKeysWith: { first, _ in first })
    }
    func cell(_ drift: Double?) -> PageTable.Cell {
      .init(drift.map { shownDrift($0) } ?? missingValue, key: drift ?? -1)
    }
    let (oldDrifts, newDrifts) = (drifts(before), drifts(now))
    return PageTable(
      "Images that drift most in either report", ["image", "drift, old", "drift, new"], textColumns: 1,
      names.map { [.init($0), cell(oldDrifts[$0]), cell(newDrifts[$0])] }
    ).html
  }

  /// The comparison as a JSON object.
  package func json() throws -> String {
    struct Side: Encodable {
      let path: String
      let verdict: String
    }
    struct Document: Encodable {
      let schema = "quern.diff.report/1"
      let answer: String
      let same: Bool
      let old: Side
      let new: Side
      let changes: [BaselineComparison.Change]
      let regressed: Int
      let notes: [String]
    }
    return try jsonDocument(
      Document(
        answer: answer, same: isSame, old: Side(path: oldPath, verdict: old.verdict.rawValue),
        new: Side(path: newPath, verdict: new.verdict.rawValue), changes: comparison.changes,
        regressed: comparison.regressions.count, notes: comparison.notes))
  }
}
