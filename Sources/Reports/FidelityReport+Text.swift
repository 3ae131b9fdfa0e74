import Fidelity
import PrintableText

extension FidelityReport {
  /// The report for a terminal: the verdict, what follows from it, the gates, the figures, and their provenance.
  ///
  /// - Parameters:
  ///   - `colored`: whether to colour the verdict and the gates by ANSI escape sequences.
  ///   - making: lines on how the package was made, in the order of title and value.
  package func text(colored: Bool = false, making: [(title: String, value: String)] = []) -> String {
    let paint = Paint(enabled: colored)
    var lines = [paint.verdict(verdict, headline.word) + "  " + headline.detail]
    lines += advice.map { "  \(printable($0))" }
    lines += allWarnings.map { paint.verdict(.inconclusive, "WARNING") + "  \(printable($0))" } + [""]
    if !separateGates.isEmpty { lines += gateLines(separateGates, paint) + [""] }
    for part in parts {
      if let size = part.size { lines += ["at \(size.description)", ""] }
      lines += gateLines(part.gates, paint) + [""]
      if !isStopped { lines += aligned(figureRows(part)) + [""] }
    }
    lines += baselineLines
    if !making.isEmpty { lines += aligned(making) + [""] }
    lines += costLines
    if let inferenceSentence { lines += aligned([("inference", inferenceSentence)]) + [""] }
    if let findings = referenceCheck?.findings, !findings.isEmpty {
      lines += findings.map { "reference: \(printable($0))" } + [""]
    }
    if !notes.isEmpty { lines += notes.map { "note: \(printable($0))" } + [""] }
    if !assumptions.isEmpty { lines += assumptions.map { "Assumed  \(printable($0))" } + [""] }
    lines += aligned(provenanceRows)
    return lines.map { "\($0)\n" }.joined()
  }

  private func gateLines(_ gates: [GateResult], _ paint: Paint) -> [String] {
    let title = gates.map(\.name.title.count).max() ?? 0
    let value = gates.map(\.shownValue.count).max() ?? 0
    let limit = gates.map(\.shownLimitAndDefault.count).max() ?? 0
    let interval = gates.map(\.shownInterval.count).max() ?? 0
    return gates.map { gate in
      var columns = [
        padded(gate.name.title, to: title), padded(gate.shownValue, to: value),
        padded(gate.shownLimitAndDefault, to: limit),
        paint.verdict(gate.passed ? .pass : .fail, gate.passed ? "pass" : "FAIL"),
      ]
      if !gate.doubt.isEmpty {
        columns += [padded(gate.shownInterval, to: interval), gate.doubt]
      } else if !gate.shownInterval.isEmpty {
        columns.append(gate.shownInterval)
      }
      return "  " + columns.joined(separator: "  ")
    }
  }

  private func figureRows(_ part: ReportPart) -> [(String, String)] {
    let figures = part.figures
    let drift = figures.drift
    var rows = [
      ("images", imageCounts(figures))
    ]
    if let stopSentence = stopSentence(part) { rows.append(("stopped", stopSentence)) }
    rows += [
      (
        "drift",
        "mean \(shownDrift(drift.mean))  p50 \(shownDrift(drift.p50))  p95 \(shownDrift(drift.p95))  "
          + "p99 \(shownDrift(drift.p99))  max \(shownDrift(drift.max))"
      )
    ]
    let percentages = [("agreement", figures.agreement), ("float", figures.float), ("int8", figures.int8)]
    for (title, value) in percentages where value.top1 != nil {
      rows.append(
        (
          title,
          "top-1 \(shownPercent(value.top1, of: figures.images))  top-5 \(shownPercent(value.top5, of: figures.images))"
        ))
      if title == "agreement", let decisive = figures.decisiveAgreement {
        rows.append(("decisive", "top-1 \(shownPercent(decisive.top1, of: decisive.images))  \(decisive.remark)"))
      }
    }
    rows += (figures.neighbors?.rows ?? []).map { ($0.title, $0.value) }
    if part.gates.contains(where: { $0.intervalMethod == .confidenceSequence }) {
      rows.append(
        ("intervals", "last column: 95 % confidence sequence, valid for all gates together and whenever one stops"))
    } else if part.gates.contains(where: { $0.interval != nil }) {
      rows.append(("intervals", "last column: 95 % confidence interval"))
    }
    rows += figures.worstImages.prefix(part.passed ? 3 : 10).map { ("worst", $0.line) }
    return part.size == nil ? rows + skippedRows : rows
  }

  private var skippedRows: [(String, String)] {
    var rows = skippedImages.prefix(10).map { ("skipped", "\(printable($0.name))  (\(printable($0.reason)))") }
    if skippedImages.count > 10 { rows.append(("skipped", "and \(skippedImages.count - 10) more")) }
    return rows
  }

  private var provenanceRows: [(String, String)] {
    var rows: [(String, String)] = sizes.isEmpty ? [] : skippedRows
    if let package {
      rows.append(("package", "\(printable(package.path))  \(shownBytes(package.bytes))"))
      rows.append(("", "sha256 \(printable(package.sha256))"))
    }
    if let signature { rows.append(("signed by", "key SHA-256 \(printable(signature.keySHA256))")) }
    let kind = "\(printable(reference.architecture)), \(printable(reference.format))"
    rows.append(("reference", (reference.path.map { "\(printable($0))  " } ?? "") + kind))
    rows.append(("", "sha256 \(printable(reference.sha256))"))
    if let referenceSentence { rows.append(("framework", printable(referenceSentence))) }
    if let imagesSentence { rows.append(("images", printable(imagesSentence))) }
    if let calibration { rows.append(("calibration", calibration.title)) }
    if let verification { rows.append(("verification", verification.title)) }
    if let configuration { rows.append(("options of", printable(configuration.path))) }
    if let toolVersion { rows.append(("quern", printable(toolVersion))) }
    if !seconds.isEmpty {
      let stages = seconds.sorted { $0.key < $1.key }.map { "\(printable($0.key)) \(fixed($0.value, decimals: 1)) s" }
      rows.append(("time", stages.joined(separator: "  ")))
    }
    if let peakResidentBytes { rows.append(("memory", "peak \(shownBytes(peakResidentBytes))")) }
    return rows
  }
}

/// Lines with titles and values in two columns. A title is shown once for a run of rows that share it.
func aligned(_ rows: [(title: String, value: String)]) -> [String] {
  let width = rows.map(\.title.count).max() ?? 0
  return rows.indices.map { index in
    let isRepeated = index > 0 && rows[index - 1].title == rows[index].title
    return "  " + padded(isRepeated ? "" : rows[index].title, to: width) + "  " + rows[index].value
  }
}

/// `text` filled with spaces to `width` characters.
func padded(_ text: String, to width: Int) -> String {
  text + String(repeating: " ", count: max(0, width - text.count))
}

/// Colours for a terminal, or none.
struct Paint {
  let enabled: Bool

  /// `text` in bold green, red or yellow.
  func verdict(_ verdict: GateResult.Verdict, _ text: String) -> String {
    guard enabled else { return text }
    let color: Int =
      switch verdict {
      case .pass: 32
      case .fail: 31
      case .inconclusive: 33
      }
    return "\u{1B}[1;\(color)m\(text)\u{1B}[0m"
  }
}
