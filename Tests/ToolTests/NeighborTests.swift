import Foundation
import Testing

/// What a conversion changes in searches among its verification images.
@Suite struct NeighborTests {
  /// The photographs in a folder for each scene.
  private static func classFolders(_ scratch: Scratch) throws -> String {
    let folder = scratch.path("classes")
    for name in try FileManager.default.contentsOfDirectory(atPath: Tool.photographs) where name.hasSuffix(".jpg") {
      let scene = String(name.prefix { $0 != "-" })
      try FileManager.default.createDirectory(atPath: "\(folder)/\(scene)", withIntermediateDirectories: true)
      try FileManager.default.copyItem(atPath: "\(Tool.photographs)/\(name)", toPath: "\(folder)/\(scene)/\(name)")
    }
    return folder
  }

  private static func run(_ arguments: [String]) throws -> (status: Int32, report: [String: Any], errors: String) {
    let outcome = try Tool.run(arguments + ["--json"])
    let report = try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, report ?? [:], outcome.errors)
  }

  private static func convert(_ scratch: Scratch, _ extra: [String]) throws -> (
    status: Int32, report: [String: Any], errors: String
  ) {
    try run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--size", "64", "--crop", "rect",
        "--repetitions", "1", "--effort", "fast", "--min-agreement", "0", "-o", scratch.path("a.quern"),
      ] + extra)
  }

  private static func neighbours(_ report: [String: Any]) throws -> [String: Any] {
    try #require(report["neighbours"] as? [String: Any])
  }

  private static func value(_ object: [String: Any], _ path: String...) throws -> Double {
    var object = object
    for key in path.dropLast() { object = try #require(object[key] as? [String: Any], "\(path)") }
    return try #require(path.last.flatMap { object[$0] as? Double }, "\(path)")
  }

  /// Retrieval by class is what `evaluate` measures of each network, and stored outputs have the figures of the models.
  @Test func figuresAreThoseOfEvaluationAndOfStoredOutputs() throws {
    let scratch = try Scratch()
    let classes = try Self.classFolders(scratch)
    let (status, report, errors) = try Self.convert(
      scratch, ["--verify-images", classes, "--false-match-rate", "0.01"])
    #expect(status == 0, "\(errors)")
    let found = try Self.neighbours(report)
    #expect(found["images"] as? Int == 96)
    let evaluated = try Self.run([
      "evaluate", Tool.checkpoint, scratch.path("a.quern"), "--set", "folders", "--data", classes,
    ])
    let models = try #require(evaluated.report["models"] as? [[String: Any]], "\(evaluated.errors)")
    for (model, search) in zip(models, ["float_in_float", "int8_in_int8"]) {
      for key in ["map", "recall_at_1"] {
        #expect(abs(try Self.value(found, "classes", search, key) - Self.value(model, key)) < 1e-9, "\(search) \(key)")
      }
    }
    // Another command, and other numbers of threads.
    for threads in ["1", "3"] {
      let verified = try Self.run([
        "verify", scratch.path("a.quern"), "--reference", Tool.checkpoint, "--images", classes, "--false-match-rate",
        "0.01", "--threads", threads, "--min-agreement", "0",
      ])
      #expect(try Self.neighbours(verified.report) as NSDictionary == found as NSDictionary, "\(verified.errors)")
    }
    let threshold = try Self.value(found, "decisions", "threshold")
    #expect(try Self.value(found, "decisions", "float_false_match_rate") <= 1)
    // Files of embeddings have no classes.
    let files = [scratch.path("int8.safetensors"), scratch.path("float.safetensors")]
    for (model, file) in zip([scratch.path("a.quern"), Tool.checkpoint], files) {
      let outcome = try Tool.run(["embed", model, classes, "--size", "64", "--crop", "rect", "-o", file, "--quiet"])
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    let compared = try Self.run(["compare"] + files + ["--threshold", "\(threshold)", "--min-agreement", "0"])
    let stored = try Self.neighbours(compared.report)
    for key in ["int8_in_float", "int8_in_int8", "near_ties", "images"] {
      #expect(try #require(stored[key] as? NSObject) == #require(found[key] as? NSObject), "\(key)")
    }
    #expect(stored["classes"] is NSNull)
    for search in ["int8_in_float", "int8_in_int8"] {
      for key in ["lost", "gained", "pairs", "flipped"] {
        #expect(
          try Self.value(stored, "decisions", search, key) == Self.value(found, "decisions", search, key), "\(key)")
      }
    }
    let inspected = try Tool.run(["inspect", scratch.path("a.quern"), "--json"])
    #expect(inspected.output.contains("\"neighbours\""))
  }

  /// The gate takes all images, fails by the lower agreement, and cannot be combined with stopping.
  @Test func neighboursAreGated() throws {
    let scratch = try Scratch()
    let passing = try Self.convert(
      scratch, ["--calibration-count", "24", "--min-neighbour-agreement", "5", "--report", scratch.path("r.xml")])
    #expect(passing.status == 0 && passing.report["images_at_hand"] == nil, "\(passing.errors)")
    #expect(try Self.neighbours(passing.report)["images"] as? Int == 72)
    let lower = try min(
      Self.value(passing.report, "neighbours", "int8_in_float", "top1"),
      Self.value(passing.report, "neighbours", "int8_in_int8", "top1"))
    try #require(lower < 100, "the package changes no neighbour, so that no limit fails")
    let gates = try #require(passing.report["gates"] as? [[String: Any]])
    #expect(gates.contains { $0["name"] as? String == "neighbour_agreement" && $0["value"] as? Double == lower })
    let junit = try String(contentsOfFile: scratch.path("r.xml"), encoding: .utf8)
    #expect(junit.contains("name=\"neighbour_agreement\"") && junit.contains("\"neighbour_agreement.mixed\""))

    let reference = ["--reference", Tool.checkpoint, "--images", Tool.photographs, "--min-agreement", "0"]
    let failing = try Self.run(["verify", scratch.path("a.quern"), "--min-neighbour-agreement", "100"] + reference)
    #expect(failing.status == 1 && failing.report["verdict"] as? String == "fail", "\(failing.errors)")
    let refused = try Tool.run(
      ["verify", scratch.path("a.quern"), "--min-neighbour-agreement", "90", "--stop-when-decided"] + reference)
    #expect(refused.status == 64 && refused.errors.contains("--stop-when-decided"), "\(refused.errors)")
    let refusedToo = try Self.convert(scratch, ["--min-neighbour-agreement", "90", "--stop-when-decided"])
    #expect(refusedToo.status == 64 && refusedToo.errors.contains("--stop-when-decided"), "\(refusedToo.errors)")
    // Where it stops by default, neighbours are those among the images compared.
    let stopped = try Self.convert(scratch, ["--calibration-count", "24"])
    #expect(stopped.report["images_at_hand"] as? Int == 72, "\(stopped.errors)")
    #expect(try Self.neighbours(stopped.report)["images"] as? Int == stopped.report["images"] as? Int)
  }

  /// A search for a network that passes takes 16-bit inputs until neighbours agree.
  @Test func searchesPassTheGate() throws {
    let scratch = try Scratch()
    let plain = try Self.convert(scratch, ["--effort", "balanced", "--verify-images", Tool.photographs])
    let lower = try min(
      Self.value(plain.report, "neighbours", "int8_in_float", "top1"),
      Self.value(plain.report, "neighbours", "int8_in_int8", "top1"))
    try #require(lower < 100, "\(plain.errors)")
    let limit = "\(lower + 0.5)"
    let found = try Self.convert(
      scratch,
      ["--effort", "balanced", "--verify-images", Tool.photographs, "--min-neighbour-agreement", limit])
    #expect(found.status == 0, "\(found.errors)")
    let settings = try #require(found.report["settings"] as? [String: Any])
    #expect((settings["wide_activations"] as? Int ?? 0) > 0)
  }

  @Test(arguments: [
    (["--false-match-rate", "0.001"], "images of several classes"), (["--threshold", "1.5"], "from -1 to 1"),
    (["--false-match-rate", "0"], "above 0 and below 1"), (["--false-match-rate", "1"], "above 0 and below 1"),
    (["--threshold", "0.8", "--false-match-rate", "0.1"], "cannot be combined"),
    (["--min-neighbour-agreement", "0.95"], "percent"),
  ])
  func whatCannotBeDecidedIsRefused(options: [String], message: String) throws {
    let scratch = try Scratch()
    let converted = try Self.convert(scratch, options)
    #expect(converted.status == 64 && converted.errors.contains(message), "\(converted.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("a.quern")))
  }
}
