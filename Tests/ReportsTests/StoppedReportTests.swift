import Fidelity
import FidelitySamples
import Reports
import Testing

/// Reports of a verification that stopped when its gates were decided.
@Suite struct StoppedReportTests {
  private static func figures(drift: Double, count: Int) throws -> FidelityFigures {
    let decided = try Sample.decided(drift: drift, count: count)
    return try #require(decided)
  }

  private static func report(_ figures: FidelityFigures) throws -> FidelityReport {
    var report = try Sample.report([])
    report.figures = figures
    report.gates = try Gates().results(for: figures)
    report.seconds = [:]
    return report
  }

  @Test func everyFormatSaysHowManyImagesItTook() throws {
    let passing = try Self.report(Self.figures(drift: 0.002, count: 120))
    #expect(passing.verdict == .pass)
    try Fixture.expectGolden(passing.rendered(as: .json), "decided.json")
    try Fixture.expectGolden(passing.rendered(as: .markdown), "decided.md")
    try Fixture.expectGolden(passing.rendered(as: .junit), "decided.xml")
    try Fixture.expectGolden(passing.text(), "decided.txt")
    #expect(passing.text().contains("120 compared of 1250 available"))
  }

  @Test func aGateThatWasNotDecidedIsSaidToBe() throws {
    let failing = try Self.report(Self.figures(drift: 0.06, count: 40))
    #expect(failing.verdict == .fail)
    let text = failing.text()
    #expect(text.contains("a gate is decided to fail") && text.contains("not decided when verification stopped"))
    #expect(!text.contains("any number of images"))
  }

  @Test func reportsReadBack() throws {
    for figures in try [Self.figures(drift: 0.002, count: 120), Self.figures(drift: 0.06, count: 40)] {
      let report = try Self.report(figures)
      #expect(try FidelityReport(json: report.json()) == report)
      let sizes = try [64, 96].map { size in
        SizeFidelity(size: size, crop: "rect", poolingExponent: 3, figures: figures, gates: try Gates())
      }
      let several = FidelityReport(
        first: sizes[0], further: [sizes[1]], package: nil, reference: report.reference, settings: [:])
      #expect(try FidelityReport(json: several.json()) == several)
      #expect(try several.rendered(as: .junit).contains("images_at_hand.96px"))
    }
  }

  @Test func reportsOfAllImagesSayNothingOfStopping() throws {
    for text in try [Sample.passing().json(), Sample.passing().text(), Sample.passing().markdown()] {
      #expect(!text.contains("stop") && !text.contains("available") && !text.contains("sequence"))
    }
  }
}
