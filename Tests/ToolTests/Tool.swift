import Foundation

/// Runs the built tool as a user would.
enum Tool {
  struct Outcome {
    let status: Int32
    let output: String
    let errors: String
  }

  /// The tool stands beside the test bundle.
  static let url = URL(fileURLWithPath: ProcessInfo.processInfo.arguments[0]).deletingLastPathComponent()
    .appendingPathComponent("quern")

  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  static let checkpoint = root.appendingPathComponent("fixtures/demo/multigrain_r50w16_tiny50.pth").path
  /// A network in which the longest searches take a seventh of the time.
  static let narrowNetwork = root.appendingPathComponent("fixtures/trunks/resnet_d.pth").path
  static let photographs = root.appendingPathComponent("fixtures/photographs").path

  static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
    try run(url, arguments, environment)
  }

  /// Runs a script of the shell in a folder. In it, `"$@"` is the tool with arguments, to which it can add some that
  /// are not UTF-8.
  static func shell(
    _ script: String, _ arguments: [String], in folder: Scratch, environment: [String: String] = [:]
  ) throws -> Outcome {
    try run(
      URL(fileURLWithPath: "/bin/sh"),
      ["-c", "cd \"$QUERN_TEST_FOLDER\" && \(script)", "sh", url.path] + arguments,
      environment.merging(["QUERN_TEST_FOLDER": folder.folder.path]) { $1 })
  }

  private static func run(_ program: URL, _ arguments: [String], _ environment: [String: String]) throws -> Outcome {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let folder = try Scratch()
    let (output, errors) = (folder.url("out"), folder.url("err"))
    for file in [output, errors] { try Data().write(to: file) }
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
      output: try String(contentsOf: output, encoding: .utf8), errors: try String(contentsOf: errors, encoding: .utf8))
  }
}

/// A temporary folder that goes away with this value.
final class Scratch {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("quern-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func url(_ name: String) -> URL { folder.appendingPathComponent(name) }
  func path(_ name: String) -> String { url(name).path }

  func write(_ data: Data, to name: String) throws -> String {
    try data.write(to: url(name))
    return path(name)
  }
}
