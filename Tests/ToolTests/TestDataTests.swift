import Foundation
import Testing

/// ONNX test data next to a model: what is there and cannot be reached ends a run, and what is not used is said.
@Suite struct TestDataTests {
  private static let fixture = Tool.root.appendingPathComponent("fixtures/onnx/tiny-classifier.onnx")

  /// A folder with the model, and its test data as an action makes them.
  private static func scratch(_ make: (_ data: URL) throws -> Void) throws -> Scratch {
    let scratch = try Scratch()
    try FileManager.default.copyItem(at: fixture, to: scratch.url("model.onnx"))
    try make(scratch.url("test_data_set_0"))
    return scratch
  }

  private static func folder(_ url: URL, input: Data? = nil) throws {
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    try input?.write(to: url.appendingPathComponent("input_0.pb"))
  }

  private static func link(_ url: URL, to target: String) throws {
    try FileManager.default.createSymbolicLink(atPath: url.path, withDestinationPath: target)
  }

  private static func convert(_ scratch: Scratch, _ extra: [String] = []) throws -> Tool.Outcome {
    try Tool.run(
      [
        "convert", scratch.path("model.onnx"), "--calibration", Tool.photographs, "--calibration-count", "8", "--size",
        "32", "--repetitions", "1", "--effort", "fast", "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement",
        "0", "--json", "-q", "-o", scratch.path("a.quern"),
      ] + extra)
  }

  struct Unreachable: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let make: @Sendable (_ data: URL) throws -> Void
  }

  static let unreachable: [Unreachable] = [
    Unreachable(testDescription: "a folder that is a link to nothing") { try link($0, to: "/nowhere/data") },
    Unreachable(testDescription: "links that lead to each other") { try link($0, to: "test_data_set_0") },
    Unreachable(testDescription: "an input that is a link to nothing") {
      try folder($0)
      try link($0.appendingPathComponent("input_0.pb"), to: "/nowhere/input_0.pb")
    },
    Unreachable(testDescription: "an input that is a folder") {
      try folder($0)
      try folder($0.appendingPathComponent("input_0.pb"))
    },
    Unreachable(testDescription: "an output that is a link to nothing") {
      // TensorProto: dims 1, 3, 1, 1 (field 1), float32 (field 2), raw_data of 12 bytes (field 9).
      try folder($0, input: Data([8, 1, 8, 3, 8, 1, 8, 1, 16, 1, 0x4A, 12] + [UInt8](repeating: 0, count: 12)))
      try link($0.appendingPathComponent("output_0.pb"), to: "/nowhere/output_0.pb")
    },
  ]

  @Test(arguments: unreachable)
  func whatCannotBeReachedIsNotMissing(data: Unreachable) throws {
    let scratch = try Self.scratch(data.make)
    let outcome = try Self.convert(scratch)
    #expect(outcome.status == 66 && outcome.errors.contains("test_data_set_0"), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("a.quern")))
    let ignored = try Self.convert(scratch, ["--ignore-test-data"])
    #expect(ignored.status == 0, "\(ignored.errors)")
    let verified = try Tool.run([
      "verify", scratch.path("a.quern"), "--reference", scratch.path("model.onnx"), "--images", Tool.photographs,
    ])
    #expect(verified.status == 66 && verified.errors.contains("test_data_set_0"), "\(verified)")
  }

  struct Unused: Sendable, CustomTestStringConvertible {
    /// What is said.
    let testDescription: String
    let make: @Sendable (_ data: URL) throws -> Void
  }

  static let unused: [Unused] = [
    Unused(testDescription: "it is not a folder") { try Data("x".utf8).write(to: $0) },
    Unused(testDescription: "it has no input_0.pb") { try folder($0) },
    // TensorProto: dims 1, float32, raw_data of 4 bytes.
    Unused(testDescription: "not a batch of images") {
      try folder($0, input: Data([8, 1, 16, 1, 0x4A, 4, 0, 0, 0, 0]))
    },
    Unused(testDescription: "it has no output that is a vector for each image") {
      try folder($0, input: Data([8, 1, 8, 3, 8, 1, 8, 1, 16, 1, 0x4A, 12] + [UInt8](repeating: 0, count: 12)))
    },
    Unused(testDescription: "input_0.pb: ") { try folder($0, input: Data("no tensor".utf8)) },
  ]

  /// The report says it, on stderr, too, and without the path of the folder, on which no package depends.
  @Test(arguments: unused)
  func whatIsNotUsedIsSaid(data: Unused) throws {
    let scratch = try Self.scratch(data.make)
    let outcome = try Self.convert(scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.output)")
    let warning = try #require((report["warnings"] as? [String] ?? []).first { $0.contains("is not used") })
    #expect(warning.hasPrefix("test_data_set_0 next to the model is not used: "), "\(warning)")
    #expect(warning.contains(data.testDescription) && !warning.contains(scratch.folder.path), "\(warning)")
    #expect(report["reference_check"] is NSNull && outcome.errors.contains(warning), "\(outcome.errors)")
  }
}
