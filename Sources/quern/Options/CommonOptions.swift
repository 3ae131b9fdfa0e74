import ArgumentParser
import Conversion
import PrintableText
import Threads

/// The options that every command takes.
struct CommonOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Number of threads; results do not depend on it. (default: all cores)", valueName: "n"))
  var threads: Int?

  @Flag(
    name: .shortAndLong,
    help: "Show no progress and no notes, and only those warnings that put a result in doubt. The report is printed.")
  var quiet = false

  @Flag(help: "Print one JSON object on stdout instead of text.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Read options and gates from a TOML file; options of the command line replace them. (default: quern.toml in the "
        + "working directory, if there is one)", valueName: "file.toml"))
  var config: String?

  @Flag(help: "Read no configuration file.")
  var noConfig = false

  var threadCount: Int { threads ?? ThreadTeam.availableProcessors }
  var progress: ProgressLine { ProgressLine(quiet: quiet) }

  /// Prints warnings that put a result in doubt to stderr, even with --quiet, unless the user reads them on the same
  /// terminal in the text of the result.
  func warn(_ warnings: [String]) {
    guard json || !Terminal.showsBoth else { return }
    for warning in warnings { Terminal.complain("warning: \(printable(warning))") }
  }

  mutating func validate() throws {
    if config != nil, noConfig { throw ValidationError("--config and --no-config cannot be combined") }
    if let threads, !(1...1024).contains(threads) { throw ValidationError("--threads must be from 1 to 1024") }
  }
}
