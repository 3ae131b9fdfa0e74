import ArgumentParser
import Conversion
import Fidelity
import Files
import Reports

struct AnalyzeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "analyze",
    abstract: "Account for what quantisation loses, layer by layer.",
    discussion: """
      Quantises a checkpoint in memory as 'quern convert' does, and measures for each layer the signal-to-noise ratio of \
      what arrives there, and what the layer loses itself by rounding its output, by clipping it and by rounding its \
      weights; for the layers that lose most, how far embeddings drift when only they are quantised, by weights, rounding \
      and clipping; the distribution of drift, and the images that drift most; how weights use their levels, and where the \
      bytes of a package would be; and how far ranges and figures depend on the choice of images. No package is written, \
      and no tolerance changes the exit status.

      Example:
        quern analyze model.pth --calibration photos/ --size 224 -o analysis.html
      """)

  @Argument(help: "The checkpoint: .pth, .pt or .tar of PyTorch, .ckpt of MindSpore, .onnx, or .safetensors.")
  var checkpoint: String

  @Option(
    name: [.short, .customLong("report")],
    help: ArgumentHelp(
      "Write the analysis to a file: .html (one page with plots), .json or .txt. May be given several times.",
      valueName: "file"))
  var output: [String] = []

  @Option(
    help: ArgumentHelp(
      "Layers, those that lose most, for which drift is measured with only them quantised.", valueName: "n"))
  var isolatedLayers = 12

  @Option(help: ArgumentHelp("Mean drift that the confidence interval is held against.", valueName: "x"))
  var maxMeanDrift = 0.01

  @Option(help: ArgumentHelp("Top-1 agreement that the confidence interval is held against.", valueName: "percent"))
  var minAgreement = 95.0

  @OptionGroup(title: "Conversion options") var conversion: CalibrationOptions
  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if isolatedLayers < 0 { throw ValidationError("--isolated-layers must be at least 0") }
    do {
      for path in output { _ = try AnalysisFormat(path: path) }
      _ = try Gates(maxMeanDrift: maxMeanDrift, minAgreement: minAgreement)
    } catch {
      throw ValidationError("\(error)")
    }
  }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", reports: output)
    try outputs.check(models: [checkpoint], images: conversion.folders)
    var options = try ConversionOptions(
      checkpoint: checkpoint, output: "", calibrationFolder: conversion.calibration,
      resolution: evaluation.request,
      gates: try Gates(maxMeanDrift: maxMeanDrift, minAgreement: minAgreement), threads: common.threadCount)
    conversion.apply(to: &options)
    options.model = model.options
    options.referenceCheck.usesTestData = false
    // What cannot be created fails before any work is done.
    let files = try output.map { (file: try AtomicFile(path: $0), format: try AnalysisFormat(path: $0)) }
    let analysis = try Analyzer(options, isolatedLayers: isolatedLayers, progress: common.progress).run()
    for (file, format) in files { try file.write(try analysis.rendered(as: format)) }
    for (file, _) in files { try file.commit() }
    common.warn(analysis.warnings)
    Terminal.print(common.json ? try analysis.json() : analysis.text())
  }
}
