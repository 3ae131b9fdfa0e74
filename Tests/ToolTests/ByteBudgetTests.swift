import Foundation
import Testing

/// `--max-bytes` on the bundled network.
@Suite struct ByteBudgetTests {
  private static func convert(_ output: String, _ extra: [String]) throws -> (status: Int32, report: [String: Any]) {
    let outcome = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "12", "--size", "40",
        "--crop", "rect", "--augmentation", "none", "--json", "--max-mean-drift", "0.5", "--max-drift", "1",
        "--min-agreement", "0", "-o", output,
      ] + extra)
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, try #require(report, "\(outcome.errors)"))
  }

  private static func size(_ path: String) throws -> Int {
    try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
  }

  private static func gate(_ report: [String: Any]) -> [String: Any]? {
    (report["gates"] as? [[String: Any]])?.first { $0["name"] as? String == "package_bytes" }
  }

  /// The file fits and uses its budget; it is the same for any number of threads, and says what was done.
  @Test(arguments: [(0.95, "balanced"), (0.75, "thorough"), (0.85, "fast")])
  func budgetsAreKept(share: Double, effort: String) throws {
    let scratch = try Scratch()
    let (_, plain) = try Self.convert(scratch.path("plain.quern"), ["--effort", effort])
    #expect(Self.gate(plain) == nil)
    let limit = Int(share * Double(try Self.size(scratch.path("plain.quern"))))
    let options = ["--effort", effort, "--max-bytes", "\(limit)"]
    let (status, report) = try Self.convert(scratch.path("small.quern"), options)
    #expect(status == 0)
    let size = try Self.size(scratch.path("small.quern"))
    // What the metadata and the self-test may take is left free, which a package of a megabyte notices.
    let metadata = 12_288
    #expect(size <= limit && Double(size) > 0.98 * Double(limit - metadata), "\(size) of \(limit)")
    let gate = try #require(Self.gate(report))
    #expect(gate["value"] as? Int == size && gate["limit"] as? Int == limit && gate["passed"] as? Bool == true)
    let settings = try #require(report["settings"] as? [String: Any])
    #expect(settings["max_bytes"] as? Int == limit)
    #expect(try #require(settings["coarser_weights_percent"] as? Double) > 1)
    _ = try Self.convert(scratch.path("again.quern"), options + ["--threads", "1"])
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: scratch.path("small.quern")))
        == Data(contentsOf: URL(fileURLWithPath: scratch.path("again.quern"))))
    let inspected = try Tool.run(["inspect", scratch.path("small.quern"), "--check"])
    #expect(inspected.status == 0 && inspected.output.contains("coarser_weights_percent"))
  }

  /// What cannot be had fails the gate of bytes alone; the smallest package is there all the same.
  @Test func impossibleBudgetsFailTheirGate() throws {
    let scratch = try Scratch()
    let (status, report) = try Self.convert(scratch.path("small.quern"), ["--max-bytes", "100k"])
    #expect(status == 1)
    let failed = try #require(report["gates"] as? [[String: Any]]).filter { $0["passed"] as? Bool == false }
    #expect(failed.map { $0["name"] as? String } == ["package_bytes"])
    #expect(failed.first?["limit"] as? Int == 100_000)
    #expect(failed.first?["value"] as? Int == (try Self.size(scratch.path("small.quern"))))
    let text = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "8", "--size", "64",
        "--quiet", "--max-bytes", "0.1MB", "-o", scratch.path("again.quern"),
      ])
    #expect(
      text.status == 1 && text.output.contains("\n  package bytes ") && text.output.contains("Raise `--max-bytes`"),
      "\(text.output)")
  }

  @Test(arguments: [
    "0", "-5", "1e6", "18XB", "0x10", ".", "", "MB", "1.5.2M", "99999999999GB", "nan", "inf", "0.4",
  ])
  func unfitSizesAreUsageErrors(size: String) throws {
    let outcome = try Tool.run(
      ["convert", Tool.checkpoint, "--calibration", Tool.photographs, "-o", "never.quern", "--max-bytes=\(size)"])
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(outcome.errors.contains("--max-bytes"))
  }
}
