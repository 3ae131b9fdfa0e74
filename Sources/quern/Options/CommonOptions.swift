import ArgumentParser
import Conversion
import PrintableText
import Threads

extension ProgressMode: ExpressibleByArgument {}

/// The options that every command takes.
struct CommonOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Number of threads; results do not depend on it. (default: all cores)", valueName: "n"),
    transform: wholeNumber(1...1024))
  var threads: Int?

  @Flag(
    name: .shortAndLong,
    help: "Show no progress and no notes, and only those warnings that put a result in doubt. The report is printed.")
  var quiet = false

  @Option(
    name: .customLong("progress"),
    help: ArgumentHelp(
      "How progress is shown on stderr: tty redraws a line, plain writes one every "
        + "\(Int(ProgressMode.secondsBetweenLines)) seconds, json writes objects, a line each, and none is silent. "
        + "(default: tty on a terminal, plain elsewhere)", valueName: "mode"))
  var progressMode: ProgressMode?

  @Flag(help: "Print one JSON object on stdout instead of text; also for an error.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Read options and gates from a TOML file; options of the command line replace them. (default: quern.toml in the "
        + "working directory, if there is one)", valueName: "file.toml"), completion: .file(extensions: ["toml"]))
  var config: String?

  @Flag(help: "Read no configuration file.")
  var noConfig = false

  var threadCount: Int { threads ?? ThreadTeam.availableProcessors }
  var progress: ProgressLine { ProgressLine(progressMode ?? .automatic, quiet: quiet) }

  /// Prints warnings that put a result in doubt to stderr, even with --quiet, unless the user reads them on the same
  /// terminal in the text of the result.
  func warn(_ warnings: [String]) {
    guard json || !Terminal.showsBoth else { return }
    for warning in warnings { Terminal.complain("warning: \(printable(warning))") }
  }

  mutating func validate() throws {
    if config != nil, noConfig { throw ValidationError("--config and --no-config cannot be combined") }
  }
}
