import Foundation
import Testing

/// Checkpoints that are changed while they are converted.
@Suite struct ChangedInputTests {
  private static let arguments = [
    "convert", "model.pth", "--calibration", Tool.photographs, "--size", "64", "--threads", "1", "--effort", "fast",
    "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0", "--max-top1-drop", "100", "--resume", "stages",
    "-o", "out.quern", "--quiet",
  ]

  /// Writes zeros to the middle of the checkpoint, and sets the time of the change back.
  private static let rewriting = """
    touch -r model.pth stamp
    head -c 4096 /dev/zero | dd of=model.pth bs=4096 seek=700 conv=notrunc 2>dd.txt
    touch -r stamp model.pth
    """

  /// Converts a checkpoint that has another name, `link.pth`. Once it has been hashed, the conversion is stopped, a
  /// script of the shell runs, and the conversion goes on.
  static func convert(_ change: String, in scratch: Scratch) throws -> Tool.Outcome {
    try FileManager.default.copyItem(atPath: Tool.checkpoint, toPath: scratch.path("model.pth"))
    let script = """
      {
      ln model.pth link.pth
      "$@" & tool=$!
      tries=0
      until [ -e stages/conversion.json ] || [ $tries -gt 3000 ]; do sleep 0.01; tries=$((tries + 1)); done
      kill -STOP $tool
      \(change)
      kill -CONT $tool
      wait $tool
      }
      """
    return try Tool.shell(script, arguments, in: scratch)
  }

  @Test(arguments: [
    rewriting, "\(rewriting)\nrm link.pth", "cp model.pth new.pth\n\(rewriting)\nmv new.pth model.pth",
    "\(rewriting)\nrm model.pth",
  ])
  func changesAreNoticed(change: String) throws {
    let scratch = try Scratch()
    let outcome = try Self.convert(change, in: scratch)
    #expect(outcome.status == 65, "\(outcome)")
    #expect(outcome.errors.contains("model.pth: was changed while it was in use"), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("out.quern")))
  }

  @Test(arguments: [
    "cp model.pth new.pth\nmv new.pth model.pth", "rm model.pth", "rm link.pth", "rm model.pth link.pth",
  ])
  func filesMayBeReplacedAndRemoved(change: String) throws {
    let scratch = try Scratch()
    let outcome = try Self.convert(change, in: scratch)
    #expect(outcome.status == 0, "\(outcome)")
    #expect(FileManager.default.fileExists(atPath: scratch.path("out.quern")))
  }
}

/// Files that are read where they are there. A name that leads nowhere is an error, and not taken for a missing file.
@Suite struct UnreachableInputTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String { "\(setup); quern \(arguments.prefix(2).joined(separator: " "))" }
    /// A script of the shell.
    let setup: String
    let arguments: [String]
    /// What the message must name.
    let mentions: [String]
  }

  private static let cases = [
    Case(setup: "ln -s nowhere quern.toml", arguments: ["golden"], mentions: ["quern.toml", "a symbolic link"]),
    Case(setup: "ln -s quern.toml quern.toml", arguments: ["golden"], mentions: ["quern.toml", "symbolic links"]),
    Case(
      setup: "ln -s nowhere model.pth", arguments: ["golden", "model.pth"],
      mentions: ["model.pth", "a symbolic link"]),
    Case(
      setup: "mkdir images; ln -s nowhere images/holidays-rotate.yaml",
      arguments: ["evaluate", Tool.checkpoint, "--set", "holidays", "--data", "images"],
      mentions: ["images/holidays-rotate.yaml", "a symbolic link"]),
    Case(
      setup: "cp '\(Tool.root.path)/fixtures/golden/demo.safetensors' a-00002-of-00003.safetensors; "
        + "ln -s nowhere a.safetensors.index.json",
      arguments: ["inspect", "a-00002-of-00003.safetensors"],
      mentions: ["a.safetensors.index.json", "a symbolic link"]),
    Case(
      setup: "cp '\(Tool.root.path)/fixtures/fuzzing/seeds/rows.fbin' a.fbin; ln -s nowhere a.fbin.json",
      arguments: ["compare", "a.fbin", "a.fbin"], mentions: ["a.fbin.json", "a symbolic link"]),
    Case(
      setup: "ln -s nowhere MIT",
      arguments: ["convert", Tool.checkpoint, "--calibration", Tool.photographs, "--license", "MIT", "-o", "a.quern"],
      mentions: ["MIT", "a symbolic link"]),
  ]

  @Test(arguments: cases)
  func namesThatLeadNowhereAreErrors(_ test: Case) throws {
    let outcome = try Tool.shell("{ \(test.setup); \"$@\"; }", test.arguments, in: try Scratch())
    #expect(outcome.status == 66, "\(outcome)")
    for word in test.mentions { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
  }

  @Test(.enabled(if: getuid() != 0)) func aConfigurationThatMayNotBeAccessedIsAnError() throws {
    let script = """
      {
      mkdir closed
      ln -s closed/quern.toml quern.toml
      chmod 0 closed
      "$@"
      status=$?
      chmod 700 closed
      exit $status
      }
      """
    let outcome = try Tool.shell(script, ["golden"], in: try Scratch())
    #expect(outcome.status == 66 && outcome.errors.contains("quern.toml"), "\(outcome)")
  }

  /// Where the file is not read, it need not be there.
  @Test(arguments: [["golden", "--no-config"], ["golden", "--version"], ["golden", "--help"], ["--version"]])
  func configurationsThatAreNotReadAreNoErrors(arguments: [String]) throws {
    let outcome = try Tool.shell("{ ln -s nowhere quern.toml; \"$@\"; }", arguments, in: try Scratch())
    #expect(outcome.status == 0, "\(outcome)")
  }

  @Test func whatIsMissingIsMissing() throws {
    let outcome = try Tool.shell("\"$@\"", ["golden", "model.pth"], in: try Scratch())
    #expect(outcome.status == 0, "\(outcome)")
  }
}
