import Foundation
import Testing

/// What efforts and tolerances make of the bundled network.
@Suite struct EffortTests {
  /// Smaller images take less time, and fail gates of agreement.
  private static func convert(
    _ output: String, of checkpoint: String = Tool.checkpoint, size: String = "64", _ extra: [String]
  ) throws -> (status: Int32, report: [String: Any]) {
    let outcome = try Tool.run(
      [
        "convert", checkpoint, "--calibration", Tool.photographs, "--calibration-count", "32", "--size", size, "--crop",
        "rect", "--augmentation", "none", "--json", "-o", output,
      ] + extra)
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, try #require(report, "\(outcome.errors)"))
  }

  private static func drift(_ report: [String: Any]) throws -> Double {
    try #require((report["drift"] as? [String: Any])?["mean"] as? Double)
  }

  private static func setting(_ name: String, _ report: [String: Any]) throws -> Int {
    try #require((report["settings"] as? [String: Any])?[name] as? Int)
  }

  @Test func moreEffortDriftsLess() throws {
    let scratch = try Scratch()
    let drifts = try ["fast", "balanced", "thorough"].map { effort in
      let (_, report) = try Self.convert(scratch.path("\(effort).quern"), ["--effort", effort])
      #expect((report["settings"] as? [String: Any])?["effort"] as? String == effort)
      #expect(try (Self.setting("wide_activations", report) > 0) == (effort == "thorough"))
      return try Self.drift(report)
    }
    #expect(drifts[1] < drifts[0] && drifts[2] < drifts[1], "\(drifts)")
  }

  // MARK: - compare-efforts

  private static func compare(size: String = "64", _ extra: [String]) throws -> (status: Int32, report: [String: Any]) {
    let outcome = try Tool.run(
      [
        "compare-efforts", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "32", "--size",
        size, "--crop", "rect", "--augmentation", "none", "--runs", "3", "--json",
      ] + extra)
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, try #require(report, "\(outcome.errors)"))
  }

  /// The figures are those of `convert`, to the byte, and no file stays.
  @Test func comparedEffortsAreThoseOfConversions() throws {
    let scratch = try Scratch()
    let (status, report) = try Self.compare(size: "33", ["--min-agreement", "0"])
    #expect(status == 0)
    #expect(report["schema"] as? String == "quern.efforts/1")
    let efforts = try #require(report["efforts"] as? [[String: Any]])
    #expect(efforts.map { $0["effort"] as? String } == ["fast", "balanced", "thorough"])
    for row in efforts {
      let effort = try #require(row["effort"] as? String)
      let (_, converted) = try Self.convert(
        scratch.path("\(effort).quern"), size: "33", ["--effort", effort, "--min-agreement", "0"])
      #expect(try row["mean_drift"] as? Double == Self.drift(converted))
      let bytes = (converted["package"] as? [String: Any])?["bytes"] as? Int
      #expect(row["bytes"] as? Int == bytes && bytes != nil)
      #expect(try #require(row["ms_per_image"] as? Double) > 0)
    }
    // A quarter of float, with scales and the graph on top, and compressed.
    let float = try #require((report["float"] as? [String: Any])?["bytes"] as? Int)
    let share = try Double(#require(efforts[0]["bytes"] as? Int)) / Double(float)
    #expect((0.15...0.35).contains(share), "\(share)")
  }

  @Test func comparedEffortsFailWhereAllMissTheirGates() throws {
    let (status, report) = try Self.compare(["--efforts", "fast", "--max-mean-drift", "1e-9"])
    #expect(status == 1)
    let efforts = try #require(report["efforts"] as? [[String: Any]])
    #expect(efforts.map { $0["failed_gates"] as? [String] } == [["mean_drift"]])
    #expect(report["answer"] as? String == "fast fails a gate")
  }

  @Test func comparedEffortsLeaveNoFiles() throws {
    let scratch = try Scratch()
    let folder = scratch.path("temporary")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let outcome = try Tool.run(
      [
        "compare-efforts", Tool.checkpoint, "--calibration", Tool.photographs, "--size", "64", "--crop", "rect",
        "--efforts", "fast", "--runs", "1", "-o", scratch.path("efforts.html"), "-o", scratch.path("efforts.json"),
      ], environment: ["TMPDIR": folder])
    #expect(outcome.output.contains("made in s"), "\(outcome.errors)")
    #expect(try String(contentsOf: scratch.url("efforts.html"), encoding: .utf8).contains("<h2>Costs</h2>"))
    #expect(try String(contentsOf: scratch.url("efforts.json"), encoding: .utf8).contains("quern.efforts/1"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
  }

  /// A gate that the plain package fails is kept by one that reads some activations as 16 bits, the same every time.
  @Test func aFailingGateIsReachedByWiderActivations() throws {
    let scratch = try Scratch()
    let (_, plain) = try Self.convert(scratch.path("plain.quern"), [])
    let limit = String(try 0.8 * Self.drift(plain))
    let gate = ["--max-mean-drift", limit]
    let (status, report) = try Self.convert(scratch.path("wide.quern"), gate)
    #expect(status == 0)
    let widened = try Self.setting("wide_activations", report)
    #expect(widened > 0)
    // As many bytes of weights: only the graph section grows.
    let sizes = try ["plain", "wide"].map { name in
      try #require(
        try FileManager.default.attributesOfItem(atPath: scratch.path("\(name).quern"))[.size] as? Int)
    }
    #expect(abs(sizes[1] - sizes[0]) < 8192)
    let again = try Self.convert(scratch.path("again.quern"), gate + ["--threads", "1"])
    #expect(again.status == 0)
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: scratch.path("wide.quern")))
        == Data(contentsOf: URL(fileURLWithPath: scratch.path("again.quern"))))
    let verified = try Tool.run(
      [
        "verify", scratch.path("wide.quern"), "--reference", Tool.checkpoint, "--images", Tool.photographs,
        "--max-mean-drift", String(try 1.3 * Self.drift(report)),
      ])
    #expect(verified.status == 0, "\(verified.errors)")
  }

  /// Learned rounding, whatever the threads, gives the same package, with less drift than error feedback.
  @Test(arguments: [("fast", Tool.checkpoint), ("thorough", Tool.narrowNetwork)])
  func learnedRoundingIsRepeatable(effort: String, checkpoint: String) throws {
    let scratch = try Scratch()
    func convert(_ name: String, _ rounding: String, _ threads: String) throws -> (drift: Double, bytes: Data) {
      let output = scratch.path("\(name).quern")
      let (_, report) = try Self.convert(
        output, of: checkpoint, size: "33",
        ["--effort", effort, "--rounding", rounding, "--threads", threads, "--augmentation", "full"])
      return (try Self.drift(report), try Data(contentsOf: URL(fileURLWithPath: output)))
    }
    let feedback = try convert("feedback", "error-feedback", "2")
    let learned = try convert("learned", "learned", "2")
    #expect(learned.drift < feedback.drift, "\(learned.drift) against \(feedback.drift)")
    #expect(try convert("again", "learned", "1").bytes == learned.bytes)
  }

  @Test func withoutTimeTheBestSoFarIsWritten() throws {
    let scratch = try Scratch()
    let output = scratch.path("demo.quern")
    let (status, report) = try Self.convert(output, ["--max-mean-drift", "1e-9", "--time-budget", "0"])
    #expect(status == 1)
    #expect(try Self.setting("wide_activations", report) == 0)
    #expect((report["settings"] as? [String: Any])?["time_budget_reached"] as? Bool == true)
    #expect(FileManager.default.fileExists(atPath: output))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("")).count == 1)
  }

  @Test(arguments: [["--effort", "heroic"], ["--time-budget", "-1"], ["--time-budget", "soon"]])
  func unfitOptionsAreUsageErrors(options: [String]) throws {
    let outcome = try Tool.run(
      ["convert", Tool.checkpoint, "--calibration", Tool.photographs, "-o", "never.quern"] + options)
    #expect(outcome.status == 64, "\(outcome.errors)")
  }
}
