import Foundation
import Testing

/// The whole path on the bundled network and photographs.
@Suite struct ConversionTests {
  private static func convert(_ output: String, _ extra: [String] = []) throws -> Tool.Outcome {
    try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "32", "--size", "64",
        "--crop", "rect", "--repetitions", "2", "-o", output,
      ] + extra)
  }

  @Test func convertsVerifiesAndReports() throws {
    let scratch = try Scratch()
    let (package, json) = (scratch.path("demo.quern"), scratch.path("report.json"))
    let reports = ["--report", json, "--report", scratch.path("report.md"), "--report", scratch.path("report.xml")]
    let outcome = try Self.convert(package, reports)
    #expect(outcome.status == 0, "\(outcome.errors)")
    // Nothing but what was assumed is said off a terminal.
    #expect(outcome.errors.split(separator: "\n").allSatisfy { $0.hasPrefix("assuming: ") }, "\(outcome.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: json))) as? [String: Any])
    #expect(report["schema"] as? String == "quern.fidelity/1")
    #expect(report["passed"] as? Bool == true)
    #expect(report["images"] as? Int == 64)
    let gates = try #require(report["gates"] as? [[String: Any]])
    for name in ["mean_drift", "top1_agreement"] {
      let gate = try #require(gates.first { $0["name"] as? String == name })
      let interval = try #require(gate["interval"] as? [String: Double])
      let (low, high) = (try #require(interval["low"]), try #require(interval["high"]))
      let value = try #require(gate["value"] as? Double)
      #expect(low <= value && value <= high && low < high)
      // An inconclusive gate says how many images would decide; that agreement is at least 95 % 64 images cannot tell.
      #expect((gate["verdict"] as? String == "inconclusive") == (gate["needed_images"] is Int))
      if name == "top1_agreement" { #expect(gate["needed_images"] as? Int ?? 0 > 64) }
    }
    let described = try #require(report["package"] as? [String: Any])
    let size = try FileManager.default.attributesOfItem(atPath: package)[.size] as? Int
    #expect(described["bytes"] as? Int == size)

    let verified = try Tool.run(
      ["verify", package, "--reference", Tool.checkpoint, "--images", Tool.photographs, "--json"])
    #expect(verified.status == 0, "\(verified.errors)")
    let checked = try Tool.run(["inspect", package, "--check"])
    #expect(checked.status == 0, "\(checked.errors)")
    #expect(checked.output.contains("every hash is right"))
    #expect(checked.output.contains("passed on 64 images"))
    #expect(checked.output.contains("top1_agreement"))
  }

  @Test func sameInputsGiveTheSameBytes() throws {
    let scratch = try Scratch()
    // The same pictures elsewhere, in a folder of the same name, and one thread instead of all.
    let copy = scratch.path("elsewhere/photographs")
    try FileManager.default.createDirectory(at: scratch.url("elsewhere"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Tool.photographs, toPath: copy)
    let (first, second) = (scratch.path("a.quern"), scratch.path("b.quern"))
    #expect(try Self.convert(first).status == 0)
    let outcome = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", copy, "--calibration-count", "32", "--size", "64", "--crop",
        "rect", "--repetitions", "2", "--threads", "1", "-o", second,
      ], environment: ["LC_ALL": "tr_TR.UTF-8"])
    #expect(outcome.status == 0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: first)) == Data(contentsOf: URL(fileURLWithPath: second)))
  }

  /// The folder is stored by the name that was given, wherever a link of this name leads, and that of "." by its own.
  @Test func pathsToTheImagesGiveTheSameBytes() throws {
    let scratch = try Scratch()
    let link = scratch.path((Tool.photographs as NSString).lastPathComponent)
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: Tool.photographs)
    let packages = try [Tool.photographs, link, link + "/."].enumerated().map { index, folder in
      let package = scratch.path("\(index).quern")
      let outcome = try Tool.run([
        "convert", Tool.root.appendingPathComponent("fixtures/onnx/tiny-classifier.onnx").path, "--size", "32",
        "--calibration", folder, "--calibration-count", "8", "--repetitions", "1", "--effort", "fast", "-o", package,
      ])
      #expect(FileManager.default.fileExists(atPath: package), "\(outcome.errors)")
      return try Data(contentsOf: URL(fileURLWithPath: package))
    }
    #expect(packages[0] == packages[1] && packages[0] == packages[2])
  }

  /// Calibration counts all images but those that channels were measured on, and these, too, where others are few.
  @Test(arguments: [(images: 32, equalizationPasses: 12, forwardPasses: 20), (20, 12, 20), (8, 8, 8)])
  func imagesThatChannelsWereMeasuredOnAreNotRunAgain(
    images: Int, equalizationPasses: Int, forwardPasses: Int
  ) throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let outcome = try Self.convert(package, ["--augmentation", "none", "--calibration-count", "\(images)"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let record = try Self.calibrationRecord(package)
    #expect(record["images"] as? Int == images)
    #expect(record["equalization_passes"] as? Int == equalizationPasses)
    #expect(record["forward_passes"] as? Int == forwardPasses)
  }

  /// Where only those can be read that channels were measured on, they are run again.
  @Test func fewReadableImagesAreAllRun() throws {
    let scratch = try Scratch()
    let names = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter { $0.hasSuffix(".jpg") }
      .sorted().prefix(32)
    let measured = Set((0..<12).map { $0 * 32 / 12 })
    let readable = scratch.url("readable")
    try FileManager.default.createDirectory(at: readable, withIntermediateDirectories: true)
    for (index, name) in names.enumerated() {
      let target = readable.appendingPathComponent(name)
      if measured.contains(index) {
        try FileManager.default.copyItem(atPath: "\(Tool.photographs)/\(name)", toPath: target.path)
      } else {
        try Data("no picture".utf8).write(to: target)
      }
    }
    let package = scratch.path("demo.quern")
    let outcome = try Tool.run([
      "convert", Tool.checkpoint, "--calibration", readable.path, "--size", "64", "--crop", "rect", "--augmentation",
      "none", "--skip-bad-images", "--verify-images", Tool.photographs, "-o", package,
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("left out 20 images"), "\(outcome.errors)")
    #expect(try Self.calibrationRecord(package)["forward_passes"] as? Int == 12)
  }

  private static func calibrationRecord(_ package: String) throws -> [String: Any] {
    let inspected = try Tool.run(["inspect", package, "--json"])
    let description = try JSONSerialization.jsonObject(with: Data(inspected.output.utf8)) as? [String: Any]
    return try #require((description?["metadata"] as? [String: Any])?["calibration"] as? [String: Any])
  }

  @Test func failedGateIsStatusOneAndStillWrites() throws {
    let scratch = try Scratch()
    let (package, report) = (scratch.path("demo.quern"), scratch.path("report.xml"))
    let outcome = try Self.convert(package, ["--max-mean-drift", "0", "--report", report])
    #expect(outcome.status == 1)
    #expect(FileManager.default.fileExists(atPath: package))
    #expect(try String(contentsOfFile: report, encoding: .utf8).contains("<failure"))
    let inspected = try Tool.run(["inspect", package])
    #expect(inspected.output.contains("FAILED"))
  }

  @Test func classifiesAndEmbeds() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    #expect(try Self.convert(package).status == 0)
    let image = Tool.photographs + "/cat-00.jpg"
    let classified = try Tool.run(["classify", package, image, "--top", "3", "--json"])
    #expect(classified.status == 0, "\(classified.errors)")
    #expect(classified.output.contains("\"probability\""))
    let embedded = try Tool.run(["embed", package, Tool.photographs, "-o", scratch.path("e.safetensors")])
    #expect(embedded.status == 0, "\(embedded.errors)")
    // 96 embeddings of 512 values and logits of 50 classes, float32, behind a header.
    let size = try #require(
      try FileManager.default.attributesOfItem(atPath: scratch.path("e.safetensors"))[.size] as? Int)
    #expect(size > 96 * (512 + 50) * 4 && size < 96 * (512 + 50) * 4 + 8192)
    let timed = try Tool.run(["bench", package, "--runs", "3", "--json"])
    #expect(timed.status == 0)
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(timed.output.utf8)) as? [String: Any])
    #expect(report["schema"] as? String == "quern.bench/1")
    for milliseconds in ["load_ms", "first_ms"] {
      #expect(try #require(report[milliseconds] as? Double, "\(milliseconds)") > 0)
    }
    // The weights alone take more than a megabyte.
    for bytes in ["resident_bytes", "peak_rss_bytes"] {
      #expect(try #require(report[bytes] as? Int, "\(bytes)") > 1 << 20)
    }
  }
}
