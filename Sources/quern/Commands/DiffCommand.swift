import ArgumentParser
import Conversion
import Fidelity
import Files
import Reports

struct DiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff",
    abstract: "Show what differs between two packages, or between two fidelity reports.",
    discussion: """
      Compares operators with their attributes, formats and scales by the names of nodes, and weights level by level; \
      sizes, preprocessing and labels; the bytes of each kind of section; and the fidelity that the packages state. \
      Every hash of both packages is verified first. Packages that differ only in compression are equal.

      Two fidelity reports in JSON are compared figure by figure: a figure regressed if it is worse, and the 95 % \
      confidence interval of the change excludes 0. Two reports without a figure in common do not show that none \
      regressed.

      The exit status is 0 whether they differ or not, unless --exit-code is given.

      Examples:
        quern diff old.quern new.quern

        quern diff before.json after.json -o change.html
      """)

  @Argument(help: "The older package, or report.", completion: .file(extensions: ["quern", "json"]))
  var old: String

  @Argument(help: "The newer package, or report.", completion: .file(extensions: ["quern", "json"]))
  var new: String

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "Also write the comparison of two reports as a page. (default: no file)", valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var output: String?

  @Flag(
    help: "Exit with 1 if the packages differ, or a figure regressed, or two reports have no figure in common.")
  var exitCode = false

  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if let output, !output.hasSuffix(".html") {
      throw ValidationError("--output \(output): the comparison is a page, so its name must end in .html")
    }
  }

  func run() throws {
    guard try isReport(old) || isReport(new) else { return try comparePackages() }
    var outputs = OutputFiles()
    if let output { outputs.add("-o", reports: [output]) }
    try outputs.check(others: [old, new])
    let file = try output.map { try AtomicFile(path: $0) }
    let (before, now) = (try FidelityReport.open(old), try FidelityReport.open(new))
    let difference = ReportDifference(old: (before.report, old, before.sha256), new: (now.report, new))
    if let file {
      try file.write(difference.html())
      try file.commit()
    }
    Terminal.print(common.json ? try difference.json() : difference.text)
    if exitCode, difference.hasRegressed { throw ExitCode(1) }
  }

  /// Whether a file is a JSON object, as reports are and packages are not.
  private func isReport(_ path: String) throws -> Bool {
    let blanks = Set(" \t\r\n".utf8)
    return try MappedFile(path: path).withBytes { bytes in
      bytes.prefix(64).first { !blanks.contains($0) } == UInt8(ascii: "{")
    }
  }

  private func comparePackages() throws {
    if output != nil { throw ValidationError("--output is for two reports") }
    let difference = try PackageDifference(old: old, new: new, threads: common.threadCount)
    Terminal.print(common.json ? try JSONText.encode(difference) : difference.text)
    if exitCode, !difference.isSame { throw ExitCode(1) }
  }
}
