import Foundation
import Testing

/// Verification that ends when its images decide every gate.
@Suite struct StoppingTests {
  private static let demo = ["--reference", Tool.checkpoint, "--images", Tool.photographs]
  // Two of five photographs are near ties to the demonstration's network, so that agreement would take them all.
  private static let gates = ["--min-agreement", "0"]

  private static func package(
    _ scratch: Scratch, _ extra: [String] = []
  ) throws -> (path: String, report: [String: Any]) {
    let path = scratch.path("demo.quern")
    let outcome = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "24", "--repetitions",
        "1",
        "--size", "64", "--json", "-o", path,
      ] + gates + extra)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return (path, try object(outcome.output))
  }

  private static func object(_ json: String) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
  }

  /// What a report says, but for paths, times and memory.
  private static func text(_ report: [String: Any]) throws -> String {
    let part = report.filter { !["package", "reference", "seconds", "peak_rss_bytes"].contains($0.key) }
    return String(decoding: try JSONSerialization.data(withJSONObject: part, options: .sortedKeys), as: UTF8.self)
  }

  @Test func conversionsStopOnImagesThatTheyHoldOut() throws {
    let scratch = try Scratch()
    let (path, report) = try Self.package(scratch)
    #expect(report["images"] as? Int == 62 && report["images_at_hand"] as? Int == 72)
    #expect(report["stopped_when_decided"] as? Bool == true && report["verdict"] as? String == "pass")
    let inspected = try Tool.run(["inspect", path, "--json"])
    #expect(inspected.status == 0 && inspected.output.contains("\"images_at_hand\" : 72"))

    let whole = try Self.package(scratch, ["--no-stop-when-decided"]).report
    #expect(whole["images"] as? Int == 72 && whole["images_at_hand"] == nil && whole["stopped_when_decided"] == nil)
    // A folder of its own is gone through.
    let own = try Self.package(scratch, ["--verify-images", Tool.photographs]).report
    #expect(own["images"] as? Int == 96 && own["images_at_hand"] == nil)
  }

  @Test func whatIsComparedDependsOnNamesAlone() throws {
    let scratch = try Scratch()
    let path = try Self.package(scratch).path
    var reports: Set<String> = []
    for threads in ["1", "2", "3"] {
      let outcome = try Tool.run(
        ["verify", path, "--stop-when-decided", "--threads", threads, "--json"] + Self.demo + Self.gates)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try Self.object(outcome.output)
      #expect(report["images"] as? Int == 62 && report["images_at_hand"] as? Int == 96)
      reports.insert(try Self.text(report))
    }
    #expect(reports.count == 1)
    let whole = try Tool.run(["verify", path, "--json"] + Self.demo + Self.gates)
    let explicit = try Tool.run(["verify", path, "--no-stop-when-decided", "--json"] + Self.demo + Self.gates)
    #expect(try Self.text(Self.object(whole.output)) == Self.text(Self.object(explicit.output)))
    #expect(try Self.object(whole.output)["images"] as? Int == 96)
  }

  @Test func failuresAreFoundByTheFirstImages() throws {
    let scratch = try Scratch()
    let path = try Self.package(scratch).path
    let outcome = try Tool.run(
      ["verify", path, "--stop-when-decided", "--max-drift", "0.000001", "--report", scratch.path("r.md")] + Self.demo
        + Self.gates)
    #expect(outcome.status == 1, "\(outcome.errors)")
    #expect(
      outcome.output.contains("32 compared of 96 available") && outcome.output.contains("a gate is decided to fail"))
    #expect(try String(contentsOfFile: scratch.path("r.md"), encoding: .utf8).contains("32 compared of 96 available"))
  }

  @Test func brokenImagesAreNamedOnce() throws {
    let scratch = try Scratch()
    let path = try Self.package(scratch).path
    let folder = scratch.url("photos")
    try FileManager.default.copyItem(at: URL(fileURLWithPath: Tool.photographs), to: folder)
    for name in ["broken-1.jpg", "broken-2.jpg", "broken-3.jpg"] {
      try Data("no image".utf8).write(to: folder.appendingPathComponent(name))
    }
    let outcome = try Tool.run(
      [
        "verify", path, "--reference", Tool.checkpoint, "--images", folder.path, "--stop-when-decided",
        "--skip-bad-images", "--json", "--min-float-top1", "0",
      ] + Self.gates)
    // The accuracy of the float network cannot be told without labels, so that all images are gone through.
    let report = try Self.object(outcome.output)
    #expect(report["images"] as? Int == 96 && report["images_at_hand"] == nil)
    #expect((report["skipped_images"] as? [Any])?.count == 3)
    #expect(outcome.errors.components(separatedBy: "left out").count == 2, "\(outcome.errors)")
  }
}
