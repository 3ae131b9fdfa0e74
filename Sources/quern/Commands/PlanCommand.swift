import ArgumentParser
import Conversion
import Fidelity
import PrintableText

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract: "Decide how a checkpoint is quantised, and write the decisions as JSON.",
    discussion: """
      Makes the same decisions as 'quern convert' with the same options, including the search for a network that \
      passes its gates, but writes a plan instead of a package: the format of every value, the arithmetic of every \
      layer, the steps of weights, the equalisation scales of channels, and the reason for each (formats/plan.md).

      'quern convert --plan' with the same options makes the package that 'quern convert' makes without a plan, byte \
      for byte, without searching or calibrating. A plan can be reviewed, kept under version control, edited (to keep \
      a layer in float, for example), and used for other weights of the same network.

      The exit status is 1 if a gate fails; the plan and the reports are still written. It is also 1 if the float \
      network does not match the outputs of its framework (--golden); then no plan is written.

      Example:
        quern plan model.pth --calibration photos/ --size 224 -o plan.json
        quern convert model.pth --plan plan.json --calibration photos/ \\
          --size 224 -o model.quern
      """)

  @Argument(
    help: "The checkpoint: PyTorch (.pth, .pt, .tar), MindSpore (.ckpt), ONNX, or safetensors.", completion: .checkpoint
  )
  var checkpoint: String

  @Option(name: [.short, .long], help: ArgumentHelp("The plan to write.", valueName: "plan.json"), completion: .plan)
  var output: String

  @OptionGroup(title: "Whitening options") var whitening: WhiteningStageOptions
  @OptionGroup(title: "Conversion options") var effort: EffortOptions
  @OptionGroup(title: "Conversion options") var conversion: CalibrationOptions
  @OptionGroup(title: "Image options") var images: SizesOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "Golden file options") var golden: GoldenCheckOptions
  @OptionGroup(title: "Gates and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws { try gates.refuseBuildReports() }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .plan)
    outputs.add("--report", reports: gates.reports)
    try outputs.check(
      models: [checkpoint], images: conversion.folders + golden.folders + whitening.folders,
      others: [golden.golden, classNames.path] + gates.inputs)
    let reports = try gates.openReports()
    var options = try conversion.options(
      checkpoint, output: output, images, model, golden, effort: effort.effort, gates: gates.limits, common)
    options.classNames = try classNames.list()
    options.whitening = whitening.options
    do {
      let outcome = try Converter(options, progress: common.progress).makePlan()
      let rows = ConversionSummary(outcome).rows + [("plan", "written to \(printable(output))")]
      try gates.finish(outcome.report, reports, making: rows, common)
    } catch let mismatch as ReferenceMismatch {
      try gates.finish(mismatch.report, reports, common)
    }
  }
}
