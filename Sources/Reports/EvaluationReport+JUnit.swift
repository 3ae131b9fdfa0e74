import Fidelity
import Retrieval

extension EvaluationReport {
  /// The report as JUnit XML: one test case per gate, which is skipped where a value within the limit is in doubt;
  /// figures are properties.
  package func junit() -> String {
    let failures = gates.count { !$0.passed }
    let skipped = gates.count { $0.passed && !$0.doubts.isEmpty }
    let counts = "tests=\"\(gates.count)\" failures=\"\(failures)\" errors=\"0\" skipped=\"\(skipped)\""
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
      let outcome = escapedForXML(gate.doubt.isEmpty ? gate.verdict.rawValue : gate.doubt)
      let sentence = "\(gate.name.title) \(gate.shownValue), limit \(escapedForXML(gate.shownLimit)): \(outcome)"
      lines += [
        "    <testcase classname=\"quern.evaluation.\(escapedForXML(gate.model))\" name=\"\(gate.name.rawValue)\" "
          + "time=\"0.000\">",
        !gate.passed
          ? "      <failure message=\"\(escapedForXML(gate.failure))\" type=\"gate\"></failure>"
          : gate.doubts.isEmpty
            ? "      <system-out>\(sentence)</system-out>" : "      <skipped message=\"\(sentence)\"/>",
        "    </testcase>",
      ]
    }
    lines += ["  </testsuite>", "</testsuites>"]
    return lines.map { "\($0)\n" }.joined()
  }
}
