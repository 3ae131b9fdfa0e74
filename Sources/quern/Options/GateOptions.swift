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

  @Option(
    help: ArgumentHelp(
      "Minimum neighbour agreement: the share of images, in percent, whose nearest neighbour among the other images is "
        + "the same with an int8 query as in the float network, in a gallery of int8 or of float embeddings, whichever "
        + "share is lower. All images are compared then. (default: not gated)",
      valueName: "percent"))
  var minNeighbourAgreement: Double?

  @Option(
    help: ArgumentHelp(
      "Report how many pairs of images change sides of this cosine: whether two images match where matches have at "
        + "least this similarity. (default: not reported)", valueName: "cosine"))
  var threshold: Double?

  @Option(
    help: ArgumentHelp(
      "The same at the lowest threshold at which at most this share of the pairs of different classes match in the "
        + "float network, such as 0.001. Needs images of several classes. (default: not reported)", valueName: "share"))
  var falseMatchRate: Double?

  @Option(
    help: ArgumentHelp(
      "An earlier fidelity report. The gate 'regression' fails if a figure is worse than in it and the 95 % confidence "
        + "interval of the change excludes 0. (default: none)", valueName: "report.json"))
  var baseline: String?

  @Flag(
    help: ArgumentHelp(
      "Exit with 1 also if the verdict is inconclusive: if a limit lies within the confidence interval of its figure, "
        + "if more than a twentieth of the images were calibrated on, or if the float network is near chance."))
  var strict = false

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the fidelity report to a file: .json, .html, .md (Markdown) or .xml (JUnit); of a conversion also "
        + ".intoto.json (SLSA provenance) or .cdx.json (CycloneDX bill of materials). Can be repeated. (default: no file)",
      valueName: "file"))
  var reports: [String] = []

  mutating func validate() throws {
    if let threshold {
      guard (-1...1).contains(threshold) else {
        throw ValidationError("--threshold must be a cosine, from -1 to 1")
      }
      if falseMatchRate != nil {
        throw ValidationError("--threshold cannot be combined with --false-match-rate, which chooses the threshold")
      }
    }
    if let falseMatchRate, !(falseMatchRate > 0 && falseMatchRate < 1) {
      throw ValidationError("--false-match-rate must be a share above 0 and below 1, such as 0.001")
    }
    try ReportFiles<FidelityReport>.validate(reports)
    do {
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
        minFloatTop1: minFloatTop1, minNeighborAgreement: minNeighbourAgreement)
    }
  }

  /// The reports on how a package was made.
  var buildReports: [String] { get throws { try reports.filter { try ReportFormat(path: $0).isAboutBuild } } }

  /// Refuses reports on how a package was made, for commands that make none.
  func refuseBuildReports() throws {
    guard let path = try buildReports.first else { return }
    throw ValidationError("--report \(path): only 'quern convert' writes provenance and bills of materials")
  }

  /// How matches are decided; `nil`: decisions are not compared.
  var decisionRule: DecisionRule? {
    threshold.map(DecisionRule.threshold) ?? falseMatchRate.map(DecisionRule.falseMatchRate)
  }

  /// Reads the earlier report that is compared with.
  ///
  /// - Throws: `FileError` where it cannot be read; `ReportError` where it is no fidelity report.
  func openBaseline() throws -> (report: FidelityReport, path: String, sha256: String)? {
    guard let baseline else { return nil }
    let file = try MappedFile(path: baseline)
    return (
      try FidelityReport(reading: file.withBytes { String(decoding: $0, as: UTF8.self) }, from: baseline), baseline,
      file.sha256().hex
    )
  }

  /// Input files, which outputs must not replace.
  var inputs: [String?] { [baseline] }

  /// Creates the files of all reports, so that a file that cannot be created ends the command before any work is done,
  /// and so does a baseline that cannot be read.
  func openReports() throws -> ReportFiles<FidelityReport> {
    _ = try openBaseline()
    return try ReportFiles(reports)
  }

  /// Writes the report to its files, prints it, and ends the command if it is not accepted.
  ///
  /// - Parameter summary: text that is printed before the report.
  /// - Throws: `ExitCode(1)` if the report is not accepted.
  func finish(
    _ report: FidelityReport, _ files: ReportFiles<FidelityReport>, after summary: String = "", _ common: CommonOptions
  ) throws {
    var report = report
    report.isStrict = strict
    if let config = common.config {
      report.configuration = .init(path: config, sha256: try MappedFile(path: config).sha256().hex)
    }
    if let baseline = try openBaseline() {
      report.baseline = BaselineComparison(report, since: baseline.report, path: baseline.path, sha256: baseline.sha256)
    }
    try files.write(report)
    common.warn(report.allWarnings)
    Terminal.print(common.json ? try report.json() : summary + report.text(colored: Terminal.usesColor))
    if !report.isAccepted { throw ExitCode(1) }
  }
}
