import ArgumentParser
import Conversion
import Fidelity
import Reports

struct CompareEffortsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare-efforts",
    abstract: "Compare what the efforts of a conversion cost and gain for a network.",
    discussion: """
      Converts the checkpoint with each effort, as 'quern convert' does with the same options, but keeps no package: \
      prints drift, agreement, bytes, milliseconds per image and the seconds of the conversion, next to the network in \
      float. Inference is measured on this machine, with one image at a time, at the first size. The comparison takes as \
      long as the conversions together.

      The exit status is 1 if no effort passes its gates.

      Examples:
        quern compare-efforts model.pth --calibration photos/ --size 224

        quern compare-efforts model.pth --calibration photos/ \\
          --efforts fast --efforts balanced -o efforts.html
      """)

  @Argument(
    help: "The checkpoint: PyTorch (.pth, .pt, .tar), MindSpore (.ckpt), ONNX, or safetensors.", completion: .checkpoint
  )
  var checkpoint: String

  @Option(
    help: ArgumentHelp("An effort to compare. Can be repeated. (default: all of them)", valueName: "level"))
  var efforts: [Effort] = []

  @Option(
    help: ArgumentHelp(
      "Number of runs of inference for each network, of which the fastest counts. (default: 30)", valueName: "n"),
    transform: wholeNumber(1...100_000))
  var runs = 30

  @Option(
    name: [.customShort("o"), .customLong("report")],
    help: ArgumentHelp(
      "Write the comparison to a file: .html (one page with the costs as bars) or .json. Can be repeated. (default: "
        + "text on stdout only)", valueName: "file"), completion: .report)
  var reports: [String] = []

  @OptionGroup(title: "Conversion options") var conversion: CalibrationOptions
  @OptionGroup(title: "Image options") var images: SizesOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "Gates") var gates: GateLimits
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws { try ReportFiles<EffortReport>.validate(reports) }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", reports: reports)
    try outputs.check(models: [checkpoint], images: conversion.folders, others: [classNames.path])
    // A file that cannot be created ends the command before any work is done.
    let files = try ReportFiles<EffortReport>(reports)
    // Temporary files are written to this folder, and none of this name, which nobody else can take.
    let name = "/quern-compare-efforts-\(String(UInt64.random(in: .min ... .max), radix: 36)).quern"
    let output = (try Environment.value("TMPDIR") ?? "/tmp") + name
    var options = try conversion.options(
      checkpoint, output: output, images, model, nil, effort: .balanced, gates: gates, common)
    options.classNames = try classNames.list()
    let chosen = Effort.allCases.filter { efforts.isEmpty || efforts.contains($0) }
    let report = try EffortComparison(options, runs: runs, progress: common.progress).run(chosen) {
      conversion.apply(to: &$0, effort: $1)
    }
    try files.write(report)
    Terminal.print(common.json ? try report.json() : report.text(colored: Terminal.usesColor))
    if report.accepted.isEmpty { throw ExitCode(1) }
  }
}
