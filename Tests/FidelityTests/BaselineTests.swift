import Fidelity
import FidelitySamples
import Testing

/// Comparing a report with an earlier one.
@Suite("Regression since a baseline")
struct BaselineTests {
  /// A report of images whose drift spreads by half its mean.
  private func report(drift: Double, images: Int = 200, agreeing: Int = 200, size: Int? = 64) throws -> FidelityReport {
    let same = logits([0, 1, 2, 3, 4, 5])
    let other = logits([1, 0, 2, 3, 4, 5])
    var report = try Sample.report(
      (0..<images).map { index in
        try image(
          "\(index)", drift: drift * (0.5 + Double(index) / Double(images)), reference: same,
          quantized: index < agreeing ? same : other, label: 0)
      })
    report.settings["size"] = size.map { .int($0) }
    return report
  }

  private func compared(_ report: FidelityReport, since baseline: FidelityReport) -> FidelityReport {
    var report = report
    report.baseline = BaselineComparison(report, since: baseline, path: "old.json", sha256: "00")
    return report
  }

  @Test(
    "Only changes that exceed their intervals are regressions",
    arguments: [
      (0.002, 200, []), (0.00201, 200, []), (0.0025, 200, [GateName.meanDrift]), (0.001, 200, []),
      (0.002, 197, []), (0.002, 191, [.top1Agreement, .decisiveAgreement, .top1Drop]),
    ])
  func findsRegressions(drift: Double, agreeing: Int, expected: [GateName]) throws {
    let report = compared(try report(drift: drift, agreeing: agreeing), since: try report(drift: 0.002))
    let baseline = try #require(report.baseline)
    #expect(baseline.regressions.map(\.figure) == expected)
    let gate = try #require(report.allGates.first)
    #expect(gate.name == .regression && gate.value == Double(expected.count) && gate.passed == expected.isEmpty)
    #expect(baseline.notes.isEmpty)
  }

  /// The formula by hand: differences of the point estimates, and the root of the sum of squares of the distances.
  @Test("The interval of a change is Zou and Donner's")
  func computesTheInterval() throws {
    let report = compared(try report(drift: 0.003), since: try report(drift: 0.002))
    let change = try #require(report.baseline?.changes.first)
    let (now, before) = (report.figures.drift, try self.report(drift: 0.002).figures.drift)
    let (a, b) = (try #require(now.meanInterval), try #require(before.meanInterval))
    let (x, y) = (try #require(now.mean), try #require(before.mean))
    let interval = try #require(change.interval)
    #expect(
      abs(interval.low - (x - y - ((x - a.low) * (x - a.low) + (b.high - y) * (b.high - y)).squareRoot())) < 1e-15)
    #expect(
      abs(interval.high - (x - y + ((a.high - x) * (a.high - x) + (y - b.low) * (y - b.low)).squareRoot())) < 1e-15)
  }

  @Test("A baseline of other images, of another reference or of another size is noted")
  func notesDifferences() throws {
    var other = try report(drift: 0.002, size: 224)
    other.verification?.set.sha256 = "1"
    other.reference.sha256 = "2"
    other.settings["resize"] = "bicubic"
    let baseline = try #require(compared(try report(drift: 0.002), since: other).baseline)
    #expect(baseline.notes.count == 4 && baseline.changes.isEmpty)
    #expect(baseline.notes.last == "the baseline has no figures at 64 px")
  }

  @Test("A baseline without a figure that both have fails")
  func failsClosed() throws {
    let report = compared(try report(drift: 0.002), since: try report(drift: 0.002, size: 224))
    #expect(!report.passed && report.allGates.first?.value == nil)
  }

  /// A single image has no interval of its mean drift.
  @Test("A change that cannot be judged fails", arguments: [(1, 200), (200, 1)])
  func failsWithoutIntervals(before: Int, now: Int) throws {
    let report = compared(try report(drift: 0.04, images: now), since: try report(drift: 0.002, images: before))
    let gate = try #require(report.allGates.first)
    #expect(gate.name == .regression && gate.value == nil && !report.passed)
    let note = try #require(report.baseline?.notes.last)
    #expect(note.hasPrefix("whether these became worse cannot be told") && note.hasSuffix(": mean drift"))
  }

  @Test("What regressed is counted where something else cannot be judged")
  func countsRegressionsBesides() throws {
    let report = compared(try report(drift: 0.002, images: 1, agreeing: 0), since: try report(drift: 0.002))
    #expect(report.allGates.first.map { ($0.value ?? 0) > 0 && !$0.passed } == true)
  }

  @Test("Gates looser than their defaults are named", arguments: [(0.05, nil), (0.04, nil), (0.06, 0.05)])
  func namesLooserGates(limit: Double, expected: Double?) {
    #expect(GateResult(.maxDrift, value: 0, limit: limit).loosenedFrom == expected)
  }

  @Test("Lower minimums are looser", arguments: [(95.0, nil), (99, nil), (90, 95.0)])
  func namesLooserMinimums(limit: Double, expected: Double?) {
    #expect(GateResult(.top1Agreement, value: 0, limit: limit).loosenedFrom == expected)
  }

  @Test("The default limits are those of the gates")
  func defaultsAreTheGates() throws {
    let results = try Gates().results(for: report(drift: 0.002).figures)
    for result in results { #expect(result.name.defaultLimit == result.limit) }
  }
}

/// Tolerances that are looser than their defaults.
@Suite("Looser tolerances")
struct LooserToleranceTests {
  @Test(
    "They are named with the defaults",
    arguments: [
      (1e-5, 1e-4, ""), (1e-6, 1e-5, ""),
      (1e-3, 1e-4, "; allowed are 0.001 and logits 1e-04 (defaults 1e-05 and 1e-04)"),
      (1e-5, 0.01, "; allowed are 1e-05 and logits 0.01 (defaults 1e-05 and 1e-04)"),
    ])
  func areNamed(embedding: Double, logits: Double, expected: String) {
    let check = ReferenceCheck(
      framework: "PyTorch", images: 2, differences: .init(embedding: 1e-7, logits: 1e-7),
      tolerances: .init(embedding: embedding, logits: logits))
    #expect(
      check.summary == "checked against PyTorch on 2 images: at most 1e-07, logits 1e-07 of the largest" + expected)
  }
}
