import Fidelity
import FidelitySamples
import Foundation
import Reports
import Testing

/// Reports of what was measured at several sizes.
@Suite struct SizesTests {
  private static func size(_ size: Int, _ exponent: Double?, drifts: [Double]) throws -> SizeFidelity {
    let comparisons = try drifts.enumerated().map { index, drift in
      try image("\(index).jpg", drift: drift, reference: varied(index), quantized: varied(index))
    }
    return SizeFidelity(
      size: size, crop: "square", poolingExponent: exponent, figures: figures(of: comparisons), gates: try Gates())
  }

  private static func report(_ further: [SizeFidelity]) throws -> FidelityReport {
    var report = FidelityReport(
      first: try size(224, 3, drifts: [0.001, 0.002]), further: further,
      package: .init(path: "out.quern", bytes: 1000, sha256: "ab"),
      reference: .init(path: "in.pth", sha256: "01", format: "pytorch-zip", architecture: "resnet50"),
      settings: ["size": 224], skippedImages: [.init(name: "b.jpg", reason: "truncated")])
    report.notes = ["p = 5 is *not* what the package was verified for"]
    return report
  }

  private static func failing() throws -> FidelityReport {
    try report([size(500, 4, drifts: [0.02, 0.06]), size(800, .infinity, drifts: [0.003, 0.004])])
  }

  /// What is said of several sizes is said once.
  @Test func adviceNamesTheSizesOfAGate() throws {
    let text = try Self.failing().text()
    #expect(text.contains("  mean drift at 500 px is 0.0400, must be <= 0.01.\n"), "\(text)")
    #expect(text.contains("  top-1 agreement at 224 px, 500 px and 800 px is inconclusive: about 73 images"), "\(text)")
  }

  @Test func everySizeInEveryFormat() throws {
    let report = try Self.failing()
    try Fixture.expectGolden(report.rendered(as: .json), "sizes.json")
    try Fixture.expectGolden(report.rendered(as: .markdown), "sizes.md")
    try Fixture.expectGolden(report.rendered(as: .junit), "sizes.xml")
    try Fixture.expectGolden(report.text(), "sizes.txt")
  }

  @Test func oneSizeThatFailsFailsAll() throws {
    let report = try Self.failing()
    #expect(report.gates.allSatisfy(\.passed) && !report.passed)
    #expect(report.sizes.map(\.passed) == [true, false, true])
    #expect(report.text().hasPrefix("FAIL  2 of 9 gates failed, at 500 px"))
    #expect(report.figures == report.sizes[0].figures && report.gates == report.sizes[0].gates)
    #expect(try Self.report([Self.size(500, 4, drifts: [0.001])]).passed)
  }

  @Test func reportsReadBack() throws {
    for report in try [Self.failing(), Self.report([]), Self.report([Self.size(96, nil, drifts: [0.5])])] {
      #expect(try FidelityReport(json: report.json()) == report)
    }
    #expect(try Self.report([]).sizes.isEmpty)
    var limited = try Self.failing()
    limited.setPackage(.init(path: "out.quern", bytes: 1000, sha256: "ab"), maxBytes: 1000)
    #expect(limited.gates != limited.sizes[0].gates)
    #expect(try FidelityReport(json: limited.json()) == limited)
    #expect(try !Self.report([]).json().contains("\"sizes\""))
  }

  /// Reports of earlier versions have earlier names.
  @Test func earlierNamesAreRead() throws {
    let report = try Self.failing()
    let names = ["decisive_agreement", "near_ties", "min_gap"]
    let earlier = try names.reduce(report.json()) { json, name in
      // What is written under both names is left under the earlier one.
      json.replacing("\"\(name)\"", with: "\"x_\(name)\"")
    }
    #expect(try names.allSatisfy { try report.json().contains("\"\($0)\"") })
    #expect(try FidelityReport(json: earlier) == report)
  }

  /// The verdict of the report and of a size, which are not those of their gates, and figures that are not the first size's.
  @Test(arguments: [
    ("\"passed\" : false", "\"passed\" : true", false), ("\"passed\" : false", "\"passed\" : true", true),
    ("\"images\" : 2", "\"images\" : 3", false),
  ])
  func contradictionsAreRefused(part: String, replacement: String, inTheLastPlace: Bool) throws {
    let json = try Self.failing().json()
    let range = try #require(json.range(of: part, options: inTheLastPlace ? .backwards : []))
    let altered = json.replacingCharacters(in: range, with: replacement)
    #expect(throws: DecodingError.self) { try FidelityReport(json: altered) }
  }
}
