import Fidelity
import FidelitySamples
import Reports
import Testing

/// Reports with a baseline, a configuration and loosened gates.
@Suite struct BaselineReportTests {
  private func report() throws -> FidelityReport {
    var report = try Sample.report(Sample.comparisons(), gates: Gates(maxMeanDrift: 0.02, maxDrift: 0.1))
    let earlier = try Sample.report(Sample.comparisons().dropLast())
    report.configuration = .init(path: "ci/quern.toml", sha256: String(repeating: "5", count: 64))
    report.baseline = BaselineComparison(
      report, since: earlier, path: "reports/<last>.json", sha256: String(repeating: "9", count: 64))
    return report
  }

  @Test func everyFormatHasTheChangesAndTheLooserGates() throws {
    try Fixture.expectGolden(report().rendered(as: .json), "baseline.json")
    try Fixture.expectGolden(report().rendered(as: .markdown), "baseline.md")
    try Fixture.expectGolden(report().rendered(as: .junit), "baseline.xml")
    try Fixture.expectGolden(report().text(), "baseline.txt")
  }

  @Test func reportsReadBack() throws {
    let report = try report()
    #expect(try FidelityReport(json: report.json()) == report)
    #expect(report.deterministicPart.baseline == nil && report.deterministicPart.configuration == nil)
  }

  @Test(arguments: ["", "[]", "{}", "{\"schema\": \"other/1\"}", "{\"schema\": 1}"])
  func otherFilesAreRefused(json: String) {
    #expect(throws: ReportError.self) { try FidelityReport(reading: json, from: "old.json") }
  }
}
