import Foundation
import Testing

/// Errors and differences that were reported as something else.
@Suite struct NamedFaultTests {
  private static func fixture(_ path: String) -> String { Tool.root.appendingPathComponent("fixtures/\(path)").path }

  private static func json(_ outcome: Tool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
  }

  // MARK: - Reports

  /// A report of a run that measured nothing, and others, have no figure in common, so that nothing shows that none
  /// regressed.
  @Test(arguments: ["failing", "sizes", "checked", "neighbours", "stopped"])
  func reportsWithNothingInCommonAreADifference(name: String) throws {
    let scratch = try Scratch()
    let (stopped, other) = (Self.fixture("fidelity/stopped.json"), Self.fixture("fidelity/\(name).json"))
    for reports in [[stopped, other], [other, stopped]] {
      let difference = try Tool.run(["diff"] + reports + ["--exit-code", "-o", scratch.path("d.html")])
      #expect(difference.status == 1, "\(difference)")
      #expect(difference.output.hasPrefix("the reports have no figure in common\n"), "\(difference.output)")
      #expect(try String(contentsOfFile: scratch.path("d.html"), encoding: .utf8).contains("NOT COMPARABLE"))
      let plain = try Tool.run(["diff"] + reports + ["--json"])
      #expect(try plain.status == 0 && Self.json(plain)["same"] as? Bool == false, "\(plain)")
    }
    let itself = try Tool.run(["diff", other, other, "--exit-code"])
    #expect(itself.status == (name == "stopped" ? 1 : 0), "\(itself.output)")
  }

  // MARK: - Patches

  /// What is wrong with a patch names its file, also in the report of the error.
  @Test(arguments: [
    ("package", "this is a package, not a patch"), ("text", "not a quern patch"), ("short", "cut short"),
  ])
  func errorsOfPatchesNameTheFile(kind: String, problem: String) throws {
    let scratch = try Scratch()
    let old = Self.fixture("packages/worked-example.quern")
    let whole = try Data(contentsOf: URL(fileURLWithPath: Self.fixture("patches/version-1.0.qpatch")))
    var patch = Self.fixture("packages/version-1.0.quern")
    if kind == "text" { patch = try scratch.write(Data("--- a\n+++ b\n".utf8), to: "a.qpatch") }
    if kind == "short" { patch = try scratch.write(whole.dropLast(), to: "a.qpatch") }
    let outcome = try Tool.run(["patch", "apply", old, patch, "-o", scratch.path("z.quern"), "--json"])
    #expect(outcome.status == 65 && outcome.errors.contains("\(patch): "), "\(outcome.errors)")
    #expect(outcome.errors.contains(problem), "\(outcome.errors)")
    #expect(try Self.json(outcome)["file"] as? String == patch)
  }

  // MARK: - The system

  /// A package that cannot be read back for lack of descriptors is not one with other bytes.
  @Test(arguments: 6...14) func lackOfDescriptorsIsNoDamage(limit: Int) throws {
    let scratch = try Scratch()
    let outcome = try Tool.shell(
      "ulimit -n \(limit); \"$@\"",
      [
        "convert", Self.fixture("onnx/tiny-classifier.onnx"), "--calibration", Tool.photographs, "--calibration-count",
        "8", "--size", "32", "--repetitions", "1", "--effort", "fast", "--max-mean-drift", "2", "--max-drift", "2",
        "--min-agreement", "0", "--threads", "1", "-q", "-o", "a.quern",
      ], in: scratch)
    #expect([0, 73, 74].contains(outcome.status), "\(outcome)")
    #expect(!outcome.errors.contains("not what was written"), "\(outcome.errors)")
    if outcome.status != 0 { #expect(outcome.errors.contains("Too many open files"), "\(outcome.errors)") }
  }

  // MARK: - Progress

  /// No line but those of progress begins with a brace, whatever files are named.
  @Test func onlyProgressLooksLikeProgress() throws {
    let scratch = try Scratch()
    let folder = "{\"done\":1}"
    try FileManager.default.createDirectory(at: scratch.url(folder), withIntermediateDirectories: true)
    for name in ["cat-00.jpg", "cat-01.jpg"] {
      try FileManager.default.copyItem(atPath: "\(Tool.photographs)/\(name)", toPath: scratch.path("\(folder)/\(name)"))
    }
    _ = try scratch.write(Data("no image".utf8), to: "\(folder)/a.jpg")
    _ = try scratch.write(Data("threads = 1\n".utf8), to: "{x}.toml")
    func embed(_ extra: [String]) throws -> Tool.Outcome {
      try Tool.shell(
        "\"$@\"",
        [
          "embed", Tool.checkpoint, folder, "--size", "32", "--progress", "json", "--config", "{x}.toml", "-o",
          "e.safetensors",
        ] + extra, in: scratch)
    }
    let (skipped, refused) = (try embed(["--skip-bad-images"]), try embed([]))
    #expect(skipped.status == 0 && refused.status == 65, "\(skipped.errors)\(refused.errors)")
    for outcome in [skipped, refused] {
      #expect(outcome.errors.contains("quern: {x}.toml: --threads=1"), "\(outcome.errors)")
      #expect(outcome.errors.contains("quern: \(folder)/a.jpg"), "\(outcome.errors)")
      let objects = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("{") }
      #expect(!objects.isEmpty)
      for object in objects {
        let line = try JSONSerialization.jsonObject(with: Data(object.utf8)) as? [String: Any]
        #expect(line?["schema"] as? String == "quern.progress/1", "\(object)")
      }
    }
  }

  // MARK: - Outputs and tolerances

  /// Equal numbers in files of other formats are compared with themselves, and one other bit is not.
  @Test func equalOutputsNeverPass() throws {
    let scratch = try Scratch()
    let files = ["i.npy", "i.fbin", "i.safetensors"].map { scratch.path($0) }
    for file in files {
      let embedded = try Tool.run(["embed", Tool.checkpoint, Tool.photographs, "--size", "32", "-q", "-o", file])
      #expect(embedded.status == 0, "\(embedded.errors)")
    }
    for (a, b) in [(0, 1), (1, 0), (0, 2), (2, 1)] {
      let outcome = try Tool.run(["compare", files[a], files[b], "--strict", "-q", "--json"])
      let report = try Self.json(outcome)
      #expect(outcome.status == 1 && report["verdict"] as? String == "inconclusive", "\(outcome.errors)")
      #expect(report["passed"] as? Bool == true && report["identical_outputs"] as? Bool == true)
      #expect(outcome.errors.contains("the same outputs, to the last bit"), "\(outcome.errors)")
    }
    // The report can be read again.
    let report = scratch.path("r.json")
    #expect(try Tool.run(["compare", files[0], files[1], "-q", "--report", report]).status == 0)
    let again = try Tool.run(["compare", files[0], files[1], "-q", "--baseline", report])
    #expect(again.status == 0 && again.output.contains("INCONCLUSIVE"), "\(again)")
    var bytes = try Data(contentsOf: URL(fileURLWithPath: files[1]))
    // The lowest bits of the first element, after the numbers of rows and of dimensions.
    bytes[8] ^= 1
    let other = try scratch.write(bytes, to: "other.fbin")
    let outcome = try Tool.run(["compare", other, files[0], "--strict", "-q", "--json"])
    #expect(try outcome.status == 0 && Self.json(outcome)["identical_outputs"] == nil, "\(outcome)")
  }

  /// Tolerances that let another preprocessing pass are named by the gate, and by a warning where they are needed.
  @Test func looseTolerancesAreNamed() throws {
    let scratch = try Scratch()
    func convert(_ extra: [String]) throws -> (gate: [String: Any], warnings: [String], markdown: String) {
      let outcome = try Tool.run(
        [
          "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "16", "--size", "32",
          "--repetitions", "1", "--effort", "fast", "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0",
          "--golden", Self.fixture("golden/demo.safetensors"), "--json", "-o", scratch.path("a.quern"), "--report",
          scratch.path("r.md"),
        ] + extra)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let report = try Self.json(outcome)
      let gate = try #require((report["gates"] as? [[String: Any]])?.first)
      #expect(gate["name"] as? String == "reference" && gate["limit"] as? Double == 1)
      let warnings = (report["warnings"] as? [String] ?? []).filter { $0.contains("only because the tolerances") }
      return (gate, warnings, try String(contentsOfFile: scratch.path("r.md"), encoding: .utf8))
    }
    let usual = try convert([])
    #expect(usual.gate["loosened_from"] == nil && usual.warnings.isEmpty)
    // The defaults allow 1e-5/2e-5 of the one tolerance and 1e-4/1e-3 of the other, of which 0.1 is the stricter.
    // Neither is needed.
    let unneeded = try convert(["--reference-embedding-tolerance", "2e-5", "--reference-logits-tolerance", "1e-3"])
    let share = try #require(unneeded.gate["loosened_from"] as? Double)
    #expect(abs(share - 0.1) < 1e-12 && unneeded.warnings.isEmpty)
    #expect(unneeded.markdown.contains("default 0.1"), "\(unneeded.markdown)")
    // BGR in place of RGB. The defaults allow 1e-5/1, which is stricter than 1e-4/2.
    let needed = try convert([
      "--channel-order", "bgr", "--reference-embedding-tolerance", "1", "--reference-logits-tolerance", "2",
    ])
    let loose = try #require(needed.gate["loosened_from"] as? Double)
    #expect(abs(loose - 1e-5) < 1e-15 && needed.gate["passed"] as? Bool == true)
    #expect(needed.warnings.count == 1 && needed.warnings[0].contains("(defaults 1e-05 and 1e-04)"))
  }
}
