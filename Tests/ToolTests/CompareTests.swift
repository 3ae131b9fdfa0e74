import Foundation
import Testing

/// Outputs from anywhere held against others.
@Suite struct CompareTests {
  private static func compare(_ outputs: String, _ reference: String, _ extra: [String] = []) throws -> (
    status: Int32, report: [String: Any]?, errors: String
  ) {
    let outcome = try Tool.run(["compare", outputs, reference, "--json"] + extra)
    let report = try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, report, outcome.errors)
  }

  private static func embed(_ model: String, _ output: String, _ images: [String], _ extra: [String]) throws {
    let outcome = try Tool.run(["embed", model, "-o", output, "--quiet"] + images + extra)
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  /// The figures are those of a verification on the same images.
  @Test func storedOutputsGiveTheFiguresOfVerification() throws {
    let scratch = try Scratch()
    let (package, int8, float) = (
      scratch.path("a.quern"), scratch.path("int8.safetensors"), scratch.path("f.safetensors")
    )
    let converted = try Tool.run([
      "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--size", "64", "--effort", "fast",
      "--min-agreement", "0", "-o",
      package,
    ])
    #expect(converted.status == 0, "\(converted.output)\(converted.errors)")
    try Self.embed(package, int8, [Tool.photographs], [])
    try Self.embed(Tool.checkpoint, float, [Tool.photographs], ["--size", "64"])
    let verified = try Tool.run(
      ["verify", package, "--reference", Tool.checkpoint, "--images", Tool.photographs, "--json"])
    let expected = try #require(try JSONSerialization.jsonObject(with: Data(verified.output.utf8)) as? [String: Any])
    let (status, report, errors) = try Self.compare(int8, float)
    #expect(status == verified.status && status == 1, "\(errors)")
    for key in ["images", "drift", "agreement", "worst_images", "decisive_agreement"] {
      #expect(try #require(report?[key] as? NSObject) == #require(expected[key] as? NSObject), "\(key)")
    }
    #expect(try Self.compare(int8, float, ["--max-mean-drift", "0"]).status == 1)
    #expect(try Self.compare(int8, int8, ["--max-mean-drift", "0", "--min-agreement", "100"]).status == 0)
  }

  /// Embeddings of one image at different sizes differ, whatever computed them.
  @Test func differentPreprocessingIsNamed() throws {
    let scratch = try Scratch()
    let image = [Tool.photographs + "/admiral-00.jpg"]
    let options = [["--size", "64", "--crop", "rect"], ["--size", "96"], ["--size", "64", "--crop", "rect"]]
    let files = try options.indices.map { index in
      let file = scratch.path("\(index).safetensors")
      try Self.embed(Tool.checkpoint, file, image, options[index])
      return file
    }
    func warnings(_ a: String, _ b: String) throws -> [String] {
      try Self.compare(a, b).report?["warnings"] as? [String] ?? []
    }
    let warning = try #require(try warnings(files[0], files[1]).first)
    #expect(warning.contains("size 64 and 96") && warning.contains("crop rect and square"), "\(warning)")
    let equal = try warnings(files[0], files[2])
    #expect(equal.count == 1 && equal[0].contains("both sides are the same file"), "\(equal)")
  }

  @Test func rowsBelongTogetherByNameAndHashAndOrder() throws {
    let scratch = try Scratch()
    let rows: [[Float]] = [[1, 0, 0], [0, 1, 0], [0, 0, 2]]
    func file(_ order: [Int], hashes: Bool = false, files: Bool = false) throws -> String {
      let names = order.map { "\($0)" }
      let hashes = hashes ? names.map { String(repeating: $0, count: 64) } : nil
      return try scratch.write(
        try GoldenWriter.file(
          name: "embedding", values: order.flatMap { rows[$0] }, width: 3, hashes: hashes, files: files ? names : nil),
        to: "\(UUID().uuidString).safetensors")
    }
    let gates = ["--max-mean-drift", "1e-12", "--max-drift", "1e-12"]
    func status(_ a: String, _ b: String, _ extra: [String] = []) throws -> Int32 {
      try Self.compare(a, b, gates + extra).status
    }
    #expect(try status(file([2, 0, 1], files: true), file([0, 1, 2], files: true)) == 0)
    #expect(try status(file([2, 0, 1], hashes: true), file([0, 1, 2], hashes: true)) == 0)
    #expect(try status(file([2, 0, 1], hashes: true), file([0, 1, 2], files: true)) == 1)
    #expect(try status(file([0, 1, 2]), file([0, 1, 2], files: true)) == 0)
    #expect(try status(file([0, 1]), file([0, 1, 2], files: true)) == 65)
    // Rows that one side does not have are named, or left out on request.
    let (part, whole) = (try file([2, 0], files: true), try file([0, 1, 2], files: true))
    for (a, b) in [(part, whole), (whole, part)] {
      let refused = try Self.compare(a, b)
      #expect(refused.status == 65 && refused.errors.contains("1 of the 3 images"), "\(refused.errors)")
      let allowed = try Self.compare(a, b, gates + ["--allow-missing"])
      #expect(allowed.status == 0 && allowed.report?["images"] as? Int == 2)
    }
  }

  /// A file and a copy of it agree whatever is in them.
  @Test func whatIsComparedWithItselfNeverPasses() throws {
    let scratch = try Scratch()
    // Rows in all directions.
    var rows: [Float] = (0..<160).map { Float(sin(Double($0 * $0))) }
    let bytes = try GoldenWriter.file(name: "embedding", values: rows, width: 4)
    let (file, copy) = (try scratch.write(bytes, to: "a.safetensors"), try scratch.write(bytes, to: "b.safetensors"))
    for other in [file, copy] {
      let (status, report, errors) = try Self.compare(file, other, ["--strict", "--quiet"])
      #expect(status == 1 && report?["passed"] as? Bool == true && report?["verdict"] as? String == "inconclusive")
      #expect(errors.contains("both sides are the same file"), "\(errors)")
      #expect(try Self.compare(file, other).status == 0)
    }
    rows[0] += 0.001
    let close = try scratch.write(
      try GoldenWriter.file(name: "embedding", values: rows, width: 4), to: "close.safetensors")
    let (status, report, errors) = try Self.compare(close, file, ["--strict"])
    #expect(status == 0 && report?["verdict"] as? String == "pass", "\(errors)")
  }

  /// Outputs that are others only by a scale are the same.
  @Test(arguments: [2, 0.3] as [Float])
  func whatIsScaledIsComparedWithItself(factor: Float) throws {
    let scratch = try Scratch()
    let rows: [Float] = (0..<160).map { Float(sin(Double($0 * $0))) }
    let files = try [rows, rows.map { $0 * factor }].enumerated().map { index, values in
      try scratch.write(
        try GoldenWriter.file(name: "embedding", values: values, width: 4), to: "\(index).safetensors")
    }
    for (a, b) in [(files[0], files[1]), (files[1], files[0])] {
      let (status, report, errors) = try Self.compare(a, b, ["--strict", "--quiet"])
      #expect(status == 1 && report?["passed"] as? Bool == true && report?["identical_outputs"] as? Bool == true)
      #expect(errors.contains("prove nothing"), "\(errors)")
    }
  }

  /// Gates that were given fail where there is nothing to measure, whether an option or a file gives them.
  @Test(arguments: [
    ("min-agreement", "50", "top1_agreement"), ("min-decisive-agreement", "50", "decisive_agreement"),
    ("max-top1-drop", "0", "top1_drop"),
  ])
  func gatesThatWereGivenAreMeasured(option: String, limit: String, gate: String) throws {
    let scratch = try Scratch()
    var rows: [Float] = (0..<160).map { Float(sin(Double($0 * $0))) }
    let reference = try scratch.write(try GoldenWriter.file(values: rows, width: 4), to: "a.safetensors")
    rows[0] += 0.001
    let outputs = try scratch.write(try GoldenWriter.file(values: rows, width: 4), to: "b.safetensors")
    #expect(try Self.compare(outputs, reference).status == 0)
    let configuration = try scratch.write(Data("[gates]\n\(option) = \(limit)\n".utf8), to: "gates.toml")
    for arguments in [["--\(option)", limit], ["--config", configuration]] {
      let (status, report, errors) = try Self.compare(outputs, reference, arguments)
      let gates = try #require(report?["gates"] as? [[String: Any]], "\(errors)")
      let found = try #require(gates.first { $0["name"] as? String == gate })
      #expect(status == 1 && found["passed"] as? Bool == false && found["value"] is NSNull, "\(found)")
    }
    let all = option == "max-top1-drop" ? "100" : "0"
    #expect(try Self.compare(outputs, reference, ["--\(option)", all]).status == 0)
  }

  /// Names of other bytes are those of other images, although they look the same.
  @Test func namesAreComparedByTheirBytes() throws {
    let scratch = try Scratch()
    let names = ["\u{E9}.jpg", "e\u{301}.jpg"]
    let a = try GoldenWriter.file(values: [1, 0, 0, 1], width: 2, files: names)
    let b = try GoldenWriter.file(values: [0, 1, 1, 0.001], width: 2, files: names.reversed())
    let (status, report, errors) = try Self.compare(
      try scratch.write(a, to: "a.safetensors"), try scratch.write(b, to: "b.safetensors"))
    #expect(status == 0, "\(errors)")
    #expect(((report?["drift"] as? [String: Any])?["max"] as? Double ?? 1) < 1e-5)
  }

  /// Rows of the reference that are equal count as one image.
  @Test func rowsThatRepeatOthersNeverPass() throws {
    let scratch = try Scratch()
    let values = (0..<160).map { 0.5 + Float($0) * 1e-5 }
    let reference = try scratch.write(
      try GoldenWriter.file(name: "embedding", rows: 40, width: 4), to: "reference.safetensors")
    let outputs = try scratch.write(
      try GoldenWriter.file(name: "embedding", values: values, width: 4), to: "outputs.safetensors")
    let (status, report, errors) = try Self.compare(outputs, reference, ["--strict"])
    #expect(status == 1 && report?["passed"] as? Bool == true && report?["verdict"] as? String == "inconclusive")
    #expect((report?["neighbours"] as? [String: Any])?["copies"] as? Int == 39)
    #expect(errors.contains("39 of 40 images have exactly the float embedding of another"), "\(errors)")
    // The other way round, all rows are different, but not by more than drift may be.
    let reversed = try #require(try Self.compare(reference, outputs).report)
    let neighbours = try #require(reversed["neighbours"] as? [String: Any])
    #expect(neighbours["copies"] == nil && (neighbours["median_distance"] as? Double ?? 1) < 0.01)
    #expect(reversed["verdict"] as? String == "inconclusive")
  }

  /// Rows that state one hash are of one image, whatever is in them, and those of one name are equal.
  @Test func rowsOfOneImageNeverPass() throws {
    let scratch = try Scratch()
    func file(_ shift: Float, hashes: [String]? = nil, files: [String]? = nil, same: Bool = false) throws -> String {
      let values = (0..<160).map { index in
        let angle = same ? index % 4 : index
        return Float(sin(Double(angle * angle))) + (index == 0 ? shift : 0)
      }
      return try scratch.write(
        try GoldenWriter.file(name: "embedding", values: values, width: 4, hashes: hashes, files: files),
        to: "\(UUID().uuidString).safetensors")
    }
    let different = (0..<40).map { String(repeating: String($0 / 10) + String($0 % 10), count: 32) }
    let repeated = Array(different.prefix(30) + different.prefix(10))
    let good = try Self.compare(file(0.001, hashes: different), file(0, hashes: different), ["--strict"])
    #expect(good.status == 0 && good.report?["verification"] == nil, "\(good.errors)")
    for (a, b) in [(repeated, repeated), (repeated, nil), (nil, repeated)] as [([String]?, [String]?)] {
      let (status, report, errors) = try Self.compare(file(0.001, hashes: a), file(0, hashes: b), ["--strict"])
      #expect(status == 1 && report?["verdict"] as? String == "inconclusive", "\(errors)")
      #expect((report?["verification"] as? [String: Any])?["duplicates"] as? Int == 10)
    }
    let names = [String](repeating: "a", count: 40)
    let refused = try Self.compare(file(0.001, files: names), file(0, files: names))
    #expect(refused.status == 65 && refused.errors.contains("two rows are of a"), "\(refused.errors)")
    let equal = try file(0, files: names, same: true)
    #expect(try Self.compare(equal, equal).report?["verdict"] as? String == "inconclusive")
    // Names whose forms differ are different ones, in whichever order.
    let forms = ["\u{E9}", "e\u{301}"] + different.dropFirst(2)
    #expect(try Self.compare(file(0.001, files: forms), file(0, files: forms), ["--strict"]).status == 0)
  }

  @Test func valuesThatAreNotFiniteFail() throws {
    let scratch = try Scratch()
    let good = try scratch.write(try GoldenWriter.file(rows: 2, width: 4), to: "a.safetensors")
    let bad = try scratch.write(try GoldenWriter.file(rows: 2, width: 4, value: .infinity), to: "b.safetensors")
    for (a, b) in [(good, bad), (bad, good), (bad, bad)] {
      let (status, report, _) = try Self.compare(a, b)
      #expect(status == 1 && report?["non_finite_images"] as? Int == 2)
    }
  }

  /// Arrays of numpy, whatever their precision.
  @Test func numpyArraysAreRead() throws {
    let scratch = try Scratch()
    func array(_ type: String, _ shape: String, _ data: Data, order: String = "False") throws -> String {
      var header = "{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }"
      header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
      var file = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0])
      file.append(contentsOf: [UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)])
      return try scratch.write(file + Data(header.utf8) + data, to: "\(UUID().uuidString).npy")
    }
    let values: [Float] = [1, 2, 0.5, -4]
    let float = try array("<f4", "(2, 2)", values.withUnsafeBytes { Data($0) })
    let double = try array("<f8", "(2, 2)", values.map(Double.init).withUnsafeBytes { Data($0) })
    let half = try array("<f2", "(2, 2)", [0x3C00, 0x4000, 0x3800, 0xC400 as UInt16].withUnsafeBytes { Data($0) })
    let gates = ["--max-mean-drift", "0", "--max-drift", "0"]
    for (a, b) in [(float, double), (half, float), (double, half)] {
      let (status, report, errors) = try Self.compare(a, b, gates)
      #expect(status == 0 && report?["images"] as? Int == 2, "\(errors)")
    }
    let bytes = values.withUnsafeBytes { Data($0) }
    for refused in [
      try array("<f4", "(2, 2)", bytes, order: "True"), try array(">f4", "(2, 2)", bytes),
      try array("<f4", "(4,)", bytes),
      try array("<f4", "(2, 3)", bytes), try array("<i4", "(2, 2)", bytes), try array("|O", "(2, 2)", bytes),
      try array("<f4", "(2, 2, 1)", bytes), try array("<f4", "(9223372036854775807, 9)", bytes),
      try array("<f4", "(-2, 2)", bytes), try array("<f4", "(0, 2)", Data()), try array("<f4", "2, 2", bytes),
    ] {
      let outcome = try Self.compare(refused, float)
      #expect(outcome.status == 65, "\(outcome.errors)")
    }
  }

  /// Labels give accuracies.
  @Test func labelsAreOfTheReferencesRows() throws {
    let scratch = try Scratch()
    let logits: [Float] = [3, 1, 0, 0, 5, 1]
    let file = try scratch.write(try GoldenWriter.file(name: "logits", values: logits, width: 3), to: "a.safetensors")
    let labels = try scratch.write(Data("0\n2\n".utf8), to: "labels.txt")
    let (status, report, errors) = try Self.compare(file, file, ["--labels", labels])
    #expect(status == 0, "\(errors)")
    #expect((report?["float"] as? [String: Any])?["top1"] as? Double == 50)
    for text in ["0\n", "0\nx\n", "0\n7\n"] {
      let bad = try scratch.write(Data(text.utf8), to: "bad.txt")
      #expect(try Self.compare(file, file, ["--labels", bad]).status == 65)
    }
  }

  /// Any two models: a package is to itself what it is, and a float export what its checkpoint is.
  @Test func anyTwoModelsAreVerified() throws {
    let scratch = try Scratch()
    let (package, exported) = (scratch.path("a.quern"), scratch.path("a.onnx"))
    #expect(
      try Tool.run([
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--size", "64", "--effort", "fast",
        "--min-agreement", "0", "-o", package,
      ]).status == 0)
    #expect(try Tool.run(["export", "--float", Tool.checkpoint, "-o", exported, "--size", "64"]).status == 0)
    func drift(_ model: String, _ reference: String, _ extra: [String] = []) throws -> (mean: Double, notes: String) {
      let outcome = try Tool.run(
        ["verify", model, "--reference", reference, "--images", Tool.photographs, "--json"] + extra)
      let report = try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
      let mean = (report?["drift"] as? [String: Any])?["mean"] as? Double
      return (try #require(mean, "\(outcome.errors)"), (report?["notes"] as? [String] ?? []).joined())
    }
    let itself = try drift(package, package)
    #expect(itself.mean == 0 && itself.notes.contains("named 'float'"))
    for model in [package, Tool.checkpoint] {
      let size = model == package ? [] : ["--size", "64"]
      let copy = try scratch.write(
        try Data(contentsOf: URL(fileURLWithPath: model)), to: "copy-\(URL(fileURLWithPath: model).lastPathComponent)")
      for reference in [model, copy] {
        let outcome = try Tool.run(
          ["verify", model, "--reference", reference, "--images", Tool.photographs, "--strict"] + size)
        #expect(outcome.status == 1 && outcome.output.contains("compared with itself"), "\(outcome)")
        #expect(outcome.errors.contains("both sides are the same file"), "\(outcome.errors)")
      }
    }
    let floats = try drift(Tool.checkpoint, exported, ["--size", "64"])
    #expect(floats.mean < 1e-9 && floats.notes.contains("a checkpoint in float (onnx)"))
    let usual = try drift(package, Tool.checkpoint)
    #expect(usual.mean > 1e-5 && !usual.notes.contains("named 'float'"))
    // The other way round the images are still those of the package.
    #expect(abs(try drift(exported, package).mean - usual.mean) < 1e-6)
  }
}
