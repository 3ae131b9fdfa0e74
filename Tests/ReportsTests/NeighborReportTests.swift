import Fidelity
import FidelitySamples
import Foundation
import Reports
import Testing

/// Reports of what changes in searches.
@Suite struct NeighborReportTests {
  @Test func everyFormatHasTheFiguresAndTheGate() throws {
    let report = try Sample.searched()
    #expect(!report.passed && report.gates.last?.name == .neighborAgreement)
    try Fixture.expectGolden(report.rendered(as: .json), "neighbours.json")
    try Fixture.expectGolden(report.rendered(as: .markdown), "neighbours.md")
    try Fixture.expectGolden(report.rendered(as: .junit), "neighbours.xml")
    try Fixture.expectGolden(report.text(), "neighbours.txt")
  }

  @Test func reportsReadBack() throws {
    for report in try [Sample.searched(), Sample.searched(agreeing: 99), Sample.searched(agreeing: 0, limit: 0)] {
      #expect(try FidelityReport(json: report.json()) == report)
    }
    let size = SizeFidelity(
      size: 64, crop: "rect", poolingExponent: 3, figures: try Sample.searched().figures,
      gates: try Gates(minNeighborAgreement: 99))
    let several = FidelityReport(
      first: size, further: [size], package: nil, reference: try Sample.passing().reference, settings: [:])
    #expect(try FidelityReport(json: several.json()) == several)
    #expect(several.junit().contains("neighbour_agreement.int8.64px") && !several.passed)
  }

  /// The lower of the two agreements is what the gate takes.
  @Test(arguments: [(97, 97.0, true), (97, 97.5, false), (99, 99, true), (100, 100, true), (0, 2, false)])
  func theGateTakesTheLowerAgreement(agreeing: Int, limit: Double, passes: Bool) throws {
    let report = try Sample.searched(agreeing: agreeing, limit: limit)
    let gate = try #require(report.gates.last)
    #expect(gate.name == .neighborAgreement && gate.value == Double(agreeing) && gate.passed == passes)
    #expect(report.passed == passes && gate.interval != nil)
  }

  @Test func whatWasNotMeasuredFailsItsGate() throws {
    var report = try Sample.passing()
    #expect(try !report.json().contains("\"neighbours\" : {") && !report.text().contains("neighbours"))
    report.gates = try Gates(minNeighborAgreement: 50).results(for: report.figures)
    #expect(!report.passed && report.junit().contains("at least two images"))
    #expect(try FidelityReport(json: report.json()) == report)
  }

  /// Reports of earlier versions have no such figures.
  @Test func reportsWithoutNeighboursAreRead() throws {
    let json = try Sample.passing().json()
    let earlier = json.replacing("  \"neighbours\" : null,\n", with: "")
    #expect(earlier != json)
    #expect(try FidelityReport(json: earlier) == Sample.passing())
  }

  @Test(arguments: [("\"lost\" : 3", "\"lost\" : -3"), ("\"lost\" : 3", "\"lost\" : 4949")])
  func impossibleCountsAreRefused(part: String, replacement: String) throws {
    let json = try Sample.searched().json()
    let altered = json.replacing(part, with: replacement)
    #expect(altered != json)
    #expect(throws: DecodingError.self) { try FidelityReport(json: altered) }
  }

  @Test func limitsAreChecked() throws {
    for limit in [-1, 101, 0.98] {
      #expect(throws: FidelityError.limit(.neighborAgreement, limit)) { try Gates(minNeighborAgreement: limit) }
    }
  }
}
