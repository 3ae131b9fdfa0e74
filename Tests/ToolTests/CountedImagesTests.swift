import Foundation
import Testing

/// Only images that were used count in what is said of them.
@Suite struct CountedImagesTests {
  private static let gates = ["--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2"]

  private static func convert(
    _ scratch: Scratch, _ calibration: String, _ extra: [String]
  ) throws -> Tool.Outcome {
    try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", calibration, "--size", "32", "--repetitions", "1", "--effort",
        "fast", "-q", "--json", "--strict", "-o", scratch.path("p.quern"),
      ] + gates + extra)
  }

  private static func verify(_ scratch: Scratch, _ images: String, _ extra: [String]) throws -> Tool.Outcome {
    try Tool.run(
      ["verify", scratch.path("p.quern"), "--reference", Tool.checkpoint, "--images", images, "--strict"] + gates
        + extra)
  }

  /// 40 of 40 images were calibrated on, whatever else is in their folder.
  @Test func brokenFilesDoNotHideCalibrationImages() throws {
    let scratch = try Scratch()
    let calibrated = try scratch.photographs("calibrated", 0..<40)
    let padded = try scratch.photographs("padded", 0..<40, broken: 1000)
    let converted = try Self.convert(
      scratch, calibrated, ["--calibration-count", "40", "--verify-images", padded, "--skip-bad-images"])
    let verified = try Self.verify(scratch, padded, ["--skip-bad-images", "--json"])
    for outcome in [converted, verified] {
      let report = try outcome.object()
      #expect(outcome.status == 1 && report["verdict"] as? String == "inconclusive", "\(outcome.errors)")
      let set = try report.members("verification")
      #expect(set["overlap"] as? Int == 40 && set["images"] as? Int == 40 && set["compared"] == nil)
      #expect(try set["sha256"] as? String == report.members("calibration")["sha256"] as? String)
      #expect(report["images"] as? Int == 40 && (report["skipped_images"] as? [Any])?.count == 1000)
    }
    let settings = try converted.object().members("settings")
    #expect(settings["verified_on"] as? String == "40 images of the verification folder")
    let text = try Self.verify(scratch, padded, ["--skip-bad-images", "-q"])
    #expect(text.output.hasPrefix("INCONCLUSIVE") && text.output.contains("verified on its calibration images"))
    #expect(text.output.contains("padded, 40 images, the calibration images"), "\(text.output)")
  }

  /// Copies of an image repeat it, whatever else is in their folder.
  @Test func brokenFilesDoNotHideCopies() throws {
    let scratch = try Scratch()
    let calibrated = try scratch.photographs("calibrated", 0..<40)
    _ = try Self.convert(scratch, calibrated, ["--calibration-count", "40", "--verify-images", Tool.photographs])
    let padded = try scratch.photographs("padded", 40..<60, broken: 1000)
    for index in 0..<4 {
      try FileManager.default.copyItem(
        atPath: Tool.photographs + "/temple-20.jpg", toPath: "\(padded)/copy-\(index).jpg")
    }
    let outcome = try Self.verify(scratch, padded, ["--skip-bad-images", "--json"])
    let report = try outcome.object()
    let set = try report.members("verification")
    #expect(set["images"] as? Int == 24 && set["duplicates"] as? Int == 3 && set["overlap"] as? Int == 0)
    #expect(outcome.status == 1 && report["verdict"] as? String == "inconclusive", "\(outcome.errors)")
  }

  /// A verification that stops after 62 of 96 images has compared some of the 24 calibration images, and not others.
  @Test func imagesThatWereNotReachedDoNotCount() throws {
    let scratch = try Scratch()
    _ = try Self.convert(
      scratch, Tool.photographs, ["--calibration-count", "24", "--verify-images", Tool.photographs])
    let outcome = try Self.verify(scratch, Tool.photographs, ["--stop-when-decided", "--json"])
    let report = try outcome.object()
    let images = try #require(report["images"] as? Int)
    #expect(report["images_at_hand"] as? Int == 96 && images < 96)
    let set = try report.members("verification")
    #expect(set["images"] as? Int == 96 && set["compared"] as? Int == images)
    let overlap = try #require(set["overlap"] as? Int)
    #expect(overlap > 0 && overlap < 24 && overlap < images)
    #expect(outcome.status == 1 && report["verdict"] as? String == "inconclusive")
    let text = try Self.verify(scratch, Tool.photographs, ["--stop-when-decided", "-q"])
    #expect(text.output.contains("\(overlap) of \(images) images calibrated on"), "\(text.output)")
    #expect(text.output.contains("\(overlap) of the \(images) compared calibrated on"), "\(text.output)")
  }

  /// Reports, provenance and packages state the same 40 images of 100 files.
  @Test func brokenFilesWereNotCalibratedOn() throws {
    let scratch = try Scratch()
    let calibration = try scratch.photographs("calibration", 0..<40, broken: 60)
    let others = try scratch.photographs("others", 80..<96)
    let provenance = scratch.path("p.intoto.json")
    let outcome = try Self.convert(
      scratch, calibration,
      [
        "--calibration-count", "100", "--verify-images", others, "--skip-bad-images", "--report", provenance,
      ])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try outcome.object()
    #expect(try report.members("calibration")["images"] as? Int == 40)
    #expect(try report.members("settings")["calibration_images"] as? Int == 40)
    let inspected = try Tool.run(["inspect", scratch.path("p.quern"), "--check", "--json"])
    #expect(inspected.status == 0, "\(inspected.errors)")
    let record = try inspected.object().members("metadata").members("calibration")
    #expect(record["images"] as? Int == 40 && record["skipped_images"] as? Int == 60)
    // The hash is that of the same images in a folder of their own.
    let hash = try Tool.shell(
      #"sha256sum "$2"/*.jpg | cut -c1-64 | LC_ALL=C sort | sha256sum"#, [try scratch.photographs("clean", 0..<40)],
      in: scratch)
    #expect(record["sha256"] as? String == String(hash.output.prefix(64)))
    let statement = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: provenance))) as? [String: Any])
    let definition = try statement.members("predicate").members("buildDefinition")
    let dependencies = try #require(definition["resolvedDependencies"] as? [[String: Any]])
    let annotations = dependencies.compactMap { $0["annotations"] as? [String: Any] }
    #expect(annotations.first { $0["role"] as? String == "calibration images" }?["images"] as? Int == 40)
    #expect(annotations.first { $0["role"] as? String == "verification images" }?["images"] as? Int == 16)
    let verified = try Self.verify(scratch, others, ["--json"]).object()
    #expect(try verified.members("calibration")["images"] as? Int == 40)
  }

  /// Images that are held out are those that can be used.
  @Test func brokenFilesWereNotVerifiedOn() throws {
    let scratch = try Scratch()
    let folder = try scratch.photographs("photos", 0..<40, broken: 200)
    let outcome = try Self.convert(scratch, folder, ["--skip-bad-images", "--calibration-count", "120"])
    let report = try outcome.object()
    let images = try #require(report["images"] as? Int)
    #expect(images > 1 && images < 40)
    #expect(try report.members("verification")["images"] as? Int == images)
    let verifiedOn = try report.members("settings")["verified_on"] as? String
    #expect(verifiedOn == "\(images) images of the calibration folder that were not calibrated on")
    #expect(try report.members("calibration")["images"] as? Int == 40 - images)
    #expect(report["images_at_hand"] == nil || report["images_at_hand"] as? Int == images)
  }
}
