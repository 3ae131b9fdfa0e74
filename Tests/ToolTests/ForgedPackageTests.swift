import Foundation
import PackageFormat
import PrintableText
import Testing

/// What the tool shows of packages that were made to mislead.
@Suite struct ForgedPackageTests {
  /// Clears a screen, starts lines of its own, gives a CI runner commands, and reverses what follows.
  private static let hostile = "x\u{1B}[2J\u{9B}31m\n::error::y\r\u{202E}z##[error]w"

  private static func encoded(_ count: Int) -> [UInt8] { withUnsafeBytes(of: UInt32(count).littleEndian) { Array($0) } }

  private static func package(_ scratch: Scratch) throws -> String {
    var package = try ForgedPackage()
    try package.replace("resnet50", with: hostile)
    try package.replace("layer1.0.conv2", with: hostile)
    let labels = (0..<50).map { "\(hostile)\($0)" }
    package.add(
      .labels, isCritical: false, encoded(50) + labels.flatMap { encoded($0.utf8.count) + Array($0.utf8) })
    try package.edit(.metadata) { contents in
      // A JSON string in which everything that JSON allows to be unescaped is.
      let inJSON = Self.hostile.replacing("\u{1B}", with: "\\u001b").replacing("\n", with: "\\n").replacing(
        "\r", with: "\\r")
      var text = String(decoding: contents, as: UTF8.self)
      for word in ["\"photographs\"", "\"pytorch-legacy\"", "\"multigrain_r50w16_tiny50.pth\""] {
        try #require(text.contains(word))
        text = text.replacing(word, with: "\"\(inJSON)\"")
      }
      // Figures of another package are refused, but these name none.
      text.replace(/"content_hash":"[0-9a-f]*",/, with: "")
      contents = Array(text.utf8)
    }
    let path = scratch.path("hostile.quern")
    try package.write(to: path)
    return path
  }

  @Test(arguments: [
    ["inspect", "P"], ["inspect", "P", "--check"], ["inspect", "P", "--json"], ["diff", "D", "P"],
    ["diff", "D", "P", "--json"], ["diff", "P", "D"], ["bench", "P", "--size", "32", "--layers"],
    ["classify", "P", "I"], ["classify", "P", "I", "--json"], ["selftest", "P"],
    ["verify", "P", "--reference", "C", "--images", "I"],
    ["verify", "P", "--reference", "C", "--images", "I", "--json"],
    ["export", "P", "-o", "O.onnx"],
    [
      "deb", "P", "--name", "weights", "--version", "1", "--license", "MIT", "--maintainer", "A <a@example.org>", "-o",
      "O.deb",
    ],
  ])
  func namesNeitherControlTerminalsNorCommandRunners(arguments: [String]) throws {
    let scratch = try Scratch()
    let images = scratch.path("images")
    try FileManager.default.createDirectory(atPath: images, withIntermediateDirectories: true)
    let source = "cat-00.jpg"
    try FileManager.default.copyItem(
      atPath: Tool.photographs + "/" + source, toPath: images + "/" + Self.hostile.replacing("/", with: "") + ".jpg")
    let plain = scratch.path("plain.quern")
    try ForgedPackage().write(to: plain)
    let places = [
      "P": try Self.package(scratch), "D": plain, "I": images, "C": Tool.checkpoint, "O.onnx": scratch.path("o.onnx"),
      "O.deb": scratch.path("o.deb"),
    ]
    let outcome = try Tool.run(arguments.map { places[$0] ?? $0 })
    #expect([0, 1, 65].contains(outcome.status), "\(outcome.status): \(outcome.errors)")
    #expect(!(outcome.output + outcome.errors).isEmpty || arguments[0] == "export")
    for text in [outcome.output, outcome.errors] {
      #expect(!text.unicodeScalars.contains { $0 != "\n" && $0.isUnprintable }, "\(text.debugDescription)")
      #expect(!text.contains("##["))
      let lines = text.split(separator: "\n").map { $0.drop(while: \.isWhitespace) }
      #expect(!lines.contains { $0.hasPrefix("::") }, "\(text)")
      // A name does not start a line.
      #expect(!lines.contains { $0.hasPrefix("::error") || $0.hasPrefix("z##") })
    }
    if arguments.last == "--json" {
      try #require(!outcome.output.isEmpty, "\(outcome.errors)")
      _ = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    }
  }

  @Test func jsonHasTheNamesAsTheyAre() throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(["inspect", try Self.package(scratch), "--json"])
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    #expect(report?["architecture"] as? String == Self.hostile)
  }

  /// A change of a package's contents, after which it cannot run, and a part of what '--check' must say.
  struct Defect: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let message: String
    let forge: @Sendable (inout ForgedPackage) throws -> Void
  }

  private static func set(_ bytes: [UInt8], at offset: Int, of contents: inout [UInt8]) {
    contents.replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }

  /// The end of the graph: each output is a name with its length and the number of a value.
  private static func replaceOutputs(_ contents: inout [UInt8], with outputs: [(String, Int)]) throws {
    // The names of the outputs stand behind their number, and nowhere else.
    let places = ["embedding", "normalized_embedding", "logits"].compactMap { name in
      contents.ranges(of: encoded(name.utf8.count) + Array(name.utf8)).last?.lowerBound
    }
    let start = try #require(places.min()) - 4
    contents = Array(contents[..<start]) + encoded(outputs.count)
    for (name, value) in outputs { contents += encoded(name.utf8.count) + Array(name.utf8) + encoded(value) }
  }

  private static let defects = [
    Defect(testDescription: "unknown operator", message: "unknown operator 'max_pocling'") {
      try $0.replace("max_pooling", with: "max_pocling")
    },
    Defect(testDescription: "exponent that is not a number", message: "exponent") {
      $0.edit(.graph) { contents in
        let name = encoded("exponent".utf8.count) + Array("exponent".utf8)
        if let place = contents.ranges(of: name).first {
          set(
            withUnsafeBytes(of: Double.nan.bitPattern.littleEndian) { Array($0) }, at: place.upperBound + 1,
            of: &contents)
        }
      }
    },
    Defect(testDescription: "more classes than logits", message: "logits") {
      $0.edit(.runtime) { set(encoded(2_000_000_000), at: 4, of: &$0) }
    },
    Defect(testDescription: "other dimension than the embedding's", message: "embedding") {
      $0.edit(.runtime) { set(encoded(513), at: 8, of: &$0) }
    },
    Defect(testDescription: "no outputs", message: "there is no output") {
      try $0.edit(.graph) { try replaceOutputs(&$0, with: []) }
    },
    Defect(testDescription: "the input as an output", message: "output") {
      try $0.edit(.graph) { try replaceOutputs(&$0, with: [("normalized_embedding", 0), ("logits", 0)]) }
    },
    Defect(testDescription: "scale that is not a number", message: "not positive and finite") { package in
      // Scales of weights are the tensor after the weights.
      package.editTensors { contents in
        guard contents.count == 4 * 64 || contents.count == 4 * 512 || contents.count == 4 * 16 else { return }
        set(withUnsafeBytes(of: Float.nan.bitPattern.littleEndian) { Array($0) }, at: 0, of: &contents)
      }
    },
  ]

  @Test(arguments: defects)
  func checkRefusesWhatCannotRun(_ defect: Defect) throws {
    let scratch = try Scratch()
    var package = try ForgedPackage()
    try defect.forge(&package)
    try package.write(to: scratch.path("p.quern"))
    let checked = try Tool.run(["inspect", scratch.path("p.quern"), "--check"])
    #expect(checked.status == 65)
    #expect(checked.errors.contains(defect.message), "\(checked.errors)")
    // Without --check, it is shown, if it can be.
    let shown = try Tool.run(["inspect", scratch.path("p.quern")])
    #expect(shown.status == 0 || shown.status == 65)
  }

  /// It would be compared with that of the figures.
  @Test func aHashThatIsNoTextIsNotAbsent() throws {
    let scratch = try Scratch()
    var package = try ForgedPackage()
    try package.edit(.metadata) { contents in
      var text = String(decoding: contents, as: UTF8.self)
      text.replace(/"sha256":"[0-9a-f]*","skipped_images"/, with: "\"sha256\":7,\"skipped_images\"")
      try #require(text.contains("\"sha256\":7,"))
      contents = Array(text.utf8)
    }
    try package.write(to: scratch.path("p.quern"))
    let checked = try Tool.run(["inspect", scratch.path("p.quern"), "--check"])
    #expect(checked.status == 65 && checked.errors.contains("sha256 is not text"), "\(checked.errors)")
  }

  @Test func checkAcceptsWhatRuns() throws {
    let scratch = try Scratch()
    try ForgedPackage().write(to: scratch.path("p.quern"))
    let checked = try Tool.run(["inspect", scratch.path("p.quern"), "--check"])
    #expect(checked.status == 0 && checked.output.contains("every hash is right"), "\(checked.errors)")
  }
}
