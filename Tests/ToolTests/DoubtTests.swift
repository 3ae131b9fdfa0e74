import Foundation
import Testing

/// What puts a report in doubt is said in all its forms, and in the exit status where that is asked for.
@Suite struct DoubtTests {
  private static func convert(
    _ scratch: Scratch, _ images: String, _ extra: [String] = []
  ) throws -> (outcome: Tool.Outcome, report: [String: Any]) {
    let outcome = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", images, "--size", "64", "--crop", "rect", "--repetitions", "1",
        "--effort", "fast", "--json", "-o", scratch.path("p.quern"), "--report", scratch.path("r.md"), "--report",
        scratch.path("r.xml"),
      ] + extra)
    return (outcome, try json(outcome))
  }

  private static func json(_ outcome: Tool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
  }

  /// A folder with the first photographs of the bundled ones.
  private static func folder(_ scratch: Scratch, _ name: String, _ range: Range<Int>) throws -> String {
    let names = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter { $0.hasSuffix(".jpg") }
      .sorted()
    try FileManager.default.createDirectory(at: scratch.url(name), withIntermediateDirectories: true)
    for file in names[range] {
      try FileManager.default.copyItem(
        atPath: "\(Tool.photographs)/\(file)", toPath: scratch.path("\(name)/\(file)"))
    }
    return scratch.path(name)
  }

  private static func described(_ report: [String: Any], _ key: String) throws -> [String: Any] {
    try #require(report[key] as? [String: Any])
  }

  /// Images, those that are to be calibrated on, those that are, and those that are verified on.
  @Test(
    arguments: [
      (2, nil, 1, 1), (3, nil, 2, 1), (8, nil, 6, 2), (10, nil, 8, 2), (96, nil, 77, 19), (10, 3, 3, 7), (10, 9, 9, 1),
      (10, 10, 8, 2), (10, 50, 8, 2),
    ] as [(Int, Int?, Int, Int)])
  func aFifthIsHeldOut(images: Int, asked: Int?, calibrated: Int, verified: Int) throws {
    let scratch = try Scratch()
    let folder = try Self.folder(scratch, "photos", 0..<images)
    let (outcome, report) = try Self.convert(
      scratch, folder, asked.map { ["--calibration-count", "\($0)"] } ?? [])
    let (calibration, verification) = (
      try Self.described(report, "calibration"), try Self.described(report, "verification")
    )
    #expect(calibration["images"] as? Int == calibrated && calibration["name"] as? String == "photos")
    #expect(verification["images"] as? Int == verified && verification["set"] as? String == "held_out")
    #expect(verification["overlap"] as? Int == 0 && report["images"] as? Int == verified)
    #expect(outcome.errors.contains("held out") == ((asked ?? 0) >= images))
  }

  /// Images that are verified on themselves: a folder of one, and the same folder twice.
  @Test(arguments: [false, true])
  func imagesVerifiedOnThemselvesNeverPass(twice: Bool) throws {
    let scratch = try Scratch()
    let folder = try Self.folder(scratch, "photos", 0..<(twice ? 96 : 1))
    // Agreement on all images is above any limit that 96 of them can show.
    let (outcome, report) = try Self.convert(
      scratch, folder, ["--quiet", "--min-agreement", "0"] + (twice ? ["--verify-images", folder] : []))
    #expect(outcome.status == 0 && report["passed"] as? Bool == true)
    #expect(report["verdict"] as? String == "inconclusive")
    #expect(try Self.described(report, "verification")["overlap"] as? Int == (twice ? 96 : 1))
    #expect((report["warnings"] as? [String])?.first?.contains("the calibration images") == true)
    // Even where nothing else is said.
    #expect(outcome.errors.contains("the calibration images"))
    let markdown = try String(contentsOfFile: scratch.path("r.md"), encoding: .utf8)
    #expect(markdown.contains("INCONCLUSIVE") && markdown.contains("the calibration images"))
    let junit = try String(contentsOfFile: scratch.path("r.xml"), encoding: .utf8)
    #expect(junit.contains("<skipped") && junit.contains("the calibration images"))
    let inspected = try Tool.run(["inspect", scratch.path("p.quern")])
    #expect(inspected.output.contains("inconclusive") && inspected.output.contains("the calibration images"))
    let strict = try Self.convert(
      scratch, folder,
      ["--strict", "--min-agreement", "0"] + (twice ? ["--verify-images", folder] : []))
    #expect(strict.outcome.status == 1 && strict.report["passed"] as? Bool == true)
  }

  /// A package carries which images it was calibrated on.
  @Test func verificationOnCalibrationImagesIsFound() throws {
    let scratch = try Scratch()
    let (first, second) = (try Self.folder(scratch, "a", 0..<40), try Self.folder(scratch, "b", 30..<96))
    let (_, report) = try Self.convert(scratch, first, ["--verify-images", second, "--min-agreement", "0"])
    let described = try Self.described(report, "verification")
    #expect(described["set"] as? String == "folder" && described["overlap"] as? Int == 10)
    #expect((described["overlapping"] as? [String])?.count == 10)
    #expect(report["verdict"] as? String == "inconclusive")
    func verify(_ images: String, _ extra: [String] = []) throws -> (Tool.Outcome, [String: Any]) {
      let outcome = try Tool.run(
        [
          "verify", scratch.path("p.quern"), "--reference", Tool.checkpoint, "--images", images, "--json",
          "--min-agreement", "0",
        ] + extra)
      return (outcome, try Self.json(outcome))
    }
    let (_, same) = try verify(first)
    #expect(same["verdict"] as? String == "inconclusive" && same["passed"] as? Bool == true)
    #expect(try Self.described(same, "verification")["overlap"] as? Int == 40)
    #expect(
      try Self.described(same, "verification")["sha256"] as? String == Self.described(same, "calibration")["sha256"]
        as? String)
    #expect(try verify(first, ["--strict"]).0.status == 1)
    let (clean, other) = try verify(try Self.folder(scratch, "c", 40..<96), ["--strict"])
    #expect(clean.status == 0 && other["verdict"] as? String == "pass", "\(clean.errors)")
    #expect(try Self.described(other, "verification")["overlap"] as? Int == 0)
  }

  /// An image is told by its pixels: bytes after its end hide neither that it was calibrated on nor that it is there
  /// twice.
  @Test func imagesAreToldByTheirPixels() throws {
    let scratch = try Scratch()
    let calibrated = try Self.folder(scratch, "calibrated", 0..<40)
    let others = try Self.folder(scratch, "others", 30..<96)
    for name in try FileManager.default.contentsOfDirectory(atPath: others) {
      let url = URL(fileURLWithPath: others + "/" + name)
      let bytes = try Data(contentsOf: url)
      try (bytes + [0]).write(to: url)
      if name.hasSuffix("1.jpg") { try (bytes + [0, 0]).write(to: URL(fileURLWithPath: others + "/twice-" + name)) }
    }
    let twice = try FileManager.default.contentsOfDirectory(atPath: others).count { $0.hasPrefix("twice-") }
    try #require(twice > 0)
    let (outcome, report) = try Self.convert(scratch, calibrated, ["--verify-images", others])
    let set = try Self.described(report, "verification")
    let overlap = try #require(set["overlap"] as? Int)
    #expect(overlap >= 10 && overlap <= 10 + twice)
    #expect(set["duplicates"] as? Int == twice)
    #expect(outcome.errors.contains("have the pixels of another"), "\(outcome.errors)")
    let verified = try Tool.run([
      "verify", scratch.path("p.quern"), "--reference", Tool.checkpoint, "--images", others, "--json",
    ])
    #expect(try Self.described(Self.json(verified), "verification")["overlap"] as? Int == overlap)
  }

  /// A hundred files with one image in them are one image.
  @Test func copiesOfAnImageNeverPass() throws {
    let scratch = try Scratch()
    let calibrated = try Self.folder(scratch, "calibrated", 0..<40)
    let copies = try Self.folder(scratch, "copies", 60..<61)
    let photograph = try #require(try FileManager.default.contentsOfDirectory(atPath: copies).first)
    for index in 1..<100 {
      try FileManager.default.copyItem(atPath: "\(copies)/\(photograph)", toPath: "\(copies)/\(index).jpg")
    }
    let loose = ["--min-agreement", "0", "--max-mean-drift", "2", "--max-drift", "2"]
    let (outcome, report) = try Self.convert(
      scratch, calibrated, ["--strict", "--quiet", "--verify-images", copies] + loose)
    #expect(outcome.status == 1 && report["passed"] as? Bool == true && report["verdict"] as? String == "inconclusive")
    #expect(try Self.described(report, "verification")["duplicates"] as? Int == 99)
    #expect(try Self.described(report, "neighbours")["copies"] as? Int == 99)
    #expect(outcome.errors.contains("99 of 100 verification images have the pixels of another"), "\(outcome.errors)")
    for name in ["r.md", "r.xml"] {
      let text = try String(contentsOfFile: scratch.path(name), encoding: .utf8)
      #expect(text.contains("99 of 100 images repeat others"), "\(text)")
    }
    let inspected = try Tool.run(["inspect", scratch.path("p.quern"), "--check"])
    #expect(inspected.status == 0 && inspected.output.contains("inconclusive: 99 of 100 images repeat others"))
    let verify = ["verify", scratch.path("p.quern"), "--reference", Tool.checkpoint, "--images", copies] + loose
    #expect(try Tool.run(verify).status == 0)
    let strict = try Tool.run(verify + ["--strict"])
    #expect(strict.status == 1 && strict.output.contains("99 of 100 images repeat others"), "\(strict.output)")
  }

  /// A checkpoint that is another than the one that the package was made from.
  @Test func anotherReferenceIsSaid() throws {
    let scratch = try Scratch()
    _ = try Self.convert(scratch, Tool.photographs)
    var bytes = try Data(contentsOf: URL(fileURLWithPath: Tool.checkpoint))
    // The last byte of a weight.
    bytes[bytes.count / 2] ^= 1
    let other = try scratch.write(bytes, to: "other.pth")
    let verify = [
      "verify", scratch.path("p.quern"), "--reference", other, "--images", Tool.photographs, "--json", "--quiet",
      "--report", scratch.path("v.md"), "--report", scratch.path("v.xml"),
    ]
    let outcome = try Tool.run(verify)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("not the checkpoint"))
    #expect((try Self.json(outcome)["warnings"] as? [String])?.contains { $0.contains("not the checkpoint") } == true)
    for name in ["v.md", "v.xml"] {
      #expect(try String(contentsOfFile: scratch.path(name), encoding: .utf8).contains("not the checkpoint"))
    }
    let text = try Tool.run(verify.filter { $0 != "--json" })
    #expect(text.output.contains("WARNING  the reference is not the checkpoint"))
    let allowed = try Tool.run(verify + ["--allow-other-reference"])
    #expect(!allowed.errors.contains("not the checkpoint") && !allowed.output.contains("not the checkpoint"))
    let own = try Tool.run(verify.map { $0 == other ? Tool.checkpoint : $0 })
    #expect(!own.errors.contains("not the checkpoint") && !own.output.contains("not the checkpoint"))
  }

  /// The hash of a set of images is what the documentation says it is, and names do not depend on paths.
  @Test func reportsAndPackagesSayWhereTheyComeFrom() throws {
    let scratch = try Scratch()
    let folder = try Self.folder(scratch, "photos", 0..<5)
    let (_, report) = try Self.convert(scratch, folder + "/.", ["--verify-images", Tool.photographs])
    let shell = Process()
    shell.executableURL = URL(fileURLWithPath: "/bin/sh")
    shell.arguments = ["-c", "sha256sum \(folder)/*.jpg | cut -c1-64 | LC_ALL=C sort | sha256sum"]
    let pipe = Pipe()
    shell.standardOutput = pipe
    try shell.run()
    let digest = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self).prefix(64)
    let calibration = try Self.described(report, "calibration")
    #expect(calibration["sha256"] as? String == String(digest) && digest.count == 64)
    #expect(calibration["name"] as? String == "photos")
    #expect(try Self.described(report, "verification")["name"] as? String == "photographs")
    #expect(report["tool_version"] as? String == "0.1.0")
    #expect(try Self.described(report, "reference")["name"] as? String == "multigrain_r50w16_tiny50.pth")
    let inspected = try Tool.run(["inspect", scratch.path("p.quern"), "--json"])
    #expect(!inspected.output.contains(folder) && !inspected.output.contains(Tool.root.path))
    let metadata = try Self.described(Self.json(inspected), "metadata")
    #expect(metadata["tool_version"] as? String == "0.1.0")
    #expect(try Self.described(metadata, "source")["name"] as? String == "multigrain_r50w16_tiny50.pth")
    #expect(try Self.described(metadata, "calibration")["sha256"] as? String == String(digest))
    #expect((metadata["calibration_pixels"] as? String)?.count == 5 * 12)
  }
}
