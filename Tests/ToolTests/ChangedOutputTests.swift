import Foundation
import Testing

/// Files that take the place of an output during the run, and names that look like that of another file.
@Suite struct ChangedOutputTests {
  @Test(arguments: ["ln -s model.pth out.quern", "echo precious >out.quern", "mkdir out.quern"])
  func whatAppearsStays(change: String) throws {
    let scratch = try Scratch()
    let outcome = try ChangedInputTests.convert("{ \(change); ls -lid out.quern >before; }", in: scratch)
    #expect(outcome.status == 73, "\(outcome)")
    #expect(outcome.errors.contains("out.quern: was changed during the run"), "\(outcome.errors)")
    let after = try Tool.shell(
      #"ls -lid out.quern | cmp before - && cmp model.pth "$2""#, [Tool.checkpoint], in: scratch)
    #expect(after.status == 0, "\(after)")
  }

  /// The nearest name of a folder that is not UTF-8 is that of another one.
  @Test(arguments: [
    #""$@" -o g.py && "$@" -o g.py && ln -s g.py link.py && "$@" -o link.py && [ -L link.py ]"#,
    #"ln -s "$(printf '\377.py')" link.py && : >link.py && ! "$@" -o link.py && [ ! -s link.py ]"#,
  ])
  func workingFoldersNeedNotBeUTF8(commands: String) throws {
    let script = """
      {
      mkdir "$(printf 'a\\377')" "$(printf 'a\\357\\277\\275')"
      cd "$(printf 'a\\377')" && \(commands) && [ -z "$(ls -A "../$(printf 'a\\357\\277\\275')")" ]
      }
      """
    let outcome = try Tool.shell(script, ["golden", "--quiet"], in: try Scratch())
    #expect(outcome.status == 0, "\(outcome)")
  }

  @Test func stagesStayInTheWorkingFolder() throws {
    let script = """
      {
      mkdir "$(printf 'a\\377')" "$(printf 'a\\357\\277\\275')" "$(printf 'a\\357\\277\\275')/stages"
      cd "$(printf 'a\\377')" && "$@" --resume stages -o a.quern
      [ -s stages/conversion.json ] && [ -s a.quern ] && [ -z "$(ls "../$(printf 'a\\357\\277\\275')/stages")" ]
      }
      """
    let outcome = try Tool.shell(
      script,
      [
        "convert", Tool.root.appendingPathComponent("fixtures/onnx/tiny-classifier.onnx").path, "--size", "32",
        "--calibration", Tool.photographs, "--calibration-count", "8", "--repetitions", "1", "--effort", "fast",
        "--quiet",
      ], in: try Scratch())
    #expect(outcome.status == 0, "\(outcome)")
  }

  @Test func namesDifferByTheirBytes() throws {
    let arguments = ["convert", "none.pth", "--calibration", "none", "-o", "a.quern", "--report"]
    let outcome = try Tool.shell(
      #""$@" "$(printf 'caf\303\251.json')" --report "$(printf 'cafe\314\201.json')""#, arguments, in: try Scratch())
    #expect(outcome.status == 66, "\(outcome)")
  }

  @Test func variablesThatAreNotUTF8AreRefused() throws {
    let outcome = try Tool.shell(
      #"DEBFULLNAME="$(printf 'caf\351')" DEBEMAIL=a@example.com "$@""#,
      ["deb", "none.quern", "--name", "model", "--version", "1", "-o", "a.deb"], in: try Scratch())
    #expect(outcome.status == 64 && outcome.errors.contains("DEBFULLNAME is not UTF-8"), "\(outcome)")
  }
}
