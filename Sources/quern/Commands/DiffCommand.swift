import ArgumentParser
import Conversion

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show what differs between two packages.",
    discussion: """
      Compares operators with their attributes, formats and scales by the names of nodes, and weights level by level; \
      sizes, preprocessing and labels; the bytes of each kind of section; and the fidelity that the packages state. \
      Every hash of both packages is verified first. Packages that differ only in compression are equal.

      The exit status is 0 whether they differ or not, unless --exit-code is given.

      Example:
        quern diff old.quern new.quern
      """)

  @Argument(help: "The older package.")
  var old: String

  @Argument(help: "The newer package.")
  var new: String

  @Flag(help: "Exit with 1 if the packages differ.")
  var exitCode = false

  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    let difference = try PackageDifference(old: old, new: new, threads: common.threadCount)
    Terminal.print(common.json ? try JSONText.encode(difference) : difference.text)
    if exitCode, !difference.isSame { throw ExitCode(1) }
  }
}
