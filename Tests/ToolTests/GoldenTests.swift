import Foundation
import Testing

/// The bundled network held to PyTorch's outputs (scripts/fixtures/make_golden_fixtures.py), which are right; what a
/// conversion does otherwise than PyTorch did, on purpose here, is named.
@Suite struct GoldenTests {
  private static let folder = Tool.root.appendingPathComponent("fixtures/golden")
  private static let golden = folder.appendingPathComponent("demo.safetensors").path
  private static let bgr = folder.appendingPathComponent("demo-bgr.safetensors").path

  private static func convert(
    _ output: String, golden: String, _ extra: [String] = [], size: String = "32",
    calibration: String = Tool.photographs
  ) throws -> Tool.Outcome {
    try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", calibration, "--calibration-count", "16", "--size", size,
        "--repetitions", "1", "--effort", "fast", "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0",
        "--golden", golden, "--json", "-o", output,
      ] + extra)
  }

  private static func report(_ outcome: Tool.Outcome) throws -> [String: Any] {
    let object = try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return try #require(object, "\(outcome.output)\(outcome.errors)")
  }

  private static func check(_ outcome: Tool.Outcome) throws -> [String: Any] {
    try #require(try report(outcome)["reference_check"] as? [String: Any])
  }

  @Test func theFloatNetworkIsPyTorchs() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let outcome = try Self.convert(package, golden: Self.golden)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let check = try Self.check(outcome)
    #expect((check["framework"] as? String)?.hasPrefix("PyTorch 2.") == true)
    #expect(check["images"] as? Int == 3 && check["missing_images"] as? Int == 0 && check["passed"] as? Bool == true)
    for key in ["embedding_max", "logits_max", "input_embedding_max", "input_logits_max"] {
      let value = try #require(check[key] as? Double)
      #expect(value > 0 && value < 5e-6, "\(key) is \(value)")
    }
    let gates = try #require(try Self.report(outcome)["gates"] as? [[String: Any]])
    #expect(gates.first?["name"] as? String == "reference" && gates.first?["passed"] as? Bool == true)
    // The package keeps it.
    let inspected = try Tool.run(["inspect", package])
    #expect(inspected.output.contains("checked against PyTorch 2."))
    // Verification holds the checkpoint to the same file.
    let arguments = [
      "verify", package, "--reference", Tool.checkpoint, "--images", Tool.photographs, "--max-mean-drift", "2",
      "--max-drift", "2", "--min-agreement", "0",
    ]
    let verified = try Tool.run(arguments + ["--golden", Self.golden])
    #expect(verified.status == 0, "\(verified.errors)")
    #expect(verified.output.contains("checked against PyTorch 2.") && verified.output.contains("on 3 images"))
    #expect(try Tool.run(arguments).output.contains("was not checked against its framework"))
    let wrong = try Tool.run(
      arguments + ["--golden", Self.golden, "--resize", "bicubic", "--report", scratch.path("r.json")])
    #expect(wrong.status == 1 && wrong.output.contains("--resize bilinear"), "\(wrong.output)")
    #expect(FileManager.default.fileExists(atPath: scratch.path("r.json")))
  }

  static let suspects: [(options: [String], cause: String, remedy: String)] = [
    (
      ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"], "mean and std",
      "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
    ),
    (
      ["--mean", "0,0,0", "--std", "1/255,1/255,1/255"], "mean and std",
      "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"
    ),
    (["--channel-order", "bgr"], "order of channels", "--channel-order rgb"),
    (["--resize", "bicubic"], "resize filter", "--resize bilinear"),
    (["--resize", "lanczos"], "resize filter", "--resize bilinear"),
    (["--crop-ratio", "0.95"], "crop ratio", "--crop-ratio 0.875"), (["--crop-ratio", "1"], "crop ratio", "0.875"),
    (["--crop", "rect"], "the crop", "--crop square"),
    (["--resize", "bicubic", "--crop-ratio", "32/34"], "resize filter", "--resize bilinear --crop-ratio 0.875"),
  ]

  /// A conversion that looks at images otherwise than the framework stops with its reports and without a package; with the
  /// options of the report, added to those that were wrong, it passes.
  @Test(arguments: suspects.indices)
  func usualSuspectsAreNamed(index: Int) throws {
    let (options, cause, remedy) = Self.suspects[index]
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let paths = ["r.json", "r.md", "r.xml"].map(scratch.path)
    let outcome = try Self.convert(package, golden: Self.golden, options + paths.flatMap { ["--report", $0] })
    #expect(outcome.status == 1, "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: package))
    let report = try Self.report(outcome)
    #expect(report["passed"] as? Bool == false && report["images"] as? Int == 0)
    let findings = try #require(try Self.check(outcome)["findings"] as? [String]).joined(separator: " ")
    #expect(
      findings.contains("the network is right") && findings.contains(cause) && findings.contains(remedy), "\(findings)")
    for path in paths {
      let text = try String(contentsOfFile: path, encoding: .utf8)
      #expect(text.contains(cause) && (path.hasSuffix("json") || text.contains("does not match PyTorch")), "\(text)")
    }
    #expect(try String(contentsOfFile: paths[2], encoding: .utf8).contains("name=\"reference\" time"))
  }

  /// Without the framework's input the outputs tell which suspect it is.
  @Test func outputsAloneTellTheOrderOfChannels() throws {
    let scratch = try Scratch()
    let outcome = try Self.convert(scratch.path("a.quern"), golden: Self.bgr)
    #expect(outcome.status == 1)
    let findings = try #require(try Self.check(outcome)["findings"] as? [String]).joined(separator: " ")
    #expect(findings.contains("the framework's is BGR") && findings.contains("give --channel-order bgr"), "\(findings)")

    let package = scratch.path("b.quern")
    let right = try Self.convert(package, golden: Self.bgr, ["--channel-order", "bgr"])
    #expect(right.status == 0, "\(right.output)")
    // The package takes RGB, and knows how its checkpoint is to be read.
    let verified = try Tool.run([
      "verify", package, "--reference", Tool.checkpoint, "--images", Tool.photographs, "--golden", Self.bgr,
      "--max-mean-drift", "0.05", "--max-drift", "2", "--min-agreement", "0", "--max-top1-drop", "100",
    ])
    #expect(verified.status == 0, "\(verified.output)")
    #expect(
      try Tool.run(["embed", package, Tool.photographs, "--channel-order", "bgr", "-o", scratch.path("e")]).status == 64
    )
  }

  @Test func imagesAreFoundByContent() throws {
    let scratch = try Scratch()
    // Other images, and the golden file's own under other names in a folder of theirs.
    let (others, own) = (scratch.url("others"), scratch.url("own"))
    for folder in [others, own] {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }
    for name in ["flower-00", "flower-01", "temple-00", "temple-01"] {
      try FileManager.default.copyItem(
        atPath: "\(Tool.photographs)/\(name).jpg", toPath: others.appendingPathComponent("\(name).jpg").path)
    }
    for (index, name) in ["rocket-12", "cat-00"].enumerated() {
      try FileManager.default.copyItem(
        atPath: "\(Tool.photographs)/\(name).jpg", toPath: own.appendingPathComponent("\(index).jpg").path)
    }
    let package = scratch.path("demo.quern")
    let missing = try Self.convert(package, golden: Self.golden, calibration: others.path)
    #expect(missing.status == 66 && missing.errors.contains("--golden-images"), "\(missing.errors)")
    let found = try Self.convert(package, golden: Self.golden, ["--golden-images", own.path], calibration: others.path)
    #expect(found.status == 0, "\(found.errors)")
    let check = try Self.check(found)
    #expect(check["images"] as? Int == 2 && check["missing_images"] as? Int == 1)
  }

  @Test func tolerancesAreAdjustable() throws {
    let scratch = try Scratch()
    let strict = try Self.convert(
      scratch.path("a.quern"), golden: Self.golden,
      ["--reference-embedding-tolerance", "0", "--reference-logits-tolerance", "0"])
    #expect(strict.status == 1)
    #expect((try Self.check(strict)["embedding_max"] as? Double ?? 0) > 0)
    let loose = try Self.convert(
      scratch.path("a.quern"), golden: Self.golden,
      ["--resize", "bicubic", "--reference-embedding-tolerance", "1", "--reference-logits-tolerance", "2"])
    #expect(loose.status == 0, "\(loose.output)")
  }

  @Test func filesOfOtherNetworksAndOfNoneAreRefused() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    #expect(try Self.convert(package, golden: Tool.checkpoint).status == 65)
    #expect(try Self.convert(package, golden: scratch.path("none.safetensors")).status == 66)
    // At another size than the conversion's.
    let size = try Self.convert(package, golden: Self.golden, size: "64")
    #expect(size.status == 64 && size.errors.contains("give --size 32"), "\(size.errors)")
    let narrow = try GoldenWriter.file(
      rows: 1, width: 7, hashes: ["cat-00"].map { try GoldenWriter.hash("\(Tool.photographs)/\($0).jpg") })
    let width = try Self.convert(package, golden: try scratch.write(narrow, to: "narrow.safetensors"))
    #expect(width.status == 65 && width.errors.contains("of 7 values"), "\(width.errors)")
    let rows = try Self.convert(
      package, golden: try scratch.write(try GoldenWriter.file(rows: 2, width: 512, hashes: []), to: "rows.safetensors")
    )
    #expect(rows.status == 65, "\(rows.errors)")
    let hash = try GoldenWriter.hash("\(Tool.photographs)/cat-00.jpg")
    let numbers = try GoldenWriter.file(rows: 3, width: 512, hashes: [hash, hash, hash], value: .nan)
    let notFinite = try Self.convert(package, golden: try scratch.write(numbers, to: "nan.safetensors"))
    #expect(notFinite.status == 1, "\(notFinite.errors)")
    let check = try Self.check(notFinite)
    #expect(check["embedding_max"] is NSNull && check["passed"] as? Bool == false)
    #expect("\(check["findings"] ?? "")".contains("not finite"))
    // Rows of one image count once.
    #expect(check["images"] as? Int == 1 && check["missing_images"] as? Int == 0)
    #expect("\(check["findings"] ?? "")".contains("has 3 rows for 1 image"))
  }

  @Test(arguments: ["pytorch", "onnxruntime"])
  func programStatesThePreprocessing(framework: String) throws {
    let outcome = try Tool.run([
      "golden", "my \"model\"", "--framework", framework, "--size", "96", "--resize", "lanczos", "--crop-ratio", "0.9",
      "--channel-order", "bgr", "--mean", "0.5,0.5,0.5", "--std", "0.25,0.5,0.125",
    ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    for part in [
      framework == "pytorch" ? "import numpy as np, torch" : "import numpy as np, onnxruntime", "# EDIT",
      "\"my \\\"model\\\"\"",
      "size, mean, std = 96", "[0.25, 0.5, 0.125]", "Image.LANCZOS", "int(size / 0.9)", "[..., ::-1]",
      "\"channel_order\": \"bgr\"",
    ] {
      #expect(outcome.output.contains(part), "\(part) is not in:\n\(outcome.output)")
    }
  }
}

/// Small safetensors files with embeddings.
enum GoldenWriter {
  static func hash(_ path: String) throws -> String {
    let outcome = Process()
    let pipe = Pipe()
    outcome.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
    outcome.arguments = [path]
    outcome.standardOutput = pipe
    try outcome.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    outcome.waitUntilExit()
    return String(text.prefix(64))
  }

  static func file(
    name: String = "normalized_embedding", rows: Int, width: Int, hashes: [String]? = nil, files: [String]? = nil,
    value: Float = 0.5
  ) throws -> Data {
    try file(
      name: name, values: [Float](repeating: value, count: rows * width), width: width, hashes: hashes, files: files)
  }

  static func file(
    name: String = "normalized_embedding", values: [Float], width: Int, hashes: [String]? = nil, files: [String]? = nil,
    metadata: [String: String] = [:]
  ) throws -> Data {
    func json(_ list: [String]) throws -> String { String(decoding: try JSONEncoder().encode(list), as: UTF8.self) }
    var metadata = metadata.merging(["framework": "a test"]) { $1 }
    if let hashes { metadata["sha256"] = try json(hashes) }
    if let files { metadata["files"] = try json(files) }
    let header: [String: Any] = [
      "__metadata__": metadata,
      name: ["dtype": "F32", "shape": [values.count / width, width], "data_offsets": [0, 4 * values.count]],
    ]
    let text = try JSONSerialization.data(withJSONObject: header)
    var data = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
    data.append(text)
    data.append(values.withUnsafeBytes { Data($0) })
    return data
  }
}
