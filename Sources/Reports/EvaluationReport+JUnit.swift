import Fidelity
import Retrieval

extension EvaluationReport {
  /// The report as JUnit XML: one test case per gate; figures are properties.
  package func junit() -> String {
    let failures = gates.count { !$0.passed }
    let counts = "tests=\"\(gates.count)\" failures=\"\(failures)\" errors=\"0\" skipped=\"0\""
    var lines = [
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<testsuites name=\"quern\" \(counts)>",
      "  <testsuite name=\"evaluation\" \(counts)>", "    <properties>",
    ]
    var properties = [("set", set), ("images", "\(images)"), ("queries", "\(queries)")]
    properties += warnings.map { ("warning", $0) } + notes.map { ("note", $0) }
    for (title, values) in figureRows {
      properties += zip(models, values).filter { $1 != missingValue }.map { ("\($0.path): \(title)", $1) }
    }
    if let toolVersion { properties.append(("tool_version", toolVersion)) }
    lines += properties.map { "      <property name=\"\(escapedForXML($0))\" value=\"\(escapedForXML($1))\"/>" }
    lines.append("    </properties>")
    for gate in gates {
      let sentence = "\(gate.name.title) \(gate.shownValue), limit \(gate.shownLimit): \(gate.verdict.rawValue)"
      lines += [
        "    <testcase classname=\"quern.evaluation.\(escapedForXML(gate.model))\" name=\"\(gate.name.rawValue)\" "
          + "time=\"0.000\">",
        gate.passed
          ? "      <system-out>\(escapedForXML(sentence))</system-out>"
          : "      <failure message=\"\(escapedForXML(gate.failure))\" type=\"gate\"></failure>",
        "    </testcase>",
      ]
    }
    lines += ["  </testsuite>", "</testsuites>"]
    return lines.map { "\($0)\n" }.joined()
  }
}
