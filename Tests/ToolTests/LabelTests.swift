import Foundation
import Testing

/// Labels of folders against those of the network.
@Suite struct LabelTests {
  /// A folder of fifty class folders, named `c00` to `c49`, into which the float network itself sorts photographs, so that it
  /// finds every label.
  private static func sorted(_ scratch: Scratch) throws -> String {
    let outcome = try Tool.run(
      ["classify", Tool.checkpoint, Tool.photographs, "--size", "64", "--crop", "rect", "--top", "1", "--json"])
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
    let folder = scratch.path("sorted")
    for index in 0..<50 {
      try FileManager.default.createDirectory(
        atPath: "\(folder)/\(name(index))", withIntermediateDirectories: true)
    }
    for image in try #require(report["images"] as? [[String: Any]]) {
      let file = try #require(image["file"] as? String)
      let index = try #require((image["classes"] as? [[String: Any]])?.first?["index"] as? Int)
      try FileManager.default.copyItem(
        atPath: "\(Tool.photographs)/\(file)", toPath: "\(folder)/\(name(index))/\(file)")
    }
    return folder
  }

  private static func name(_ index: Int) -> String { "c" + (index < 10 ? "0" : "") + "\(index)" }

  /// The folders with pictures of a folder.
  private static func filled(_ folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).sorted().filter {
      try !FileManager.default.contentsOfDirectory(atPath: "\(folder)/\($0)").isEmpty
    }
  }

  /// The same folder with its class folders renamed or left out.
  private static func copy(
    _ folder: String, to name: String, _ scratch: Scratch, _ rename: (String) -> String?
  ) throws -> String {
    try FileManager.default.createDirectory(at: scratch.url(name), withIntermediateDirectories: true)
    for item in try FileManager.default.contentsOfDirectory(atPath: folder) {
      guard let renamed = rename(item) else { continue }
      try FileManager.default.copyItem(
        atPath: "\(folder)/\(item)", toPath: scratch.path("\(name)/\(renamed)"))
    }
    return scratch.path(name)
  }

  private static func convert(
    _ scratch: Scratch, _ calibration: String, _ extra: [String] = []
  ) throws -> (outcome: Tool.Outcome, report: [String: Any]) {
    let outcome = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", calibration, "--size", "64", "--crop", "rect", "--repetitions",
        "1",
        "--effort", "fast", "--min-agreement", "0", "--max-top1-drop", "100", "--json", "-o", scratch.path("p.quern"),
      ] + extra)
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome, try #require(report, "\(outcome.errors)"))
  }

  private static func verify(
    _ scratch: Scratch, _ images: String, _ extra: [String] = []
  ) throws -> [String: Any] {
    let outcome = try Tool.run(
      ["verify", scratch.path("p.quern"), "--reference", Tool.checkpoint, "--images", images, "--json"] + extra)
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return try #require(report, "\(outcome.errors)")
  }

  private static func top1(_ report: [String: Any]) -> Double? {
    (report["float"] as? [String: Any])?["top1"] as? Double
  }

  private static func warnings(_ report: [String: Any]) -> String {
    (report["warnings"] as? [String] ?? []).joined(separator: "\n")
  }

  @Test func foldersAreMatchedWithAPackagesLabelsByName() throws {
    let scratch = try Scratch()
    let sorted = try Self.sorted(scratch)
    let (outcome, report) = try Self.convert(scratch, sorted, ["--verify-images", sorted, "--min-float-top1", "99"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(Self.top1(report) == 100 && report["near_chance"] as? Bool == false)
    // The order of the classes is taken for granted, and that is said.
    #expect((report["assumptions"] as? [String])?.contains { $0.contains("order of the sorted names") } == true)
    // Only some of the classes: without their names they would be other ones.
    let some = Array(try Self.filled(sorted).dropFirst(3))
    let part = try Self.copy(sorted, to: "part", scratch) { some.contains($0) ? $0 : nil }
    let subset = try Self.verify(scratch, part)
    #expect(Self.top1(subset) == 100)
    #expect((subset["notes"] as? [String])?.contains { $0.contains("matched by name") } == true)
    // The same in conversion.
    let (_, converted) = try Self.convert(scratch, sorted, ["--verify-images", part])
    #expect(Self.top1(converted) == 100)
  }

  @Test func unrelatedNamesMeasureNoAccuracy() throws {
    let scratch = try Scratch()
    let sorted = try Self.sorted(scratch)
    _ = try Self.convert(scratch, sorted)
    let others = try Self.copy(sorted, to: "others", scratch) { "other-" + $0 }
    let report = try Self.verify(scratch, others)
    #expect(Self.top1(report) == nil && report["labelled_images"] as? Int == 0)
    #expect(Self.warnings(report).contains("50 of the 50 class folders of others"))
    #expect(Self.warnings(report).contains("accuracy is not measured"))
    // What is not measured is not kept.
    let (gated, _) = try Self.convert(scratch, sorted, ["--verify-images", others, "--min-float-top1", "10"])
    #expect(gated.status == 1)
  }

  /// A wrong order, wrong preprocessing: whatever it is, the float network guesses.
  @Test(arguments: [true, false])
  func aNetworkThatGuessesIsSaidToDoSo(order: Bool) throws {
    let scratch = try Scratch()
    var folder = try Self.sorted(scratch)
    if order { folder = try Self.copy(folder, to: "reversed", scratch) { "\(99 - (Int($0.dropFirst()) ?? 0))" } }
    let extra = order ? [] : ["--mean", "1,1,1", "--std", "0.004,0.004,0.004"]
    let (outcome, report) = try Self.convert(scratch, folder, extra + ["--verify-images", folder, "--quiet"])
    #expect(outcome.status == 0 && report["near_chance"] as? Bool == true, "\(outcome.errors)")
    #expect(report["verdict"] as? String == "inconclusive")
    #expect(Self.warnings(report).contains("NEAR CHANCE") && outcome.errors.contains("NEAR CHANCE"))
    for suspect in ["--size", "--crop", "--mean", "--std", "order"] {
      #expect(Self.warnings(report).contains(suspect))
    }
    let (gated, failed) = try Self.convert(
      scratch, folder, extra + ["--verify-images", folder, "--min-float-top1", "40"])
    #expect(gated.status == 1 && failed["verdict"] as? String == "fail")
    // No layer is made finer for what no package can help.
    let settings = try #require(failed["settings"] as? [String: Any])
    #expect(settings["wide_activations"] as? Int == 0)
  }

  /// A list of names as ImageNet has them: its folders are matched by their WordNet IDs, here not in the classifier's
  /// order, and the package stores the names.
  @Test func listedNamesWithWordNetIDs() throws {
    let scratch = try Scratch()
    func identifier(_ index: Int) -> String { "n0\(1_000_099 - index)" }
    let folder = try Self.copy(try Self.sorted(scratch), to: "ids", scratch) {
      Int($0.dropFirst()).map(identifier)
    }
    let lines = (0..<50).map { "\(identifier($0)) thing \($0), or another" }
    let list = try scratch.write(Data(lines.joined(separator: "\n").utf8), to: "names.txt")
    let (outcome, report) = try Self.convert(scratch, folder, ["--verify-images", folder, "--class-names", list])
    #expect(outcome.status == 0 && Self.top1(report) == 100, "\(outcome.errors)")
    #expect((report["assumptions"] as? [String])?.contains { $0.contains("sorted names") } == false)
    #expect((report["notes"] as? [String])?.contains { $0.contains("were matched by name") } == true)
    #expect(Self.top1(try Self.verify(scratch, folder)) == 100)
    let classified = try Tool.run(["classify", scratch.path("p.quern"), Tool.photographs + "/cat-00.jpg"])
    #expect(classified.output.contains(", or another"))
    // The same names in another order than the package's are noticed.
    let moved = try scratch.write(Data(lines.reversed().joined(separator: "\n").utf8), to: "moved.txt")
    let doubtful = try Self.verify(scratch, folder, ["--class-names", moved])
    #expect(Self.warnings(doubtful).contains("which is class 49 of the package"))
  }

  /// Names that folders do not have: the folders' order is an assumption, and verification needs the list again.
  @Test func listedNamesThatNoFolderHas() throws {
    let scratch = try Scratch()
    let sorted = try Self.sorted(scratch)
    // Two classes have the same name, as there are in ImageNet.
    let lines = (0..<50).map { "thing \(max($0, 1))" }
    let list = try scratch.write(Data(lines.joined(separator: "\r\n").utf8), to: "names.txt")
    let part = try Self.copy(sorted, to: "part", scratch) { $0 < "c30" ? $0 : nil }
    let (outcome, report) = try Self.convert(scratch, sorted, ["--verify-images", part, "--class-names", list])
    #expect(outcome.status == 0 && Self.top1(report) == 100, "\(outcome.errors)")
    #expect((report["assumptions"] as? [String])?.contains { $0.contains("no class folder of sorted") } == true)
    let unnamed = try Self.verify(scratch, sorted)
    #expect(Self.top1(unnamed) == nil && Self.warnings(unnamed).contains("--class-names"))
    #expect(Self.top1(try Self.verify(scratch, sorted, ["--class-names", list])) == 100)
  }

  @Test(arguments: ["convert", "classify"])
  func listsOfOtherLengthsAreRefused(command: String) throws {
    let scratch = try Scratch()
    let list = try scratch.write(Data("one\ntwo\n".utf8), to: "names.txt")
    let arguments =
      command == "convert"
      ? ["--calibration", Tool.photographs, "-o", scratch.path("p.quern")] : [Tool.photographs + "/cat-00.jpg"]
    let outcome = try Tool.run([command, Tool.checkpoint, "--size", "32", "--class-names", list] + arguments)
    #expect(outcome.status == 65)
    #expect(outcome.errors.contains("names.txt has 2 names (one a line) for a classifier of 50 classes"))
  }

  /// Class names are the same with line ends of Windows, a byte order mark, or no end of the last line.
  @Test(arguments: ["\r\n", "\r"], ["", "\u{FEFF}"])
  func lineEndsOfLabelFiles(end: String, start: String) throws {
    let scratch = try Scratch()
    let names = (0..<50).map { "class \($0)" }
    func classified(_ text: String) throws -> String {
      let labels = try scratch.write(Data(text.utf8), to: "labels.txt")
      let outcome = try Tool.run(
        ["classify", Tool.checkpoint, Tool.photographs + "/cat-00.jpg", "--size", "32", "--class-names", labels])
      #expect(outcome.status == 0, "\(outcome.errors)")
      return outcome.output
    }
    let expected = try classified(names.joined(separator: "\n") + "\n")
    #expect(expected.contains("class "))
    #expect(try classified(start + names.joined(separator: end)) == expected)
    #expect(try classified(start + names.joined(separator: end) + end) == expected)
  }
}
