import ArgumentParser
import Conversion
import Fidelity
import Reports

struct AnalyzeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "analyze",
    abstract: "Report quantisation error layer by layer.",
    discussion: """
      Quantises a checkpoint in memory, as 'quern convert' does before any search, and measures for each layer the \
      signal-to-noise ratio of its output in the quantised network, and the error that the layer adds itself by \
      rounding its output, by clipping it, and by rounding its weights. For the layers that add the largest error, it \
      measures the drift that each one's weights, rounding and clipping cause if nothing else is quantised.

      The report also shows the distribution of drift and the images that drift most, how weights use their levels, \
      which tensors take the bytes of a package, and how far ranges and figures depend on the choice of images. No \
      package is written, and gates do not change the exit status. As no search is run, --time-budget and \
      --stop-when-decided have no effect, and --max-slowdown has one only with --effort thorough.

      Example:
        quern analyze model.pth --calibration photos/ --size 224 -o analysis.html
      """)

  @Argument(
    help: "The checkpoint: PyTorch (.pth, .pt, .tar), MindSpore (.ckpt), ONNX, or safetensors.", completion: .checkpoint
  )
  var checkpoint: String

  @Option(
    name: [.short, .customLong("report")],
    help: ArgumentHelp(
      "Write the analysis to a file: .html (one page with plots), .json or .txt. Can be repeated. (default: text on "
        + "stdout only)",
      valueName: "file"), completion: .report)
  var output: [String] = []

  @Option(
    help: ArgumentHelp(
      "Number of layers, starting with the largest error, for which drift is measured with nothing else quantised. "
        + "(default: 12)",
      valueName: "n"),
    transform: wholeNumber(0...Int.max))
  var isolatedLayers = 12

  @Option(
    help: ArgumentHelp(
      "Limit of mean drift that its confidence interval is compared with. (default: 0.01)", valueName: "x"),
    transform: number())
  var maxMeanDrift = 0.01

  @Option(
    help: ArgumentHelp(
      "Limit of top-1 agreement, in percent, that its confidence interval is compared with. (default: 95)",
      valueName: "percent"),
    transform: number())
  var minAgreement = 95.0

  @OptionGroup(title: "Conversion options") var effort: EffortOptions
  @OptionGroup(title: "Conversion options") var conversion: CalibrationOptions
  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    try ReportFiles<LossAnalysis>.validate(output)
    do {
      _ = try Gates(maxMeanDrift: maxMeanDrift, minAgreement: minAgreement)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", reports: output)
    try outputs.check(models: [checkpoint], images: conversion.folders, others: [classNames.path])
    var options = try ConversionOptions(
      checkpoint: checkpoint, output: "", calibrationFolder: conversion.calibrationFolder,
      resolution: evaluation.request,
      gates: try Gates(maxMeanDrift: maxMeanDrift, minAgreement: minAgreement), threads: common.threadCount)
    conversion.apply(to: &options, effort: effort.effort)
    options.model = model.options
    options.classNames = try classNames.list()
    options.referenceCheck.usesTestData = false
    // A file that cannot be created ends the command before any work is done.
    let files = try ReportFiles<LossAnalysis>(output)
    let analysis = try Analyzer(options, isolatedLayers: isolatedLayers, progress: common.progress).run()
    try files.write(analysis)
    common.warn(analysis.warnings)
    Terminal.print(common.json ? try analysis.json() : analysis.text())
  }
}
