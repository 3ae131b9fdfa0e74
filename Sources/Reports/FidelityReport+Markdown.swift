import Fidelity
import PrintableText

extension FidelityReport {
  /// The report in GitHub's Markdown, short enough for the summary of a CI step.
  package func markdown() -> String {
    var blocks = ["### \(verdict.symbol) \(headline.word): \(headline.detail)", ReportMark.markdown]
    blocks += allWarnings.map { "> [!WARNING]\n> \(escapedForMarkdown($0))" }
    if !separateGates.isEmpty { blocks.append(gateTable(separateGates)) }
    for part in parts {
      if let size = part.size {
        blocks.append("#### \(part.passed ? "✅" : "❌") \(escapedForMarkdown(size.description))")
      }
      blocks.append(gateTable(part.gates))
      if isStopped { break }
      let figures = part.figures
      blocks.append(
        markdownTable(["figure", "value"], figureRows(part) + (part.size == nil ? provenanceRows : [])))
      if !part.passed, !figures.worstImages.isEmpty {
        blocks.append(
          markdownTable(
            ["worst images", "drift", "remark"],
            figures.worstImages.map {
              [escapedForMarkdown($0.name), shownDrift($0.drift), escapedForMarkdown($0.defect ?? "")]
            }))
      }
    }
    blocks += baselineBlocks
    if !sizes.isEmpty || isStopped { blocks.append(markdownTable(["file", "value"], provenanceRows)) }
    blocks += costBlocks
    if let inferenceSentence { blocks.append("Inference: \(escapedForMarkdown(inferenceSentence))") }
    blocks += (referenceCheck?.findings ?? []).map { "> reference: \(escapedForMarkdown($0))" }
    blocks += notes.map { "> \(escapedForMarkdown($0))" }
    if !assumptions.isEmpty { blocks.append(markdownTable(["assumed"], assumptions.map { [escapedForMarkdown($0)] })) }
    if !skippedImages.isEmpty {
      let others = skippedImages.count > 10 ? [["… and \(skippedImages.count - 10) more", ""]] : []
      blocks.append(
        markdownTable(
          ["skipped images", "reason"],
          skippedImages.prefix(10).map { [escapedForMarkdown($0.name), escapedForMarkdown($0.reason)] } + others))
    }
    return blocks.joined(separator: "\n\n") + "\n"
  }

  private func gateTable(_ gates: [GateResult]) -> String {
    let isSequence = gates.contains { $0.intervalMethod == .confidenceSequence }
    return markdownTable(
      ["gate", "value", "limit", "result", isSequence ? "95 % confidence sequence" : "95 % confidence interval"],
      gates.map { gate in
        let result =
          (gate.passed ? "pass" : "**fail**") + (gate.doubt.isEmpty ? "" : ", \(escapedForMarkdown(gate.doubt))")
        return [
          gate.name.title, gate.shownValue, escapedForMarkdown(gate.shownLimitAndDefault), result, gate.shownInterval,
        ]
      })
  }

  private func figureRows(_ part: ReportPart) -> [[String]] {
    let figures = part.figures
    let drift = figures.drift
    var rows = [["images", imageCounts(figures)]]
    if let stopSentence = stopSentence(part) { rows.append(["stopped", escapedForMarkdown(stopSentence)]) }
    rows += [
      ["drift: mean", shownDrift(drift.mean)],
      [
        "drift: p50 / p95 / p99 / max",
        [drift.p50, drift.p95, drift.p99, drift.max].map(shownDrift).joined(separator: " / "),
      ],
    ]
    let percentages = [("agreement", figures.agreement), ("float", figures.float), ("int8", figures.int8)]
    for (title, value) in percentages where value.top1 != nil {
      rows.append([
        "\(title): top-1 / top-5",
        "\(shownPercent(value.top1, of: figures.images)) / \(shownPercent(value.top5, of: figures.images))",
      ])
      if title == "agreement", let decisive = figures.decisiveAgreement {
        rows.append([
          "decisive agreement: top-1", "\(shownPercent(decisive.top1, of: decisive.images)) \(decisive.remark)",
        ])
      }
    }
    return rows + (figures.neighbors?.rows ?? []).map { [$0.title, $0.value] }
  }

  private var provenanceRows: [[String]] {
    var rows: [[String]] = []
    if let package {
      rows.append(["package", "\(escapedForMarkdown(package.path)), \(shownBytes(package.bytes))"])
      rows.append(["package sha256", escapedForMarkdown(package.sha256)])
    }
    if let signature { rows.append(["signed by", "key SHA-256 \(escapedForMarkdown(signature.keySHA256))"]) }
    let kind = "\(reference.architecture), \(reference.format)"
    rows.append(["reference", escapedForMarkdown((reference.path.map { "\($0), " } ?? "") + kind)])
    rows.append(["reference sha256", escapedForMarkdown(reference.sha256)])
    if let referenceSentence { rows.append(["framework", escapedForMarkdown(referenceSentence)]) }
    if let imagesSentence { rows.append(["images", escapedForMarkdown(imagesSentence)]) }
    if let calibration { rows.append(["calibration", escapedForMarkdown(calibration.title)]) }
    if let verification { rows.append(["verification", escapedForMarkdown(verification.title)]) }
    if let configuration { rows.append(["options of", escapedForMarkdown(configuration.path)]) }
    if let toolVersion { rows.append(["quern", escapedForMarkdown(toolVersion)]) }
    return rows
  }
}

extension GateResult.Verdict {
  var symbol: String {
    switch self {
    case .pass: "✅"
    case .fail: "❌"
    case .inconclusive: "⚠️"
    }
  }
}

/// A table of GitHub's Markdown; cells are escaped already.
func markdownTable(_ header: [String], _ rows: [[String]]) -> String {
  ([header, header.map { _ in "---" }] + rows)
    .map { "| \($0.joined(separator: " | ")) |" }
    .joined(separator: "\n")
}

/// `text` with everything escaped that Markdown or HTML would take for markup.
func escapedForMarkdown(_ text: String) -> String {
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
