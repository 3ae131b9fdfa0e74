import Foundation
import Testing

/// Conversions that go on from the stages of another one.
@Suite struct ResumeTests {
  private static let settings = [
    "--calibration", Tool.photographs, "--calibration-count", "24", "--crop", "rect", "-q",
  ]
  private static let whole = [Tool.checkpoint] + settings + ["--size", "64"]

  private static func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(filePath: path)) }

  /// Whatever is left of another conversion's stages, the package is that of a conversion without.
  @Test(arguments: [
    (Tool.checkpoint, ["--max-mean-drift", "0.00002"]),
    (Tool.checkpoint, ["--max-bytes", "1300000", "--augmentation", "none"]),
    (Tool.narrowNetwork, ["--effort", "thorough", "--size", "57"]),
  ])
  func anyStagesGiveTheSameBytes(checkpoint: String, extra: [String]) throws {
    let scratch = try Scratch()
    let (direct, resumed, folder) = (scratch.path("a.quern"), scratch.path("b.quern"), scratch.path("stages"))
    let options = [checkpoint] + Self.settings + ["--size", "40"] + extra
    let status = try Tool.run(["convert", "-o", direct] + options).status
    let expected = try Self.bytes(direct)
    for missing in ["", "plan.json", "levels.safetensors", "calibration.safetensors"] {
      // What comes after a stage that is missing is, too.
      if !missing.isEmpty {
        for name in ["plan.json", "levels.safetensors", "calibration.safetensors"] {
          try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
          if name == missing { break }
        }
      }
      let outcome = try Tool.run(["convert", "-o", resumed, "--resume", folder] + options)
      #expect(outcome.status == status, "\(outcome.errors)")
      #expect(try Self.bytes(resumed) == expected, "without \(missing)")
      let again = try Tool.run(["convert", "-o", resumed, "--resume", folder, "--threads", "1"] + options)
      #expect(again.status == status)
      #expect(try Self.bytes(resumed) == expected)
    }
  }

  @Test func stagesOfAnotherConversionAreRefused() throws {
    let scratch = try Scratch()
    let (package, folder) = (scratch.path("m.quern"), scratch.path("stages"))
    let arguments = ["convert", "-o", package, "--resume", folder] + Self.whole
    #expect(try Tool.run(arguments).status == 0)
    for extra in [
      ["--seed", "1"], ["--effort", "fast"], ["--calibration-count", "25"], ["--pooling-exponent", "2"],
    ] {
      let outcome = try Tool.run(arguments + extra)
      #expect(outcome.status == 65 && outcome.errors.contains("another conversion"), "\(extra): \(outcome.errors)")
    }
    // The folder is as it was.
    #expect(try Tool.run(arguments).status == 0)
  }

  @Test func foldersOfOthersAndDamagedStagesAreRefused() throws {
    let scratch = try Scratch()
    let folder = scratch.path("mine")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data("keep me".utf8).write(to: URL(filePath: "\(folder)/notes.txt"))
    let package = scratch.path("m.quern")
    let arguments = ["convert", "-o", package, "--effort", "fast"] + Self.whole
    let outcome = try Tool.run(arguments + ["--resume", folder])
    #expect(outcome.status == 65 && outcome.errors.contains("mine"), "\(outcome.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["notes.txt"])
    let stages = scratch.path("stages")
    #expect(try Tool.run(arguments + ["--resume", stages]).status == 0)
    for name in ["levels.safetensors", "calibration.safetensors", "plan.json", "conversion.json"] {
      let url = URL(filePath: "\(stages)/\(name)")
      let whole = try Data(contentsOf: url)
      // Cut short, and with one bit of its last value turned.
      var turned = whole
      turned[whole.count - 1 - (name.hasSuffix("json") ? 3 : 0)] ^= 1
      for damaged in [whole.prefix(whole.count / 2), turned] {
        try damaged.write(to: url)
        let outcome = try Tool.run(arguments + ["--resume", stages])
        #expect(
          outcome.status == 65 && outcome.errors.contains(name == "conversion.json" ? "stages" : name),
          "\(name): \(outcome.errors)")
      }
      try whole.write(to: url)
    }
  }

  /// A link with the name of a stage's file could lead to any file, which writing the stage would replace.
  @Test func linksAmongStagesAreRefused() throws {
    let scratch = try Scratch()
    let (stages, precious) = (scratch.path("stages"), try scratch.write(Data("keep me".utf8), to: "precious"))
    let convert = ["convert", "-o", scratch.path("m.quern"), "--effort", "fast", "--resume"]
    #expect(try Tool.run(convert + [stages] + Self.whole).status == 0)
    let files = FileManager.default
    for part in ["conversion.json", "calibration.safetensors", "levels.safetensors", "plan.json"] {
      for name in [part, part + ".sha256"] where name != "conversion.json.sha256" {
        for target in ["../precious", "../nothing"] {
          // Without the part, the stage is computed and written again.
          for missing in Set([part, name]) {
            try files.moveItem(atPath: "\(stages)/\(missing)", toPath: scratch.path(missing))
          }
          try files.createSymbolicLink(atPath: "\(stages)/\(name)", withDestinationPath: target)
          let outcome = try Tool.run(convert + [stages] + Self.whole)
          #expect(outcome.status == 65, "\(name): \(outcome.errors)")
          #expect(outcome.errors.contains("\(name): is a symbolic link"), "\(outcome.errors)")
          #expect(try Self.bytes(precious) == Data("keep me".utf8))
          #expect(!files.fileExists(atPath: scratch.path("nothing")))
          try files.removeItem(atPath: "\(stages)/\(name)")
          for missing in Set([part, name]) {
            try files.moveItem(atPath: scratch.path(missing), toPath: "\(stages)/\(missing)")
          }
        }
      }
    }
    // Also in a folder without stages, and what is no file at all.
    let new = scratch.path("new")
    try files.createDirectory(atPath: new, withIntermediateDirectories: true)
    try files.createSymbolicLink(atPath: "\(new)/plan.json", withDestinationPath: precious)
    let linked = try Tool.run(convert + [new] + Self.whole)
    #expect(linked.status == 65 && linked.errors.contains("plan.json: is a symbolic link"), "\(linked.errors)")
    try files.removeItem(atPath: "\(new)/plan.json")
    try files.createDirectory(atPath: "\(new)/plan.json", withIntermediateDirectories: true)
    let folder = try Tool.run(convert + [new] + Self.whole)
    #expect(folder.status == 65 && folder.errors.contains("plan.json: is a folder"), "\(folder.errors)")
    #expect(try Self.bytes(precious) == Data("keep me".utf8))
    // The stages are as they were.
    #expect(try Tool.run(convert + [stages] + Self.whole).status == 0)
  }

  /// What cannot be a folder is an output that cannot be created.
  @Test(arguments: ["file", "file/below", "/proc/none"])
  func whatCannotBeAFolderIsNamed(path: String) throws {
    let scratch = try Scratch()
    let file = try scratch.write(Data("keep me".utf8), to: "file")
    let folder = path.hasPrefix("/") ? path : scratch.path(path)
    let outcome = try Tool.run(
      ["convert", "-o", scratch.path("m.quern"), "--effort", "fast", "--resume", folder] + Self.whole)
    #expect(outcome.status == 73 && outcome.errors.contains("\(folder): cannot be created"), "\(outcome.errors)")
    #expect(try Self.bytes(file) == Data("keep me".utf8))
  }

  @Test func foldersAboveAreMade() throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["convert", "-o", scratch.path("m.quern"), "--effort", "fast", "--resume", scratch.path("a/b/c/")] + Self.whole)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(FileManager.default.fileExists(atPath: scratch.path("a/b/c/plan.json")))
  }

  /// Values that no conversion stores, with the right hash.
  @Test(arguments: [
    ("calibration", "scales/", Float(0)), ("calibration", "extremes/", .nan),
    ("calibration", "counts/", Float(bitPattern: .max)), ("levels", "scales/", .infinity),
    ("levels", "finest_scales/", -1), ("levels", "step/", .infinity),
  ])
  func storedValuesThatCannotBeAreRefused(part: String, prefix: String, value: Float) throws {
    let scratch = try Scratch()
    let folder = scratch.path("stages")
    let arguments =
      ["convert", Tool.narrowNetwork, "-o", scratch.path("m.quern"), "--resume", folder, "--size", "33"] + Self.settings
    #expect(try [0, 1].contains(Tool.run(arguments).status))
    let url = URL(filePath: "\(folder)/\(part).safetensors")
    var bytes = try Data(contentsOf: url)
    let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try #require(
      try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: [String: Any]])
    let entry = try #require(header.filter { $0.key.hasPrefix(prefix) }.min { $0.key < $1.key }?.value)
    let offsets = try #require(entry["data_offsets"] as? [Int])
    for offset in stride(from: offsets[0], to: offsets[1], by: 4) {
      withUnsafeBytes(of: value.bitPattern.littleEndian) {
        bytes.replaceSubrange(8 + length + offset..<12 + length + offset, with: $0)
      }
    }
    try bytes.write(to: url)
    try "\(GoldenWriter.hash(url.path))\n".write(toFile: "\(url.path).sha256", atomically: true, encoding: .utf8)
    for later in part == "levels" ? ["plan.json"] : ["plan.json", "levels.safetensors"] {
      try FileManager.default.removeItem(atPath: "\(folder)/\(later)")
    }
    let outcome = try Tool.run(arguments)
    #expect(outcome.status == 65 && !outcome.errors.isEmpty, "\(outcome.errors)")
  }
}
