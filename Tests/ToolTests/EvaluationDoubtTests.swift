import Foundation
import Testing

/// Gates of `evaluate` that would pass whatever a model computes are inconclusive, and reports say why.
@Suite struct EvaluationDoubtTests {
  private static func evaluate(
    _ arguments: [String]
  ) throws -> (status: Int32, report: [String: Any], gate: [String: Any], errors: String) {
    let outcome = try Tool.run(
      ["evaluate", "--set", "folders", "--size", "32", "--crop", "rect", "--json"] + arguments)
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
    return (outcome.status, report, (report["gates"] as? [[String: Any]])?.first ?? [:], outcome.errors)
  }

  /// Copies the first photographs of a scene.
  private static func copy(_ scene: String, _ count: Int, to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for index in 0..<count {
      let name = "\(scene)-\(index / 4)\(index % 4).jpg"
      try FileManager.default.copyItem(atPath: "\(Tool.photographs)/\(name)", toPath: "\(folder)/\(name)")
    }
  }

  /// A set of 24 images in two classes, each a query.
  private static func classes(_ scratch: Scratch) throws -> String {
    for scene in ["cat", "rocket"] { try copy(scene, 12, to: scratch.path("classes/\(scene)")) }
    return scratch.path("classes")
  }

  /// A package that was calibrated on some of the set's cats, and on eight images that are not in the set.
  private static func package(_ scratch: Scratch, cats: Int) throws -> String {
    try copy("admiral", 8, to: scratch.path("calibration"))
    try copy("cat", cats, to: scratch.path("calibration"))
    try copy("astronaut", 4, to: scratch.path("verification"))
    let converted = try Tool.run([
      "convert", Tool.checkpoint, "--calibration", scratch.path("calibration"), "--verify-images",
      scratch.path("verification"), "--size", "32", "--crop", "rect", "--repetitions", "1", "--effort", "fast",
      "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0", "-q", "-o", scratch.path("a.quern"),
    ])
    #expect(converted.status == 0, "\(converted.errors)")
    return scratch.path("a.quern")
  }

  /// 1 of 24 is less than a twentieth, and 2 of 24 are more. No drop exceeds 100 points.
  @Test(
    arguments: [
      (0, nil, "pass"), (1, "1 of 24", "pass"), (2, "2 of 24", "inconclusive"), (12, "12 of 24", "inconclusive"),
    ] as [(Int, String?, String)])
  func calibrationImagesAreDoubted(cats: Int, share: String?, verdict: String) throws {
    let scratch = try Scratch()
    let data = try Self.classes(scratch)
    let package = try Self.package(scratch, cats: cats)
    for models in [[Tool.checkpoint, package], [package, Tool.checkpoint]] {
      let (status, report, gate, errors) = try Self.evaluate(models + ["--data", data, "--max-map-drop", "100"])
      #expect(status == 0 && report["passed"] as? Bool == true, "\(errors)")
      #expect(report["verdict"] as? String == verdict && gate["verdict"] as? String == verdict)
      let doubts = share.map { verdict == "pass" ? [] : ["\($0) images calibrated on"] } ?? []
      #expect(gate["doubts"] as? [String] == doubts, "\(gate)")
      let warnings = (report["warnings"] as? [String] ?? []).filter { $0.contains("calibrated on") }
      #expect(warnings.count == (share == nil ? 0 : 1), "\(warnings)")
      if let share {
        #expect(
          warnings.allSatisfy { $0.contains("a.quern was calibrated on \(share) images, such as cat/cat-00.jpg") })
        #expect(errors.contains("its figures are too good for them"), "\(errors)")
      }
    }
  }

  /// A few queries among many images: 2 of 3 are more than a twentieth, although 2 of 63 are not.
  @Test func aLargeGalleryHidesNothing() throws {
    let scratch = try Scratch()
    for scene in ["cat", "rocket", "coffee", "flower", "temple"] {
      try Self.copy(scene, 12, to: scratch.path("images"))
    }
    try Self.copy("galaxies", 3, to: scratch.path("images"))
    let pairs = "query,positive\ncat-00.jpg,cat-02.jpg\ncat-01.jpg,cat-02.jpg\nrocket-00.jpg,rocket-01.jpg\n"
    let truth = try scratch.write(Data(pairs.utf8), to: "pairs.csv")
    let package = try Self.package(scratch, cats: 2)
    let outcome = try Tool.run([
      "evaluate", Tool.checkpoint, package, "--set", "pairs", "--ground-truth", truth, "--data", scratch.path("images"),
      "--size", "32", "--crop", "rect", "--max-map-drop", "100",
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("inconclusive: 2 of 3 queries calibrated on"), "\(outcome.output)")
    #expect(outcome.output.contains("calibrated on 2 of 63 images and 2 of 3 queries"), "\(outcome.output)")
  }

  /// A file, a copy of it, and the same numbers in files of two formats.
  @Test func whatIsComparedWithItselfNeverPasses() throws {
    let scratch = try Scratch()
    let data = try Self.classes(scratch)
    let copy = try scratch.write(try Data(contentsOf: URL(fileURLWithPath: Tool.checkpoint)), to: "copy.pth")
    let stored = ["e.safetensors", "e.npy", "e.fbin"].map { scratch.path($0) }
    for file in stored {
      let embedded = try Tool.run(
        ["embed", Tool.checkpoint, data, "--size", "32", "--crop", "rect", "-q", "-o", file])
      #expect(embedded.status == 0, "\(embedded.errors)")
    }
    let reports = ["md", "xml", "html"].map { scratch.path("report.\($0)") }
    for (models, sides) in [
      ([Tool.checkpoint, Tool.checkpoint], "are the same file"), ([Tool.checkpoint, copy], "are the same file"),
      ([Tool.checkpoint, "--embeddings", stored[0]], "have the same outputs, to the last bit"),
      (["--embeddings", stored[0], "--embeddings", stored[1]], "have the same outputs, to the last bit"),
      (["--embeddings", stored[1], "--embeddings", stored[2]], "have the same outputs, to the last bit"),
    ] {
      let (status, report, gate, errors) = try Self.evaluate(
        models + ["--data", data, "--max-map-drop", "0.1", "-q"] + reports.flatMap { ["--report", $0] })
      #expect(status == 0 && report["passed"] as? Bool == true, "\(errors)")
      #expect(gate["passed"] as? Bool == true && gate["verdict"] as? String == "inconclusive")
      #expect(gate["doubts"] as? [String] == ["compared with itself"], "\(gate)")
      #expect(errors.contains(sides) && errors.contains("prove nothing"), "\(errors)")
    }
    let texts = try reports.map { try String(contentsOfFile: $0, encoding: .utf8) }
    #expect(texts[0].contains("1 of 1 gates inconclusive"), "\(texts[0])")
    #expect(
      texts[1].contains("skipped=\"1\"") && texts[1].contains("inconclusive: compared with itself"), "\(texts[1])")
    #expect(texts[2].contains("INCONCLUSIVE") && texts[2].contains("compared with itself"))
  }

  /// Outputs that differ by a scale, and a first file in which all images are the same, or almost.
  @Test(arguments: [
    ("scaled", "compared with itself"), ("equal", "embeddings of different images are alike"),
    ("almost equal", "embeddings of different images are alike"),
  ])
  func whatCannotFailIsDoubted(first: String, doubt: String) throws {
    let scratch = try Scratch()
    let names = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]
    let values: [Float] = [1, 0, 0.1, 0.9, 0.2, 0, 0, 1, 0.3, 0.1, 0.8, 0]
    let firsts: [String: [Float]] = [
      "scaled": values.map { 3 * $0 }, "equal": [Float](repeating: 0.5, count: 12),
      "almost equal": (0..<12).map { 0.5 + 1e-6 * Float($0) },
    ]
    let files = try [try #require(firsts[first]), values].enumerated().map { index, values in
      try scratch.write(
        try GoldenWriter.file(values: values, width: 3, files: names), to: "\(index).safetensors")
    }
    let (status, report, gate, errors) = try Self.evaluate(
      ["--embeddings", files[0], "--embeddings", files[1], "--max-map-drop", "100"])
    #expect(status == 0 && report["passed"] as? Bool == true, "\(errors)")
    #expect(report["verdict"] as? String == "inconclusive" && gate["doubts"] as? [String] == [doubt], "\(gate)")
  }

  /// Other embeddings, by one bit of one element.
  @Test func otherEmbeddingsPass() throws {
    let scratch = try Scratch()
    let names = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]
    var values: [Float] = [1, 0, 0.1, 0.9, 0.2, 0, 0, 1, 0.3, 0.1, 0.8, 0]
    func file(_ name: String) throws -> String {
      try scratch.write(try GoldenWriter.file(values: values, width: 3, files: names), to: name)
    }
    let first = try file("first.safetensors")
    values[0] = values[0].nextUp
    let (status, report, gate, errors) = try Self.evaluate(
      ["--embeddings", first, "--embeddings", try file("other.safetensors"), "--max-map-drop", "0.1"])
    #expect(status == 0 && report["verdict"] as? String == "pass" && gate["verdict"] as? String == "pass", "\(errors)")
    #expect(gate["doubts"] as? [String] == [])
  }
}
