import Foundation
import Testing

/// Which images a package was calibrated on that is made with a plan.
@Suite struct PlanImagesTests {
  private static let settings = [
    "--size", "32", "--repetitions", "1", "--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2", "-q",
  ]

  /// Folders with different photographs, and a plan that was calibrated on those of the first.
  private struct Place {
    let scratch: Scratch
    let folders: [String]
    let plan: String

    init(_ extra: [String] = []) throws {
      let scratch = try Scratch()
      self.scratch = scratch
      folders = try [("a", 0..<40), ("b", 40..<80), ("c", 80..<96)].map { try scratch.photographs($0, $1) }
      plan = scratch.path("plan.json")
      let outcome = try Tool.run(
        [
          "plan", Tool.checkpoint, "--calibration", folders[0], "--calibration-count", "40", "--verify-images",
          folders[2], "-o", plan,
        ] + PlanImagesTests.settings + extra)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }

    var package: String { scratch.path("p.quern") }
    var provenance: String { scratch.path("p.intoto.json") }

    /// Converts with the plan, and with one folder or another.
    func convert(_ calibration: Int = 1, verifying images: Int) throws -> Tool.Outcome {
      try Tool.run(
        [
          "convert", Tool.checkpoint, "--plan", plan, "--calibration", folders[calibration], "--calibration-count",
          "40", "--verify-images", folders[images], "-o", package, "--json", "--strict", "--report", provenance,
        ] + PlanImagesTests.settings)
    }

    /// The plan without some of its members, in one layer or as a whole.
    func edit(removing keys: [String], ofFirstLayer: String? = nil) throws {
      let data = try Data(contentsOf: URL(filePath: plan))
      var object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
      for key in keys {
        let removed = object.removeValue(forKey: key)
        #expect(removed != nil, "\(key)")
      }
      if let ofFirstLayer {
        var layers = try #require(object["layers"] as? [[String: Any]])
        let removed = layers[0].removeValue(forKey: ofFirstLayer)
        #expect(removed != nil)
        object["layers"] = layers
      }
      try JSONSerialization.data(withJSONObject: object).write(to: URL(filePath: plan))
    }

    /// The hash of the images of a folder, by other programs.
    func hash(_ folder: Int) throws -> String {
      let outcome = try Tool.shell(
        #"sha256sum "$2"/*.jpg | cut -c1-64 | LC_ALL=C sort | sha256sum"#, [folders[folder]], in: scratch)
      return String(outcome.output.prefix(64))
    }
  }

  /// The plan's images give the ranges, and those of the other folder the levels of weights, unless each is rounded to
  /// the nearest.
  @Test(arguments: [(["--rounding", "error-feedback"], [40, 40, 0]), (["--rounding", "nearest"], [40, 0, 0])])
  func theImagesOfThePlanCount(rounding: [String], overlaps: [Int]) throws {
    let place = try Place(rounding)
    let (planned, other) = (try place.hash(0), try place.hash(1))
    for (images, overlap) in overlaps.enumerated() {
      let outcome = try place.convert(verifying: images)
      let report = try outcome.object()
      #expect(try report.members("verification")["overlap"] as? Int == overlap, "\(images)")
      #expect(report["verdict"] as? String == (overlap > 0 ? "inconclusive" : "pass"), "\(images)")
      #expect(outcome.status == (overlap > 0 ? 1 : 0), "\(outcome.errors)")
      #expect(try report.members("calibration")["sha256"] as? String == planned)
      #expect(try report.members("calibration")["name"] as? String == "a")
      let notes = try #require(report["notes"] as? [String])
      #expect(notes.contains { $0.hasPrefix("the plan was calibrated on 40 images of 'a'") }, "\(notes)")
      let inspected = try Tool.run(["inspect", place.package, "--check", "--json"])
      #expect(inspected.status == 0, "\(inspected.errors)")
      let metadata = try inspected.object().members("metadata")
      #expect(try metadata.members("calibration")["sha256"] as? String == planned)
      let provenance = try String(contentsOfFile: place.provenance, encoding: .utf8)
      #expect(provenance.contains(planned))
      #expect(provenance.contains("rounding images") == (rounding.last != "nearest"))
      if images != 1 { #expect(provenance.contains(other) == (rounding.last != "nearest")) }
      let verified = try Tool.run(
        ["verify", place.package, "--reference", Tool.checkpoint, "--images", place.folders[images], "--json"]
          + ["--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2", "--strict"])
      #expect(verified.status == outcome.status, "\(verified.errors)")
      #expect(try verified.object().members("verification")["overlap"] as? Int == overlap)
    }
  }

  /// Plans of earlier versions keep no hashes of images, but that of their set.
  @Test func plansWithoutHashesLeaveItOpen() throws {
    let place = try Place()
    #expect(try place.convert(0, verifying: 2).status == 0)
    let package = try Data(contentsOf: URL(filePath: place.package))
    try place.edit(removing: ["calibration_pixels"])
    // The folder has the images of the plan.
    #expect(try place.convert(0, verifying: 2).status == 0)
    #expect(try Data(contentsOf: URL(filePath: place.package)) == package)
    // It has others: verified are the images of the plan, those of the folder, and others.
    for (images, overlap) in [40, 40, nil].enumerated() {
      let outcome = try place.convert(verifying: images)
      #expect(outcome.status == 1, "\(outcome.errors)")
      let report = try outcome.object()
      #expect(try report.members("verification")["overlap"] as? Int == overlap, "\(images)")
      #expect(report["verdict"] as? String == "inconclusive" && report["passed"] as? Bool == true)
      #expect(outcome.errors.contains("cannot be told") == (overlap == nil), "\(outcome.errors)")
    }
    let inspected = try Tool.run(["inspect", place.package, "--check", "--json"])
    #expect(inspected.status == 0, "\(inspected.errors)")
    #expect(try inspected.object().members("metadata")["calibration_pixels"] == nil)
  }

  /// What an edited plan leaves open comes from the folder, and the rest from the images of the plan.
  @Test func editedPlansComeFromBoth() throws {
    let place = try Place()
    try place.edit(removing: [], ofFirstLayer: "arithmetic")
    for (images, overlap) in [40, 40, 0].enumerated() {
      let outcome = try place.convert(verifying: images)
      let report = try outcome.object()
      #expect(try report.members("verification")["overlap"] as? Int == overlap, "\(images)")
      #expect(try report.members("calibration")["sha256"] as? String == place.hash(1))
      #expect(try Tool.run(["inspect", place.package, "--check"]).status == 0)
    }
    // Ranges of images that the plan does not name.
    try place.edit(removing: ["calibration", "calibration_pixels"])
    let outcome = try place.convert(verifying: 2)
    let report = try outcome.object()
    #expect(outcome.status == 1 && report["verdict"] as? String == "inconclusive")
    #expect(try report.members("verification")["overlap"] is NSNull)
    #expect((report["notes"] as? [String])?.contains { $0.contains("does not name the images") } == true)
  }

  /// Of a folder, another number of images is another set.
  @Test func otherCountsAreSaid() throws {
    let place = try Place()
    let outcome = try Tool.run(
      [
        "convert", Tool.checkpoint, "--plan", place.plan, "--calibration", Tool.photographs, "-o", place.package,
        "--json",
      ] + Self.settings)
    let report = try outcome.object()
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(try report.members("calibration")["images"] as? Int == 40)
    #expect((report["notes"] as? [String])?.contains { $0.contains("those of --calibration; both count") } == true)
    // Some of the images that are held out here are those of the plan.
    #expect(try report.members("verification")["overlap"] as? Int ?? 0 > 0)
    let verifiedOn = try report.members("settings")["verified_on"] as? String
    #expect(verifiedOn == "19 images of the calibration folder that were held out")
    let inspected = try Tool.run(["inspect", place.package, "--check"])
    #expect(inspected.status == 0, "\(inspected.errors)")
  }

  /// Hashes of images are no decision, and other programs can leave them out.
  @Test func theHashIsThatOfTheDecisions() throws {
    let place = try Place()
    #expect(try place.convert(0, verifying: 2).status == 0)
    let outcome = try Tool.shell(
      #"grep -v '^  "calibration_pixels" : ' "$2" | sha256sum"#, [place.plan], in: place.scratch)
    let inspected = try Tool.run(["inspect", place.package, "--json"]).object()
    #expect(try inspected.members("metadata")["plan_sha256"] as? String == String(outcome.output.prefix(64)))
    // With other images, too.
    #expect(try place.convert(1, verifying: 2).status == 0)
    let again = try Tool.run(["inspect", place.package, "--json"]).object()
    #expect(try again.members("metadata")["plan_sha256"] as? String == String(outcome.output.prefix(64)))
  }
}
