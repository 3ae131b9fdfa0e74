import Fidelity

extension FidelityReport {
  /// The report in GitHub's Markdown, short enough for the summary of a CI step.
  package func markdown() -> String {
    var blocks = ["### \(verdict.symbol) \(headline.word): \(headline.detail)"]
    blocks += allWarnings.map { "> [!WARNING]\n> \(escaped($0))" }
    if !separateGates.isEmpty { blocks.append(gateTable(separateGates)) }
    for part in parts {
      if let size = part.size { blocks.append("#### \(part.passed ? "✅" : "❌") \(escaped(size.description))") }
      blocks.append(gateTable(part.gates))
      if isStopped { break }
      let figures = part.figures
      blocks.append(
        table(["figure", "value"], figureRows(part) + (part.size == nil ? provenanceRows : [])))
      if !part.passed, !figures.worstImages.isEmpty {
        blocks.append(
          table(
            ["worst images", "drift", "remark"],
            figures.worstImages.map { [escaped($0.name), shownDrift($0.drift), escaped($0.defect ?? "")] }))
      }
    }
    if !sizes.isEmpty || isStopped { blocks.append(table(["file", "value"], provenanceRows)) }
    if let inferenceSentence { blocks.append("Inference: \(escaped(inferenceSentence))") }
    blocks += (referenceCheck?.findings ?? []).map { "> reference: \(escaped($0))" }
    blocks += notes.map { "> \(escaped($0))" }
    if !assumptions.isEmpty { blocks.append(table(["assumed"], assumptions.map { [escaped($0)] })) }
    if !skippedImages.isEmpty {
      let others = skippedImages.count > 10 ? [["… and \(skippedImages.count - 10) more", ""]] : []
      blocks.append(
        table(
          ["skipped images", "reason"],
          skippedImages.prefix(10).map { [escaped($0.name), escaped($0.reason)] } + others))
    }
    return blocks.joined(separator: "\n\n") + "\n"
  }

  private func gateTable(_ gates: [GateResult]) -> String {
    let isSequence = gates.contains { $0.intervalMethod == .confidenceSequence }
    return table(
      ["gate", "value", "limit", "result", isSequence ? "95 % confidence sequence" : "95 % confidence interval"],
      gates.map { gate in
        let result = (gate.passed ? "pass" : "**fail**") + (gate.doubt.isEmpty ? "" : ", \(escaped(gate.doubt))")
        return [gate.name.title, gate.shownValue, escaped(gate.shownLimit), result, gate.shownInterval]
      })
  }

  private func figureRows(_ part: ReportPart) -> [[String]] {
    let figures = part.figures
    let drift = figures.drift
    var rows = [["images", imageCounts(figures)]]
    if let stopSentence = stopSentence(part) { rows.append(["stopped", escaped(stopSentence)]) }
    rows += [
      ["drift: mean", shownDrift(drift.mean)],
      [
        "drift: p50 / p95 / p99 / max",
        [drift.p50, drift.p95, drift.p99, drift.max].map(shownDrift).joined(separator: " / "),
      ],
    ]
    let percentages = [("agreement", figures.agreement), ("float", figures.float), ("int8", figures.int8)]
    for (title, value) in percentages where value.top1 != nil {
      rows.append(["\(title): top-1 / top-5", "\(shownPercent(value.top1)) / \(shownPercent(value.top5))"])
      if title == "agreement", let decisive = figures.decisiveAgreement {
        rows.append(["decisive agreement: top-1", "\(shownPercent(decisive.top1)) \(decisive.remark)"])
      }
    }
    return rows
  }

  private var provenanceRows: [[String]] {
    var rows: [[String]] = []
    if let package {
      rows.append(["package", "\(escaped(package.path)), \(shownBytes(package.bytes))"])
      rows.append(["package sha256", escaped(package.sha256)])
    }
    let kind = "\(reference.architecture), \(reference.format)"
    rows.append(["reference", escaped((reference.path.map { "\($0), " } ?? "") + kind)])
    rows.append(["reference sha256", escaped(reference.sha256)])
    if let referenceSentence { rows.append(["framework", escaped(referenceSentence)]) }
    if let imagesSentence { rows.append(["images", escaped(imagesSentence)]) }
    if let calibration { rows.append(["calibration", escaped(calibration.title)]) }
    if let verification { rows.append(["verification", escaped(verification.title)]) }
    if let toolVersion { rows.append(["quern", escaped(toolVersion)]) }
    return rows
  }
}

extension GateResult.Verdict {
  fileprivate var symbol: String {
    switch self {
    case .pass: "✅"
    case .fail: "❌"
    case .inconclusive: "⚠️"
    }
  }
}

private func table(_ header: [String], _ rows: [[String]]) -> String {
  ([header, header.map { _ in "---" }] + rows)
    .map { "| \($0.joined(separator: " | ")) |" }
    .joined(separator: "\n")
}

/// `text` with everything escaped that Markdown or HTML would take for markup.
private func escaped(_ text: String) -> String {
  var result = ""
  for scalar in printable(text).unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\\", "`", "*", "_", "[", "]", "|", "~", "$": result += "\\\(scalar)"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
