import Foundation
import Testing

/// Layers that stay float, because they are asked for or because gates are, in the bundled network.
@Suite struct KeptFloatTests {
  private static func convert(_ output: String, size: String = "64", _ extra: [String]) throws -> Tool.Outcome {
    try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "32", "--size", size,
        "--crop", "rect", "--augmentation", "none", "-o", output,
      ] + extra)
  }

  private static func json(_ outcome: Tool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
  }

  private static func kept(_ report: [String: Any]) throws -> [(name: String, reason: String, bytes: Int)] {
    let settings = try #require(report["settings"] as? [String: Any])
    return try (settings["kept_float"] as? [[String: Any]] ?? []).map {
      (
        try #require($0["name"] as? String), try #require($0["reason"] as? String),
        try #require($0["extra_bytes"] as? Int)
      )
    }
  }

  private static func drift(_ report: [String: Any]) throws -> Double {
    try #require((report["drift"] as? [String: Any])?["mean"] as? Double)
  }

  @Test func namedLayersStayFloat() throws {
    let scratch = try Scratch()
    let (plain, mixed) = (scratch.path("plain.quern"), scratch.path("mixed.quern"))
    let before = try Self.json(try Self.convert(plain, ["--json"]))
    let options = ["--keep-float", "conv1", "--keep-float", "layer1", "--keep-float", "layer4.?.conv2"]
    let after = try Self.json(try Self.convert(mixed, options + ["--json"]))
    #expect(try Self.kept(before).isEmpty)
    let kept = try Self.kept(after)
    // The first, ten of the first stage with its shortcut, three of the last.
    #expect(kept.count == 14 && kept[0].name == "conv1" && kept.allSatisfy { $0.reason.contains("--keep-float") })
    #expect(try Self.drift(after) < Self.drift(before))

    let inspected = try Self.json(try Tool.run(["inspect", mixed, "--check", "--json"]))
    let layers = try #require(inspected["layers"] as? [[String: Any]])
    #expect(layers.filter { $0["kept_float"] is String }.count == 14)
    let text = try Tool.run(["inspect", mixed])
    #expect(text.output.contains("kept in float") && text.output.contains("float: requested by --keep-float"))

    // The package does by itself what it was measured to do.
    let verified = try Tool.run(
      [
        "verify", mixed, "--reference", Tool.checkpoint, "--images", Tool.photographs,
        "--max-mean-drift", String(try 1.3 * Self.drift(after)),
      ])
    #expect(verified.status == 0, "\(verified.errors)")
    let bench = try Tool.run(["bench", mixed, "--layers", "--runs", "1", "--size", "64"])
    #expect(bench.status == 0 && bench.output.contains("conv1.normalize"), "\(bench.errors)")
    #expect(bench.output.hasPrefix("\(mixed)  64x64"), "\(bench.output)")
    #expect(try Tool.run(["export", mixed, "-o", scratch.path("mixed.onnx")]).status == 0)
  }

  /// A gate that no 16-bit activations reach is reached by float layers: not by all of them, the same for any threads.
  @Test func aGateThatActivationsMissIsReachedByFloatLayers() throws {
    let scratch = try Scratch()
    let options = ["--effort", "thorough", "--min-agreement", "0"]
    let wide = try Self.json(try Self.convert(scratch.path("wide.quern"), size: "33", options + ["--json"]))
    let all = try Self.json(
      try Self.convert(scratch.path("all.quern"), size: "33", options + ["--keep-float", "*", "--json"]))
    #expect(try Self.drift(all) < 0.05 * Self.drift(wide))
    let gate = ["--max-mean-drift", String(try 0.7 * Self.drift(wide))] + options
    let outcome = try Self.convert(scratch.path("mixed.quern"), size: "33", gate + ["--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let mixed = try Self.json(outcome)
    let kept = try Self.kept(mixed)
    #expect(!kept.isEmpty && kept.allSatisfy { $0.reason.hasPrefix("for the gates") })
    let bytes = kept.reduce(0) { $0 + $1.bytes }
    // With weights of two bytes they take a third of what those of four take.
    #expect(try 12 * bytes < Self.kept(all).reduce(0) { $0 + $1.bytes }, "\(bytes) bytes more")
    let again = try Self.convert(scratch.path("again.quern"), size: "33", gate + ["--threads", "1"])
    let line = "\(kept.count) layer\(kept.count == 1 ? "" : "s") kept in float (+"
    #expect(again.status == 0 && again.output.contains(line), "\(again.output)")
    #expect(
      try Data(contentsOf: URL(fileURLWithPath: scratch.path("mixed.quern")))
        == Data(contentsOf: URL(fileURLWithPath: scratch.path("again.quern"))))
  }

  @Test(arguments: ["laye1", "layer1.0.conv9", "*.nothing", ""])
  func unknownNamesAreUsageErrors(name: String) throws {
    let scratch = try Scratch()
    let outcome = try Self.convert(scratch.path("never.quern"), ["--keep-float", name])
    #expect(outcome.status == 64)
    #expect(outcome.errors.contains("--keep-float \(name): no layer") && outcome.errors.contains("nearest are"))
    if name == "layer1.0.conv9" { #expect(outcome.errors.contains("layer1.0.conv1")) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path("")).isEmpty)
  }
}
