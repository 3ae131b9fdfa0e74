import ArgumentParser
import Fidelity
import Files
import Reports

/// The limits that a package has to meet.
struct GateLimits: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Maximum mean drift. The drift of an image is 1 - cosine(float embedding, int8 embedding). (default: 0.01)",
      valueName: "x"),
    transform: number())
  var maxMeanDrift = 0.01

  @Option(
    help: ArgumentHelp("Maximum drift of any image. (default: 0.05)", valueName: "x"),
    transform: number())
  var maxDrift = 0.05

  @Option(
    help: ArgumentHelp(
      "Minimum top-1 agreement: the share of images with the same top-1 class in both networks, in percent. Where it is "
        + "given and above 0, the gate fails without a classifier. (default: 95)",
      valueName: "percent"),
    transform: number())
  var minAgreement: Double?

  @Option(
    help: ArgumentHelp(
      "Minimum decisive agreement: the top-1 agreement, in percent, of images that are not near ties. The two highest "
        + "float logits of a near tie are less than \(NearTie.minGap) standard deviations of its logits apart. "
        + "The gate fails without a classifier. (default: not gated)",
      valueName: "percent"),
    transform: number())
  var minDecisiveAgreement: Double?

  /// The earlier name of `minDecisiveAgreement`.
  @Option(help: .hidden, transform: number()) var minClearAgreement: Double?

  @Option(
    help: ArgumentHelp(
      "Maximum top-1 drop: the loss of top-1 accuracy in percentage points, if the images are labelled. Where it is "
        + "given and below 100, the gate fails without labelled images. (default: 1)",
      valueName: "points"),
    transform: number())
  var maxTop1Drop: Double?

  @Option(
    help: ArgumentHelp(
      "Minimum top-1 accuracy of the float network, in percent of the labelled images. A network that was read "
        + "wrongly, or gets wrong inputs, is near chance. The gate fails without labelled images. (default: not gated)",
      valueName: "percent"),
    transform: number())
  var minFloatTop1: Double?

  @Option(
    help: ArgumentHelp(
      "Minimum neighbour agreement: the share of images, in percent, whose nearest neighbour among the other images is "
        + "the same with an int8 query as in the float network, in a gallery of int8 or of float embeddings, whichever "
        + "share is lower. All images are compared then. (default: not gated)",
      valueName: "percent"),
    transform: number())
  var minNeighbourAgreement: Double?

  @Option(
    help: ArgumentHelp(
      "Report how many pairs of images change sides of this cosine: whether two images match where matches have at "
        + "least this similarity. (default: not reported)", valueName: "cosine"),
    transform: number("from -1 to 1, as it is a cosine") { (-1...1).contains($0) })
  var threshold: Double?

  @Option(
    help: ArgumentHelp(
      "The same at the lowest threshold at which at most this share of the pairs of different classes match in the "
        + "float network, such as 0.001. Needs images of several classes. (default: not reported)", valueName: "share"),
    transform: number("above 0 and below 1, as it is a share, such as 0.001") { $0 > 0 && $0 < 1 })
  var falseMatchRate: Double?

  mutating func validate() throws {
    if threshold != nil, falseMatchRate != nil {
      throw ValidationError("--threshold cannot be combined with --false-match-rate, which chooses the threshold")
    }
    do {
      _ = try gates
    } catch {
      throw ValidationError("\(error)")
    }
  }

  /// Gates whose limits were given, on the command line or by a configuration file, are required.
  ///
  /// - Throws: `FidelityError` for a limit that no figure can have.
  var gates: Gates {
    get throws {
      try Gates(
        maxMeanDrift: maxMeanDrift, maxDrift: maxDrift, minAgreement: minAgreement ?? Gates.defaultMinAgreement,
        requiresAgreement: minAgreement != nil, minDecisiveAgreement: minDecisiveAgreement ?? minClearAgreement,
        maxTop1Drop: maxTop1Drop ?? Gates.defaultMaxTop1Drop, requiresTop1Drop: maxTop1Drop != nil,
        minFloatTop1: minFloatTop1, minNeighborAgreement: minNeighbourAgreement)
    }
  }

  /// How matches are decided; `nil`: decisions are not compared.
  var decisionRule: DecisionRule? {
    threshold.map(DecisionRule.threshold) ?? falseMatchRate.map(DecisionRule.falseMatchRate)
  }
}

/// The gates, and the files of reports.
struct GateOptions: ParsableArguments {
  @OptionGroup var limits: GateLimits

  @Option(
    help: ArgumentHelp(
      "An earlier fidelity report. The gate 'regression' fails if a figure is worse than in it and the 95 % confidence "
        + "interval of the change excludes 0, or if a figure has no interval. (default: none)",
      valueName: "report.json"), completion: .plan)
  var baseline: String?

  @Flag(
    help: ArgumentHelp(
      "Exit with 1 also if the verdict is inconclusive: if a limit lies within the confidence interval of its figure, "
        + "if more than a twentieth of the images were calibrated on or repeat others, if it is not known which were "
        + "calibrated on, if both sides are the same file or have the same outputs, if the float network hardly tells "
        + "the images apart, if a package states figures of another, or if the float network is near chance."))
  var strict = false

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the fidelity report to a file: .json, .html, .md (Markdown) or .xml (JUnit); of a conversion also "
        + ".intoto.json (SLSA provenance) or .cdx.json (CycloneDX bill of materials). Can be repeated. (default: no file)",
      valueName: "file"), completion: .report)
  var reports: [String] = []

  mutating func validate() throws { try ReportFiles<FidelityReport>.validate(reports) }

  /// The reports on how a package was made.
  var buildReports: [String] { get throws { try reports.filter { try ReportFormat(path: $0).isAboutBuild } } }

  /// Refuses reports on how a package was made, for commands that make none.
  func refuseBuildReports() throws {
    guard let path = try buildReports.first else { return }
    throw ValidationError("--report \(path): only 'quern convert' writes provenance and bills of materials")
  }

  /// Reads the earlier report that is compared with.
  ///
  /// - Throws: `FileError` where it cannot be read; `ReportError` where it is no fidelity report.
  func openBaseline() throws -> (report: FidelityReport, path: String, sha256: String)? {
    guard let baseline else { return nil }
    let (report, sha256) = try FidelityReport.open(baseline)
    return (report, baseline, sha256)
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
  /// - Parameter making: how the package was made, for the text: titles and values.
  /// - Throws: `ExitCode(1)` if the report is not accepted.
  func finish(
    _ report: FidelityReport, _ files: ReportFiles<FidelityReport>, making: [(title: String, value: String)] = [],
    _ common: CommonOptions
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
    Terminal.print(common.json ? try report.json() : report.text(colored: Terminal.usesColor, making: making))
    if !report.isAccepted { throw ExitCode(1) }
  }
}

extension FidelityReport {
  /// Reads a report that the tool wrote as JSON.
  ///
  /// - Returns: the report, and the hash of its file in hexadecimal.
  /// - Throws: `FileError` where the file cannot be read; `ReportError` where it is no fidelity report.
  static func open(_ path: String) throws -> (report: FidelityReport, sha256: String) {
    let file = try MappedFile(path: path)
    let text = file.withBytes { String(decoding: $0, as: UTF8.self) }
    return (try FidelityReport(reading: text, from: path), file.sha256().hex)
  }
}
