import ArgumentParser
import Fidelity
import Files
import Reports

/// The gates, and the files of reports.
struct GateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Maximum mean drift. The drift of an image is 1 - cosine(float embedding, int8 embedding).", valueName: "x"))
  var maxMeanDrift = 0.01

  @Option(help: ArgumentHelp("Maximum drift of any image.", valueName: "x"))
  var maxDrift = 0.05

  @Option(
    help: ArgumentHelp(
      "Minimum top-1 agreement: the share of images with the same top-1 class in both networks, in percent.",
      valueName: "percent"))
  var minAgreement = 95.0

  @Option(
    help: ArgumentHelp(
      "Minimum decisive agreement: the top-1 agreement, in percent, of images that are not near ties. The two highest "
        + "float logits of a near tie are less than \(NearTie.minGap) standard deviations of its logits apart. "
        + "(default: not gated)",
      valueName: "percent"))
  var minDecisiveAgreement: Double?

  /// The earlier name of `minDecisiveAgreement`.
  @Option(help: .hidden) var minClearAgreement: Double?

  @Option(
    help: ArgumentHelp(
      "Maximum top-1 drop: the loss of top-1 accuracy in percentage points, if the images are labelled.",
      valueName: "points"))
  var maxTop1Drop = 1.0

  @Option(
    help: ArgumentHelp(
      "Minimum top-1 accuracy of the float network, in percent of the labelled images. A network that was read "
        + "wrongly, or gets wrong inputs, is near chance. The gate fails without labelled images. (default: not gated)",
      valueName: "percent"))
  var minFloatTop1: Double?

  @Flag(
    help: ArgumentHelp(
      "Exit with 1 also if the verdict is inconclusive: if a limit lies within the confidence interval of its figure, "
        + "if more than a twentieth of the images were calibrated on, or if the float network is near chance."))
  var strict = false

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the fidelity report to a file: .json, .md (Markdown) or .xml (JUnit). Can be repeated. (default: "
        + "no file)",
      valueName: "file"))
  var reports: [String] = []

  mutating func validate() throws {
    do {
      for path in reports { _ = try ReportFormat(path: path) }
      _ = try gates
    } catch {
      throw ValidationError("\(error)")
    }
  }

  var gates: Gates {
    get throws {
      try Gates(
        maxMeanDrift: maxMeanDrift, maxDrift: maxDrift, minAgreement: minAgreement,
        minDecisiveAgreement: minDecisiveAgreement ?? minClearAgreement, maxTop1Drop: maxTop1Drop,
        minFloatTop1: minFloatTop1)
    }
  }

  /// Creates the files of all reports, so that a file that cannot be created ends the command before any work is done.
  func openReports() throws -> ReportFiles { try ReportFiles(reports) }

  /// Writes the report to its files, prints it, and ends the command if it is not accepted.
  ///
  /// - Parameter summary: text that is printed before the report.
  /// - Throws: `ExitCode(1)` if the report is not accepted.
  func finish(
    _ report: FidelityReport, _ files: ReportFiles, after summary: String = "", _ common: CommonOptions
  ) throws {
    var report = report
    report.isStrict = strict
    try files.write(report)
    common.warn(report.allWarnings)
    Terminal.print(common.json ? try report.json() : summary + report.text(colored: Terminal.usesColor))
    if !report.isAccepted { throw ExitCode(1) }
  }
}
