import Foundation
import Testing

/// What the system does not do for the tool. `scripts/test-faults` makes every call fail.
@Suite struct FaultTests {
  /// Runs a command of the shell, in which `"$@"` is the tool with arguments.
  private static func shell(_ command: String, _ arguments: [String]) throws -> Tool.Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command, "sh", Tool.url.path] + arguments
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Tool.Outcome(
      status: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
      output: "", errors: text)
  }

  private static func convert(_ output: String) -> [String] {
    ["convert", Tool.checkpoint, "--calibration", Tool.photographs, "--size", "32", "--effort", "fast", "-o", output]
  }

  @Test(arguments: [
    ["--help"], ["--version"], ["convert", "--help"], ["help", "verify"], ["--generate-completion-script", "zsh"],
    ["golden"], ["inspect", Tool.checkpoint], ["inspect", Tool.checkpoint, "--json"],
  ])
  func whatIsPrintedArrives(arguments: [String]) throws {
    for redirection in [">/dev/full", ">&-"] {
      let outcome = try Self.shell("\"$@\" \(redirection)", arguments)
      #expect(outcome.status == 74, "\(redirection)")
      #expect(outcome.errors.contains("stdout"), "\(redirection): \(outcome.errors)")
    }
    #expect(try Self.shell("\"$@\"", arguments).status == 0)
  }

  @Test func aCommandIsNeeded() throws { #expect(try Tool.run([]).status == 64) }

  @Test func filesDoNotTakeThePlaceOfClosedDescriptors() throws {
    let scratch = try Scratch()
    let outcome = try Self.shell("\"$@\" --quiet <&- >&- 2>&-", Self.convert(scratch.path("a.quern")) + ["--no-config"])
    #expect([0, 1, 74].contains(outcome.status))
    #expect(try Tool.run(["inspect", "--check", scratch.path("a.quern")]).status == 0)
  }

  @Test func limitsOfFileSizeAreErrors() throws {
    let scratch = try Scratch()
    let outcome = try Self.shell("ulimit -f 8; \"$@\"", Self.convert(scratch.path("a.quern")))
    #expect(outcome.status == 74)
    #expect(outcome.errors.contains("File too large"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path).isEmpty)
  }

  @Test(arguments: ["dangling.quern", "folder.quern", "fifo.quern", "missing/a.quern", "/dev/stdout", "/dev/null"])
  func outputsAreDecidedFirst(name: String) throws {
    let scratch = try Scratch()
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path("dangling.quern"), withDestinationPath: "nowhere")
    try FileManager.default.createDirectory(at: scratch.url("folder.quern"), withIntermediateDirectories: false)
    mkfifo(scratch.path("fifo.quern"), 0o600)
    // The checkpoint is not even opened.
    var arguments = Self.convert(name.hasPrefix("/") ? name : scratch.path(name))
    arguments[1] = scratch.path("no-checkpoint.pth")
    let outcome = try Tool.run(arguments)
    #expect(outcome.status == 73, "\(outcome.errors)")
  }
}
