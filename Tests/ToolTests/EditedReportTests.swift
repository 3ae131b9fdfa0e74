import Foundation
import PackageFormat
import Testing

/// Packages whose report was edited. Every hash of the file is right, as it does not say who made it.
@Suite struct EditedReportTests {
  private static func fixture(_ name: String) -> String { Tool.root.appendingPathComponent("fixtures/\(name)").path }
  private static let package = fixture("packages/version-1.0-converted.quern")
  private static let fields = [
    "--name", "quern-weights-toy", "--version", "1", "--license", "MIT", "--maintainer", "Ada <ada@example.org>",
  ]

  /// The package with texts of its metadata replaced.
  private static func edited(_ scratch: Scratch, _ changes: [(old: String, new: String)]) throws -> String {
    let reader = try PackageReader.open(path: package)
    let text = try changes.reduce(reader.metadata()) { text, change in
      try #require(text.contains(change.old))
      return text.replacing(change.old, with: change.new)
    }
    let path = scratch.path("edited.quern")
    try PackageWriter.write(reader, metadata: text, to: path)
    return path
  }

  private static let mean = #""mean":0.00011412468354273757"#

  @Test(arguments: [
    (mean, #""mean":0.5"#, "drift.mean is 0.5"), (mean, #""mean":-3"#, "drift.mean is -3, which is not from 0 to 2"),
    (
      #""passed":true,"value":0.00011412468354273757"#, #""passed":false,"value":0.00011412468354273757"#,
      "the outcome is not that of value and limit"
    ),
    (#""verdict":"pass","verification""#, #""verdict":"inconclusive","verification""#, "the verdict is not that of"),
    (#""images":76,"inference""#, #""images":-5,"inference""#, "it states -5 images"),
    (#""drift":{"#, #""drift":{"mean":0.9,"#, "the metadata cannot be read"),
    (#""schema":"quern.fidelity/1""#, #""schema":"quern.fidelity/2""#, "expected quern.fidelity/1"),
    (#""fidelity":{"#, #""fidelity":[],"other":{"#, "another type"),
    (#""source":{"#, #""origin":{"#, "the metadata cannot be read: it has no 'source'"),
  ])
  func reportsThatContradictThemselvesAreRefused(old: String, new: String, reason: String) throws {
    let scratch = try Scratch()
    let path = try Self.edited(scratch, [(old, new)])
    let plain = try Tool.run(["inspect", path])
    #expect(plain.status == 0 && plain.output.contains("NOT VALID: ") && plain.output.contains(reason), "\(plain)")
    #expect(!plain.output.contains("mean drift") && !plain.output.contains("not verified"))
    let json = try Tool.run(["inspect", path, "--json"])
    #expect(json.status == 0 && json.output.contains(#""report_problem" : "#), "\(json)")
    let (signature, debian) = (scratch.path("edited.sig"), scratch.path("toy.deb"))
    for command in [
      ["inspect", path, "--check"], ["diff", path, Self.package], ["diff", Self.package, path],
      ["sign", path, "--key", Self.fixture("signatures/p256.pem"), "-o", signature],
      ["deb", path, "-o", debian] + Self.fields,
      ["verify", path, "--reference", Self.fixture("onnx/tiny-classifier.onnx"), "--images", Tool.photographs],
    ] {
      let outcome = try Tool.run(command)
      #expect(outcome.status == 65 && outcome.errors.contains("report in the package is not valid"), "\(outcome)")
      #expect(outcome.errors.contains(reason), "\(outcome.errors)")
    }
    for file in [signature, debian] { #expect(!FileManager.default.fileExists(atPath: file)) }
  }

  /// Metadata that no conversion wrote are no report, but text that is not JSON may hide one.
  @Test(arguments: [("{}", 0), ("{\"fidelity\":null}", 0), ("{\"fidelity\":0}", 65), ("fidelity", 65)])
  func onlyReportsAreChecked(metadata: String, status: Int32) throws {
    let scratch = try Scratch()
    let path = scratch.path("edited.quern")
    try PackageWriter.write(try PackageReader.open(path: Self.package), metadata: metadata, to: path)
    let outcome = try Tool.run(["inspect", path, "--check"])
    #expect(outcome.status == status, "\(outcome.errors)")
  }

  /// The control file of a Debian package: the second member of an ar archive, by deb(5).
  private static func control(_ path: String, _ scratch: Scratch) throws -> String {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    // The first member has four bytes, and headers have 60.
    let header = 8 + 60 + 4
    let size = try #require(
      Int(String(decoding: bytes[header + 48..<header + 58], as: UTF8.self).split(separator: " ").joined()))
    let archive = try scratch.write(Data(bytes[header + 60..<header + 60 + size]), to: "control.tar.gz")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["tar", "-xzOf", archive, "./control"]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return text
  }

  /// Every command says that figures are stated, and which verdict, as `inspect` does.
  @Test func figuresAreSaidToBeStated() throws {
    let scratch = try Scratch()
    let open = try Self.edited(
      scratch,
      [
        (#""overlap":0"#, #""overlap":76"#),
        (#""verdict":"pass","verification""#, #""verdict":"inconclusive","verification""#),
      ])
    let verdict = "inconclusive: verified on its calibration images"
    let inspected = try Tool.run(["inspect", open, "--check"])
    #expect(inspected.status == 0 && inspected.output.contains(verdict), "\(inspected)")
    let difference = try Tool.run(["diff", open, Self.package])
    #expect(difference.output.contains("\(verdict) -> pass") && difference.output.contains("passed on 76 images"))
    let json = try Tool.run(["diff", open, Self.package, "--json"])
    #expect(json.output.contains("\"verdict\" : \"\(verdict)\"") && json.output.contains("\"verdict\" : \"pass\""))
    for text in [inspected.output, difference.output] {
      #expect(text.contains("figures are stated, not signed"), "\(text)")
    }
    let debian = scratch.path("toy.deb")
    for (path, verdict) in [(open, "inconclusive"), (Self.package, "pass")] {
      let outcome = try Tool.run(["deb", path, "-o", debian] + Self.fields)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("states the verdict 'inconclusive'") == (verdict == "inconclusive"))
      let control = try Self.control(debian, scratch)
      #expect(control.contains("(figures are stated, not signed):\n"), "\(control)")
      #expect(control.contains("32 px: passed on 76 images, mean drift 0.00011") && !control.contains("gates passed"))
      #expect(control.contains("   verdict: \(verdict)\n"))
      #expect(control.contains("     verified on its calibration images\n") == (verdict == "inconclusive"))
      #expect(control.split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
  }
}
