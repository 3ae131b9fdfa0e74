import Fidelity
import PrintableText

extension FidelityReport {
  /// The report as JUnit XML: one test case per gate, so that CI services list gates as tests. Where there are several
  /// sizes, each is a separate class. An inconclusive verdict is an additional test case, which is skipped, or failed
  /// where inconclusive verdicts are not accepted.
  package func junit() -> String {
    let gates = allGates
    let isOpen = verdict == .inconclusive
    let failures = gates.count { !$0.passed } + (isOpen && isStrict ? 1 : 0)
    let counts =
      "tests=\"\(gates.count + (isOpen ? 1 : 0))\" failures=\"\(failures)\" errors=\"0\" "
      + "skipped=\"\(isOpen && !isStrict ? 1 : 0)\""
    let time = fixed(seconds.sorted { $0.key < $1.key }.reduce(0) { $0 + $1.value }, decimals: 3)
    var lines = [
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>",
      "<testsuites name=\"quern\" \(counts) time=\"\(time)\">",
      "  <testsuite name=\"fidelity\" \(counts) time=\"\(time)\">",
      "    <properties>",
    ]
    lines += properties.map { "      <property name=\"\(escapedForXML($0))\" value=\"\(escapedForXML($1))\"/>" }
    lines.append("    </properties>")
    lines += separateGates.flatMap(commonCase)
    lines += parts.flatMap { part in part.gates.flatMap { testCase($0, of: part) } }
    if isOpen { lines += verdictCase }
    lines += ["  </testsuite>", "</testsuites>"]
    return lines.map { "\($0)\n" }.joined()
  }

  /// The test case of an inconclusive verdict.
  private var verdictCase: [String] {
    let message = escapedForXML("inconclusive: \(doubts.joined(separator: ", "))")
    return [
      "    <testcase classname=\"quern.fidelity\" name=\"verdict\" time=\"0.000\">",
      isStrict
        ? "      <failure message=\"\(message)\" type=\"verdict\"></failure>"
        : "      <skipped message=\"\(message)\"/>",
      "    </testcase>",
    ]
  }

  private func commonCase(_ gate: GateResult) -> [String] {
    let attributes = "classname=\"quern.fidelity\" name=\"\(gate.name.rawValue)\" time=\"0.000\""
    let sentences =
      gate.name == .reference
      ? [referenceCheck?.summary ?? ""] + (referenceCheck?.findings ?? []) : baseline?.sentences ?? []
    let details = escapedForXML(sentences.joined(separator: " "))
    let body =
      gate.passed
      ? "<system-out>\(details)</system-out>"
      : "<failure message=\"\(escapedForXML(gate.failure))\" type=\"gate\">\(details)</failure>"
    return ["    <testcase \(attributes)>", "      \(body)", "    </testcase>"]
  }

  private func testCase(_ gate: GateResult, of part: ReportPart) -> [String] {
    if [.reference, .regression].contains(gate.name) { return commonCase(gate) }
    let sizeSuffix = part.size.map { ".\($0.size)px" } ?? ""
    let attributes = "classname=\"quern.fidelity\(sizeSuffix)\" name=\"\(gate.name.rawValue)\" time=\"0.000\""
    let confidence =
      gate.confidenceSentence.map { ["      <system-out>\(escapedForXML($0))</system-out>"] } ?? []
    guard !gate.passed else {
      return confidence.isEmpty
        ? ["    <testcase \(attributes)/>"]
        : ["    <testcase \(attributes)>"] + confidence + ["    </testcase>"]
    }
    let isAboutDrift = ![.top1Agreement, .decisiveAgreement, .top1Drop, .floatTop1, .neighborAgreement].contains(
      gate.name)
    let details = isAboutDrift ? part.figures.worstImages.map { escapedForXML($0.line) }.joined(separator: "\n") : ""
    return [
      "    <testcase \(attributes)>",
      "      <failure message=\"\(escapedForXML(gate.failure))\" type=\"gate\">\(details)</failure>",
    ] + confidence + ["    </testcase>"]
  }

  private var properties: [(String, String)] {
    var properties = [("verdict", verdict.rawValue)]
    properties += allWarnings.map { ("warning", $0) }
    properties.append(("images", "\(figures.images)"))
    if let decisive = figures.decisiveAgreement {
      properties += [
        ("near_ties", "\(decisive.nearTies)"), ("decisive_agreement", decisive.top1.map { "\($0)" } ?? ""),
        // The earlier names of both, for tools that still read them.
        ("coin_tosses", "\(decisive.nearTies)"), ("clear_agreement", decisive.top1.map { "\($0)" } ?? ""),
      ]
    }
    for part in parts {
      let size = part.size.map { ".\($0.size)px" } ?? ""
      properties += (part.figures.neighbors?.properties ?? []).map { ($0.name + size, $0.value) }
    }
    for part in parts {
      guard let stop = part.figures.stop else { continue }
      let size = part.size.map { ".\($0.size)px" } ?? ""
      properties += [("stopped_when_decided\(size)", "true"), ("images_at_hand\(size)", "\(stop.availableImages)")]
      if let share = stop.shareAboveMaxDriftUpper {
        properties.append(("share_above_max_drift_upper\(size)", "\(share)"))
      }
    }
    let inconclusive = parts.flatMap { part in
      part.gates.filter { $0.verdict == .inconclusive }.map { gate in
        gate.name.rawValue + (part.size.map { ".\($0.size)px" } ?? "")
      }
    }
    let loosened = allGates.filter { $0.loosenedFrom != nil }.map { "\($0.name.rawValue) \($0.shownLimitAndDefault)" }
    if !loosened.isEmpty { properties.append(("loosened_gates", Set(loosened).sorted().joined(separator: ", "))) }
    if let configuration {
      properties += [("configuration.path", configuration.path), ("configuration.sha256", configuration.sha256)]
    }
    if let imagesSentence { properties.append(("images.input", imagesSentence)) }
    if !inconclusive.isEmpty { properties.append(("inconclusive", inconclusive.joined(separator: " "))) }
    if let referenceSentence { properties.append(("reference.check", referenceSentence)) }
    properties += notes.map { ("note", $0) } + assumptions.map { ("assumption", $0) }
    if let toolVersion { properties.append(("tool_version", toolVersion)) }
    for (title, set) in [("calibration", calibration), ("verification", verification?.set)] {
      guard let set else { continue }
      properties += [
        ("\(title).name", set.name), ("\(title).images", "\(set.images)"), ("\(title).sha256", set.sha256),
      ]
    }
    if let compared = verification?.compared { properties.append(("verification.compared", "\(compared)")) }
    if let overlap = verification?.overlap { properties.append(("verification.overlap", "\(overlap)")) }
    if let duplicates = verification?.set.duplicates {
      properties.append(("verification.duplicates", "\(duplicates)"))
    }
    if let package {
      properties += [("package.path", package.path), ("package.sha256", package.sha256)]
    }
    if let contentHash { properties.append(("package.content_hash", contentHash)) }
    if let signature { properties.append(("signature.key_sha256", signature.keySHA256)) }
    if let path = reference.path { properties.append(("reference.path", path)) }
    properties += [
      ("reference.sha256", reference.sha256), ("reference.format", reference.format),
      ("reference.architecture", reference.architecture),
    ]
    return properties
  }
}

/// `text` for an attribute or an element. Control characters are made printable first, as XML 1.0 forbids most of them,
/// even escaped.
func escapedForXML(_ text: String) -> String {
  var result = ""
  for scalar in printable(text).unicodeScalars {
    switch scalar {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}
