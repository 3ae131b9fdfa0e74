import ArgumentParser
import Fidelity
import Files
import Reports

/// The tolerances, and where reports go.
struct GateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Largest mean drift; an image's drift is 1 - cosine(float, int8 embedding).", valueName: "x"))
  var maxMeanDrift = 0.01

  @Option(help: ArgumentHelp("Largest drift of any image.", valueName: "x"))
  var maxDrift = 0.05

  @Option(help: ArgumentHelp("Least share of images with the same top-1 class, in percent.", valueName: "percent"))
  var minAgreement = 95.0

  @Option(
    help: ArgumentHelp(
      "The same of images that are no coin toss: whose two highest float logits are \(CoinToss.leastGap) of the standard "
        + "deviation of all their logits apart, or more. (default: not gated)", valueName: "percent"))
  var minClearAgreement: Double?

  @Option(
    help: ArgumentHelp("Largest loss of top-1 accuracy in points, where the images are labelled.", valueName: "points"))
  var maxTop1Drop = 1.0

  @Option(
    help: ArgumentHelp(
      "Least top-1 accuracy of the float network, in percent of the labelled images: a network that was read or is fed "
        + "wrongly is near chance. It fails without labelled images. (default: not gated)", valueName: "percent"))
  var minFloatTop1: Double?

  @Flag(
    help: ArgumentHelp(
      "Exit with 1 where the verdict is inconclusive, too: where a limit lies within a figure's interval, where the images are "
        + "those of calibration, or where the float network is near chance."))
  var strict = false

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the fidelity report to a file: .json, .md (Markdown) or .xml (JUnit). May be given several times.",
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
        minClearAgreement: minClearAgreement, maxTop1Drop: maxTop1Drop, minFloatTop1: minFloatTop1)
    }
  }

  /// Creates the files of all reports, so that one that cannot be created ends the command before any work is done.
  func openReports() throws -> ReportFiles { try ReportFiles(reports) }

  /// Writes reports, prints what was found, and ends with its exit status.
  ///
  /// - Parameter summary: text that is printed before the report's.
  /// - Throws: `ExitCode(1)` where the report is not accepted.
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
