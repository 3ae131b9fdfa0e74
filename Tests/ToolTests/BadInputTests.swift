import Foundation
import PackageFormat
import Testing

/// Whatever is wrong with its input, the tool says what and where, exits with the status for it, and harms nothing.
@Suite struct BadInputTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let status: Int32
    /// What the message must name.
    let mentions: [String]
    /// The arguments, given a scratch folder.
    let arguments: @Sendable (Scratch) throws -> [String]
  }

  /// Arguments of a conversion with one thing changed.
  private static func convert(
    checkpoint: String = Tool.checkpoint, calibration: String = Tool.photographs, output: String, _ extra: [String] = []
  ) -> [String] {
    ["convert", checkpoint, "--calibration", calibration, "--size", "64", "--calibration-count", "8", "-o", output]
      + extra
  }

  static let cases: [Case] = [
    Case(testDescription: "empty checkpoint", status: 65, mentions: ["model.pth", "empty"]) {
      convert(checkpoint: try $0.write(Data(), to: "model.pth"), output: $0.path("out.quern"))
    },
    Case(testDescription: "truncated checkpoint", status: 65, mentions: ["model.pth", "byte"]) {
      let whole = try Data(contentsOf: URL(fileURLWithPath: Tool.checkpoint))
      return convert(
        checkpoint: try $0.write(whole.prefix(whole.count / 2), to: "model.pth"), output: $0.path("out.quern"))
    },
    Case(testDescription: "a picture for a checkpoint", status: 65, mentions: ["cat-00.jpg", "JPEG"]) {
      convert(checkpoint: Tool.photographs + "/cat-00.jpg", output: $0.path("out.quern"))
    },
    Case(testDescription: "missing checkpoint", status: 66, mentions: ["nowhere.pth"]) {
      convert(checkpoint: $0.path("nowhere.pth"), output: $0.path("out.quern"))
    },
    Case(testDescription: "pickle with a hostile global", status: 65, mentions: ["evil.pth", "system"]) {
      // Protocol 2: the global posix.system called with a string.
      let pickle =
        Data([0x80, 0x02])
        + Data("cposix\nsystem\nX\u{4}\u{0}\u{0}\u{0}true\u{85}R.".unicodeScalars.map { UInt8($0.value) })
      let header = Data([0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E])
      let version = Data([0x80, 0x02, 0x4D, 0xE9, 0x03, 0x2E])
      let info = Data([0x80, 0x02, 0x7D, 0x2E])
      return convert(
        checkpoint: try $0.write(header + version + info + pickle, to: "evil.pth"), output: $0.path("out.quern"))
    },
    Case(testDescription: "NaN weights", status: 65, mentions: ["nan.pth", "not finite", "element"]) {
      // In the middle of a legacy stream lie a large storage's floats.
      var bytes = try Data(contentsOf: URL(fileURLWithPath: Tool.checkpoint))
      let middle = bytes.count / 2
      bytes.replaceSubrange(middle..<middle + 400, with: Data(repeating: 0xFF, count: 400))
      return convert(checkpoint: try $0.write(bytes, to: "nan.pth"), output: $0.path("out.quern"))
    },
    Case(testDescription: "weights that overflow", status: 65, mentions: ["NaN or infinity", "too large"]) {
      // Values of 8.5e37, wherever a number begins.
      var bytes = try Data(contentsOf: URL(fileURLWithPath: Tool.checkpoint))
      let middle = bytes.count / 2
      bytes.replaceSubrange(middle..<middle + 4000, with: Data(repeating: 0x7E, count: 4000))
      return convert(checkpoint: try $0.write(bytes, to: "huge.pth"), output: $0.path("out.quern"))
    },
    Case(testDescription: "missing folder", status: 66, mentions: ["nowhere"]) {
      convert(calibration: $0.path("nowhere"), output: $0.path("out.quern"))
    },
    Case(testDescription: "folder without images", status: 66, mentions: ["empty-folder"]) {
      try FileManager.default.createDirectory(at: $0.url("empty-folder"), withIntermediateDirectories: true)
      return convert(calibration: $0.path("empty-folder"), output: $0.path("out.quern"))
    },
    Case(testDescription: "broken image", status: 65, mentions: ["broken.jpg", "1 image", "--skip-bad-images"]) {
      let folder = $0.url("pictures")
      try FileManager.default.copyItem(atPath: Tool.photographs, toPath: folder.path)
      try Data("no picture".utf8).write(to: folder.appendingPathComponent("broken.jpg"))
      return convert(calibration: folder.path, output: $0.path("out.quern"), ["--calibration-count", "97"])
    },
    Case(testDescription: "two sizes where one is used", status: 64, mentions: ["--size", "once"]) { _ in
      ["bench", Tool.checkpoint, "--size", "64", "--size", "96"]
    },
    Case(testDescription: "size too small", status: 64, mentions: ["--size 8", "32"]) {
      convert(output: $0.path("out.quern"), ["--size", "8"])
    },
    Case(testDescription: "unknown report", status: 64, mentions: [".txt"]) {
      convert(output: $0.path("out.quern"), ["--report", "report.txt"])
    },
    Case(testDescription: "unknown option", status: 64, mentions: ["--nonsense"]) {
      convert(output: $0.path("out.quern"), ["--nonsense"])
    },
    Case(testDescription: "a device as an output", status: 73, mentions: ["/dev/full", "read back"]) { _ in
      convert(output: "/dev/full")
    },
    Case(testDescription: "full disk", status: 74, mentions: ["/dev/full"]) { _ in
      ["golden", Tool.checkpoint, "-o", "/dev/full"]
    },
    Case(testDescription: "output in a missing folder", status: 73, mentions: ["nowhere"]) {
      convert(output: $0.path("nowhere/out.quern"))
    },
    Case(testDescription: "picture as a model", status: 65, mentions: ["not a checkpoint"]) { _ in
      ["verify", Tool.photographs + "/cat-00.jpg", "--reference", Tool.checkpoint, "--images", Tool.photographs]
    },
    Case(testDescription: "missing picture", status: 66, mentions: ["nowhere.jpg"]) {
      ["embed", Tool.checkpoint, $0.path("nowhere.jpg"), "-o", $0.path("e.safetensors")]
    },
  ]

  /// The arguments of commands, one of whose inputs is at `path`.
  static let inputs: [(name: String, arguments: @Sendable (_ path: String, Scratch) -> [String])] = [
    ("checkpoint", { convert(checkpoint: $0, output: $1.path("out.quern")) }),
    ("plan", { convert(output: $1.path("out.quern"), ["--plan", $0]) }),
    ("golden file", { convert(output: $1.path("out.quern"), ["--golden", $0]) }),
    ("baseline", { convert(output: $1.path("out.quern"), ["--baseline", $0]) }),
    ("configuration", { path, _ in ["inspect", Tool.checkpoint, "--config", path] }),
    ("package", { path, _ in ["inspect", path] }),
    ("package of a self-test", { path, _ in ["selftest", path] }),
    (
      "reference",
      { path, _ in
        ["verify", Tool.checkpoint, "--reference", path, "--images", Tool.photographs, "--size", "64"]
      }
    ),
    ("patch", { ["patch", "apply", old, $0, "-o", $1.path("new.quern")] }),
    ("package to be patched", { ["patch", "apply", $0, patch, "-o", $1.path("new.quern")] }),
    ("difference", { path, _ in ["diff", old, path] }),
    ("class names", { path, _ in ["classify", Tool.checkpoint, photograph, "--size", "32", "--class-names", path] }),
    ("embeddings", { path, _ in ["compare", path, path] }),
    (
      "ground truth",
      { path, _ in
        [
          "evaluate", Tool.checkpoint, "--set", "groups", "--data", Tool.photographs, "--ground-truth", path, "--size",
          "32",
        ]
      }
    ),
    ("image", { ["embed", Tool.checkpoint, $0, "--size", "32", "-o", $1.path("e.safetensors")] }),
    ("folder", { convert(calibration: $0, output: $1.path("out.quern")) }),
  ]
  private static let old = Tool.root.appendingPathComponent("fixtures/packages/version-1.0.quern").path
  private static let patch = Tool.root.appendingPathComponent("fixtures/patches/version-1.0.qpatch").path
  private static let photograph = Tool.photographs + "/cat-00.jpg"

  @Test(arguments: inputs.map(\.name))
  func pointersAndURLsAreRefusedWithAdvice(name: String) throws {
    let arguments = try #require(Self.inputs.first { $0.name == name }).arguments
    let scratch = try Scratch()
    let pointer = try scratch.write(
      Data("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n".utf8), to: "input.json")
    for (path, status, advice) in [(pointer, 65, "git lfs pull"), ("https://example.org/input.json", 66, "curl -LO")] {
      let outcome = try Tool.run(arguments(path, scratch))
      #expect(outcome.status == status, "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
      #expect(outcome.errors.contains(advice), "\(outcome.errors)")
      #expect(outcome.errors.contains(path), "\(outcome.errors)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path) == ["input.json"])
    }
  }

  @Test(arguments: ["image", "folder"])
  func archivesOfImagesAreRefusedWithAdvice(name: String) throws {
    let arguments = try #require(Self.inputs.first { $0.name == name }).arguments
    let scratch = try Scratch()
    let path = try scratch.write(Data("PK\u{3}\u{4}photographs".utf8), to: "photos.zip")
    let outcome = try Tool.run(arguments(path, scratch))
    #expect(outcome.status == 65, "\(outcome.errors)")
    #expect(outcome.errors.contains("photos.zip: is a zip archive; unpack it and give the folder"), "\(outcome.errors)")
  }

  @Test func imagesThatAreNotDecodedAreNamed() throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(at: scratch.url("photos"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Self.photograph, toPath: scratch.path("photos/a.jpg"))
    for name in ["b.heic", "c.HEIC", "d.avif"] { _ = try scratch.write(Data([0]), to: "photos/\(name)") }
    let outcome = try Tool.run(["classify", Tool.checkpoint, scratch.path("photos"), "--size", "32"])
    #expect(outcome.status == 0)
    #expect(
      outcome.errors.contains("photos: left out 1 AVIF and 2 HEIC images, which are not decoded"), "\(outcome.errors)")
  }

  /// A repository that was cloned without Git LFS.
  @Test(arguments: [[], ["--skip-bad-images"]])
  func foldersOfPointersSaySo(extra: [String]) throws {
    let scratch = try Scratch()
    try FileManager.default.createDirectory(at: scratch.url("photos"), withIntermediateDirectories: true)
    for name in ["a.jpg", "b.jpg"] {
      _ = try scratch.write(Data("version https://git-lfs.github.com/spec/v1\n".utf8), to: "photos/\(name)")
    }
    let outcome = try Tool.run(
      Self.convert(calibration: scratch.path("photos"), output: scratch.path("out.quern"), extra))
    #expect(outcome.status == 65, "\(outcome.errors)")
    // One of the two is held out for verification.
    #expect(outcome.errors.contains(".jpg: is a Git LFS pointer: fetch the file itself"), "\(outcome.errors)")
  }

  @Test(arguments: cases)
  func isRefused(_ test: Case) throws {
    let scratch = try Scratch()
    let arguments = try test.arguments(scratch)
    // What already has the output's name, and may be replaced, must survive.
    let output = scratch.url("out.quern")
    let precious = Data(PackageReader.magic) + Data("precious".utf8)
    try precious.write(to: output)
    let before = try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path).sorted()
    let outcome = try Tool.run(arguments)
    #expect(outcome.status == test.status, "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
    for word in test.mentions { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
    #expect(try Data(contentsOf: output) == precious)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path).sorted() == before)
  }

  @Test func everyChangedByteOfAPackageIsRefused() throws {
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let made = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "8", "--repetitions", "1",
        "--size", "64", "-o", package,
      ])
    #expect(made.status == 0 || made.status == 1, "\(made.errors)")
    let bytes = try Data(contentsOf: URL(fileURLWithPath: package))
    // The header, the middle of the tensors, the metadata and the last byte.
    for position in [9, bytes.count / 2, bytes.count - 2000, bytes.count - 1] {
      var changed = bytes
      changed[position] ^= 0x10
      let path = try scratch.write(changed, to: "changed.quern")
      let outcome = try Tool.run(["inspect", path, "--check"])
      #expect(outcome.status == 65, "byte \(position): \(outcome.errors)")
      #expect(outcome.errors.contains("changed.quern"))
    }
  }

  @Test func brokenImagesCanBeSkipped() throws {
    let scratch = try Scratch()
    let folder = scratch.url("pictures")
    try FileManager.default.copyItem(atPath: Tool.photographs, toPath: folder.path)
    try Data("no picture".utf8).write(to: folder.appendingPathComponent("broken.jpg"))
    let outcome = try Tool.run(
      ["embed", Tool.checkpoint, folder.path, "--size", "64", "--skip-bad-images", "-o", scratch.path("e.safetensors")])
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.errors.contains("left out 1 image") && outcome.errors.contains("broken.jpg"))
  }
}
