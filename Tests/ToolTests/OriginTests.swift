import Foundation
import Testing

/// What `verify` knows of the origin of packages, on whichever side they are.
@Suite struct OriginTests {
  private static let gates = ["--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2"]

  private static func convert(
    _ scratch: Scratch, _ name: String, _ checkpoint: String = Tool.checkpoint, _ extra: [String] = []
  ) throws -> String {
    let outcome = try Tool.run(
      [
        "convert", checkpoint, "--calibration", try calibrated(scratch), "--calibration-count", "40", "--verify-images",
        Tool.photographs, "--size", "32", "--repetitions", "1", "--effort", "fast", "-q", "-o", scratch.path(name),
      ] + gates + extra)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return scratch.path(name)
  }

  private static func calibrated(_ scratch: Scratch) throws -> String {
    let path = scratch.path("calibrated")
    return FileManager.default.fileExists(atPath: path) ? path : try scratch.photographs("calibrated", 0..<40)
  }

  private static func verify(
    _ model: String, _ reference: String, _ images: String, _ extra: [String] = []
  ) throws -> Tool.Outcome {
    try Tool.run(
      ["verify", model, "--reference", reference, "--images", images, "--size", "32", "--strict", "--json", "-q"]
        + gates + extra)
  }

  /// A checkpoint with another weight.
  private static func other(_ scratch: Scratch) throws -> String {
    var bytes = try Data(contentsOf: URL(fileURLWithPath: Tool.checkpoint))
    bytes[bytes.count / 2] ^= 1
    return try scratch.write(bytes, to: "other.pth")
  }

  /// A package may be the model, the reference, or both.
  @Test func eitherSideMayHaveBeenCalibrated() throws {
    let scratch = try Scratch()
    let package = try Self.convert(scratch, "p.quern")
    let second = try Self.convert(scratch, "q.quern", Tool.checkpoint, ["--rounding", "error-feedback"])
    let others = try scratch.photographs("others", 40..<96)
    for (model, reference) in [
      (package, Tool.checkpoint), (Tool.checkpoint, package), (package, second),
    ] {
      let doubted = try Self.verify(model, reference, try Self.calibrated(scratch))
      let report = try doubted.object()
      #expect(try report.members("verification")["overlap"] as? Int == 40, "\(model) \(reference)")
      #expect(doubted.status == 1 && report["verdict"] as? String == "inconclusive", "\(doubted.errors)")
      #expect(try report.members("calibration")["images"] as? Int == 40)
      let clean = try Self.verify(model, reference, others)
      #expect(clean.status == 0, "\(clean.errors)")
      #expect(try clean.object().members("verification")["overlap"] as? Int == 0)
    }
    // Two checkpoints, of which none was calibrated.
    let floats = try Self.verify(Tool.checkpoint, try Self.other(scratch), others)
    #expect(floats.status == 0, "\(floats.errors)")
    #expect(try floats.object().members("verification")["overlap"] is NSNull)
  }

  /// A package stands for the checkpoint that it was made from.
  @Test func anotherCheckpointIsSaidOnEitherSide() throws {
    let scratch = try Scratch()
    let (checkpoint, images) = (try Self.other(scratch), try scratch.photographs("others", 40..<96))
    let package = try Self.convert(scratch, "p.quern")
    // Rounded to the nearest, the other weight gives the same levels.
    let other = try Self.convert(scratch, "other.quern", checkpoint, ["--rounding", "error-feedback"])
    let second = try Self.convert(scratch, "q.quern", Tool.checkpoint, ["--rounding", "error-feedback"])
    for (model, reference, warning) in [
      (package, checkpoint, "the reference is not the checkpoint that the package was made from"),
      (checkpoint, package, "the model is not the checkpoint that the reference was made from"),
      (package, other, "the reference is not made from the checkpoint that the package was made from"),
      (package, second, nil), (package, Tool.checkpoint, nil), (Tool.checkpoint, package, nil),
    ] as [(String, String, String?)] {
      let outcome = try Self.verify(model, reference, images)
      // Another checkpoint is said, and is no reason for doubt.
      #expect(outcome.status == 0, "\(outcome.errors)")
      let warnings = try #require(try outcome.object()["warnings"] as? [String])
      #expect(warnings.contains { $0.contains("the checkpoint that") } == (warning != nil), "\(warnings)")
      if let warning { #expect(warnings.contains { $0.hasPrefix(warning) }, "\(warnings)") }
      let allowed = try Self.verify(model, reference, images, ["--allow-other-reference"])
      #expect(try (allowed.object()["warnings"] as? [String])?.isEmpty == true, "\(allowed.output)")
    }
  }

  /// What a package states may be of another, and so may what it states of its calibration.
  @Test func figuresOfAnotherPackageCastDoubt() throws {
    let scratch = try Scratch()
    var package = try ForgedPackage()
    try package.edit(.metadata) { contents in
      var text = String(decoding: contents, as: UTF8.self)
      let zeros = String(repeating: "0", count: 64)
      text.replace(/"content_hash":"[0-9a-f]*"/, with: "\"content_hash\":\"\(zeros)\"")
      try #require(text.contains(zeros))
      contents = Array(text.utf8)
    }
    let path = scratch.path("forged.quern")
    try package.write(to: path)
    // None of the four images that the package was calibrated on.
    let images = try scratch.photographs("others", 80..<96)
    for (model, reference) in [(path, Tool.checkpoint), (Tool.checkpoint, path)] {
      let outcome = try Self.verify(model, reference, images)
      let report = try outcome.object()
      #expect(outcome.status == 1 && report["verdict"] as? String == "inconclusive", "\(outcome.errors)")
      #expect(try report.members("verification")["overlap"] as? Int == 0)
      let foreign = try #require(report["foreign_figures"] as? [String])
      #expect(foreign.count == 1 && foreign[0].contains("are not of this package"), "\(foreign)")
      #expect((report["warnings"] as? [String])?.contains(foreign[0]) == true)
    }
  }

  /// Packages of earlier versions keep no hashes of their calibration images, but that of the set.
  @Test func packagesWithoutHashesLeaveItOpen() throws {
    let scratch = try Scratch()
    var package = try ForgedPackage()
    try package.edit(.metadata) { contents in
      var text = String(decoding: contents, as: UTF8.self)
      try #require(text.contains("\"calibration_pixels\":\""))
      text.replace(/"calibration_pixels":"[0-9a-f]*",/, with: "")
      contents = Array(text.utf8)
    }
    let path = scratch.path("old.quern")
    try package.write(to: path)
    let others = try scratch.photographs("others", 80..<96)
    let open = try Self.verify(path, Tool.checkpoint, others)
    let report = try open.object()
    #expect(open.status == 1 && report["verdict"] as? String == "inconclusive", "\(open.errors)")
    #expect(try report.members("verification")["overlap"] is NSNull)
    #expect((report["warnings"] as? [String])?.contains { $0.contains("cannot be told") } == true)
    // The four images themselves, which are spread over the folder.
    let names = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter { $0.hasSuffix(".jpg") }
      .sorted()
    let same = scratch.path("same")
    try FileManager.default.createDirectory(atPath: same, withIntermediateDirectories: true)
    for index in 0..<4 {
      let name = names[index * names.count / 4]
      try FileManager.default.copyItem(atPath: "\(Tool.photographs)/\(name)", toPath: "\(same)/\(name)")
    }
    let told = try Self.verify(path, Tool.checkpoint, same).object()
    #expect(try told.members("verification")["overlap"] as? Int == 4)
    #expect((told["warnings"] as? [String])?.contains { $0.contains("are the calibration images") } == true)
  }
}
