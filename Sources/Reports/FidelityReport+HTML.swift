import Fidelity
import PrintableText

extension FidelityReport {
  /// The report as one HTML page that loads nothing. The page is also well-formed XML.
  package func html() -> String {
    var page = Page(
      title: "Fidelity of \(printable(package?.path ?? reference.architecture))", answer: "\(headline.detail).")
    page.verdict = (verdict, headline.word)
    page.warnings = allWarnings
    page.advice = advice
    page.body = tiles([
      ("mean drift", figures.drift.mean.map { shownDrift($0) }, "0 is perfect"),
      ("greatest drift", figures.drift.max.map { shownDrift($0) }, ""),
      (
        "top-1 agreement", figures.agreement.top1.map { shownPercent($0, of: figures.images) },
        "of \(figures.images) images"
      ),
      ("package", package.map { shownBytes($0.bytes) }, ""),
      (
        "inference", inference.map { "\(fixed($0.milliseconds, decimals: 1)) ms" }, "estimated, per image on one core"
      ),
    ])
    if !separateGates.isEmpty { page.body += ["<h2>Gates of all sizes</h2>"] + gateTable(separateGates) }
    for part in parts {
      page.body.append("<h2>Gates\(part.size.map { " at \(escapedForXML($0.description))" } ?? "")</h2>")
      page.body += gateTable(part.gates)
      if isStopped { break }
      page.body += ["<h3>Figures</h3>"] + facts(pageRows(part))
      guard !part.figures.worstImages.isEmpty else { continue }
      page.body += ["<h3>The images that drift most</h3>"]
      var table = PageTable(
        "Images that drift most", ["image", "remark", "drift"], textColumns: 2,
        texts: part.figures.worstImages.map { [$0.name, $0.defect ?? "", shownDrift($0.drift)] })
      table.wideColumns = [1]
      page.body += table.html
    }
    if let baseline {
      page.body += ["<h2>Changes since the baseline</h2>"]
      page.body +=
        PageTable(
          "Changes since the baseline", ["figure", "result", "before", "now", "change, 95 % confidence interval"],
          textColumns: 2,
          texts: baseline.changes.map {
            [$0.title, $0.outcome, $0.shown($0.baseline), $0.shown($0.value), $0.shownInterval]
          }
        ).html + baseline.notes.map { "<p>\(escapedForXML($0))</p>" }
    }
    if !skippedImages.isEmpty {
      page.body += closed(
        "\(skippedImages.count) images skipped",
        PageTable(
          "Skipped images", ["image", "reason"], textColumns: 2, texts: skippedImages.map { [$0.name, $0.reason] }
        ).html)
    }
    page.body += costSection
    page.body += ["<h2>What was compared</h2>"] + facts(originRows)
    page.remarks = notes + (inferenceSentence.map { ["Inference: \($0)"] } ?? [])
    page.toolVersion = toolVersion
    return page.html()
  }

  private func gateTable(_ gates: [GateResult]) -> [String] {
    let isSequence = gates.contains { $0.intervalMethod == .confidenceSequence }
    let rows = gates.map { gate -> [PageTable.Cell] in
      [
        .init(gate.name.title),
        .init(
          gate.passed ? gate.verdict : .fail,
          (gate.passed ? "pass" : "FAIL") + (gate.doubt.isEmpty ? "" : ", \(gate.doubt)")),
        .init(gate.shownValue), .init(gate.shownLimitAndDefault, key: gate.limit), .init(gate.shownInterval),
      ]
    }
    return PageTable(
      "Gates",
      ["gate", "result", "value", "limit", isSequence ? "95 % confidence sequence" : "95 % confidence interval"],
      textColumns: 2, rows
    ).html
  }

  private func pageRows(_ part: ReportPart) -> [(String, String)] {
    let (figures, drift) = (part.figures, part.figures.drift)
    var rows = [("images", imageCounts(figures))]
    if let stop = stopSentence(part) { rows.append(("stopped", stop)) }
    rows += [
      ("mean drift", shownDrift(drift.mean)), ("median drift", shownDrift(drift.p50)),
      ("95 % of images drift by at most", shownDrift(drift.p95)),
      ("99 % of images drift by at most", shownDrift(drift.p99)), ("greatest drift", shownDrift(drift.max)),
    ]
    for (title, value) in [
      ("agreement", figures.agreement), ("float accuracy", figures.float), ("int8 accuracy", figures.int8),
    ] where value.top1 != nil {
      rows.append(
        (
          title,
          "top-1 \(shownPercent(value.top1, of: figures.images)), top-5 \(shownPercent(value.top5, of: figures.images))"
        ))
    }
    if let decisive = figures.decisiveAgreement {
      rows.append(("decisive agreement", "\(shownPercent(decisive.top1, of: decisive.images)) \(decisive.remark)"))
    }
    return rows + (figures.neighbors?.rows ?? []).map { ($0.title, $0.value) }
  }

  private var originRows: [(String, String)] {
    var rows: [(String, String)] = []
    if let package { rows += [("package", printable(package.path)), ("", "sha256 \(printable(package.sha256))")] }
    if let signature { rows.append(("signed by", "key SHA-256 \(printable(signature.keySHA256))")) }
    let kind = "\(reference.architecture), \(reference.format)"
    rows += [
      ("reference", printable((reference.path.map { "\($0), " } ?? "") + kind)),
      ("", "sha256 \(printable(reference.sha256))"),
    ]
    if let referenceSentence { rows.append(("framework", referenceSentence)) }
    rows += (referenceCheck?.findings ?? []).map { ("framework", $0) }
    if let imagesSentence { rows.append(("images", imagesSentence)) }
    if let calibration { rows.append(("calibration", calibration.title)) }
    if let verification { rows.append(("verification", verification.title)) }
    rows += assumptions.map { ("assumed", $0) }
    if let configuration { rows.append(("options of", configuration.path)) }
    return rows
  }
}
