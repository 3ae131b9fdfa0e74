import ArgumentParser
import Conversion

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert a checkpoint to an int8 package and verify it.",
    discussion: """
      Reads a checkpoint without running any of its code, folds batch norm, calibrates on augmented copies of the \
      images, quantises, writes the package and measures how far its embeddings drift from the float network's.

      The package is verified on --verify-images, or else on images of the calibration folder that are not calibrated on: \
      those that --calibration-count leaves over, and a fifth of the folder at least; of these no more than \
      decide (--stop-when-decided). A tolerance is kept or broken by the value measured, and the exit status says so; where \
      the value's 95 % confidence interval straddles the tolerance, the report calls it inconclusive and says how many \
      images would decide. The verdict is inconclusive, too, where images \
      were calibrated on, or where the float network itself is near chance; --strict then exits with 1.

      Nothing that the command reads is ever written to, and an existing file is replaced only by one of its kind. A name \
      that is a symbolic link is followed, and the file that it leads to is replaced.

      With --golden, or test data next to an ONNX model, the float network is first held to what its framework computed (see \
      'quern golden'); where it differs, nothing is calibrated or written but reports, which name the cause.

      A package can serve several sizes. Calibration passes then take turns at them, so that its ranges and weights suit \
      all; it is verified at each, and passes only if it keeps its tolerances at every size.

      Examples:
        quern convert model.pth --calibration photos/ --size 224 --size 500:4 -o m.quern
        quern convert model.pth --calibration photos/ --size 224 -o model.quern --report fidelity.md
      """)

  @Argument(help: "The checkpoint: .pth, .pt or .tar of PyTorch, .ckpt of MindSpore, .onnx, or .safetensors.")
  var checkpoint: String

  @Option(name: [.short, .long], help: ArgumentHelp("The package to write.", valueName: "file.quern"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "Take decisions from a plan that 'quern plan' wrote, as it is or edited (formats/plan.md). Nothing is searched for, "
        + "what the plan leaves out is computed, and with a plan that leaves out nothing the images of --calibration only serve to round weights and to verify.",
      valueName: "plan.json"))
  var plan: String?

  @Option(
    help: ArgumentHelp(
      "Keep finished stages in a folder, and go on from those that are there: what calibration saw, rounded weights, the "
        + "plan. The package is the same. Stages of another checkpoint, other images, options or version are refused.",
      valueName: "folder"))
  var resume: String?

  @OptionGroup(title: "Conversion options") var conversion: CalibrationOptions
  @OptionGroup(title: "Image options") var images: SizesOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Framework's outputs") var golden: GoldenCheckOptions
  @OptionGroup(title: "Tolerances and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    guard plan != nil else { return }
    if !conversion.keptFloat.isEmpty {
      throw ValidationError("--keep-float cannot be given with --plan: edit the plan")
    }
    if conversion.timeBudget != nil {
      throw ValidationError("--time-budget has no meaning with --plan: nothing is searched for")
    }
  }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .package)
    outputs.add("--report", reports: gates.reports)
    try outputs.check(
      models: [checkpoint], images: conversion.folders + golden.folders, others: [golden.golden, plan])
    let reports = try gates.openReports()
    var options = try conversion.options(
      checkpoint, output: output, images, model, golden, gates: try gates.gates, common)
    options.resumeFolder = resume
    if let plan { try options.take(try PlanFile(path: plan)) }
    do {
      let outcome = try Converter(options, progress: common.progress).run()
      try gates.finish(outcome.report, reports, after: ConversionSummary(outcome).text, common)
    } catch let mismatch as ReferenceMismatch {
      try gates.finish(mismatch.report, reports, common)
    }
  }
}
