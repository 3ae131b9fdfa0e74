import ArgumentParser
import Conversion
import Fidelity
import Foundation

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert a checkpoint to an int8 package and verify it.",
    discussion: """
      Reads a checkpoint without running any of its code, folds batch norm, calibrates on augmented copies of the \
      images, quantises, writes the package and measures how far its embeddings drift from the float network's.

      The package is verified on --verify-images, or else on images of the calibration folder that are not calibrated on: \
      those that --calibration-count leaves over, and a fifth of the folder at least. A tolerance is kept or broken by the \
      value measured, and the exit status says so; where the value's 95 % confidence interval straddles the tolerance, the \
      report calls it inconclusive and says how many images would decide. The verdict is inconclusive, too, where images \
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

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Stop verifying when the images compared so far, in a fixed order that says nothing of them, decide every tolerance "
        + "with 95 % confidence; the report says how many there were at hand, and what share of others may drift by more "
        + "than --max-drift. (default: on where images of the calibration folder are verified on, off with --verify-images)"
    ))
  var stopWhenDecided: Bool?

  @OptionGroup(title: "Conversion options") var conversion: CalibrationOptions
  @OptionGroup(title: "Image options") var images: SizesOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Framework's outputs") var golden: GoldenCheckOptions
  @OptionGroup(title: "Tolerances and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .package)
    outputs.add("--report", reports: gates.reports)
    try outputs.check(models: [checkpoint], images: conversion.folders + golden.folders, others: [golden.golden])
    let reports = try gates.openReports()
    var options = ConversionOptions(
      checkpoint: checkpoint, output: output, calibrationFolder: conversion.calibration,
      evaluation: try images.evaluation, gates: try gates.gates, threads: common.threadCount)
    conversion.apply(to: &options)
    options.usesDefaultSize = images.sizes.isEmpty
    options.model = model.options
    options.stopsWhenDecided = stopWhenDecided
    options.referenceCheck = golden.options
    options.poolingExponent = images.sizes.first?.poolingExponent
    options.furtherSizes = Array(images.sizes.dropFirst())
    do {
      let outcome = try Converter(options, progress: common.progress).run()
      try gates.finish(outcome.report, reports, after: Self.summary(outcome), common)
    } catch let mismatch as ReferenceMismatch {
      try gates.finish(mismatch.report, reports, common)
    }
  }

  /// By how much the best network that was found misses each gate that it does not keep.
  private static func missed(_ outcome: ConversionOutcome) -> String {
    let sizes = outcome.report.sizes
    let results: [(place: String, gates: [GateResult])] =
      sizes.isEmpty
      ? [("", outcome.report.gates)]
      : sizes.map { (" at \($0.size) px", $0.gates) } + [("", outcome.report.gates.filter { $0.name == .packageBytes })]
    return results.flatMap { place, gates in
      gates.filter { !$0.passed }.map { gate in
        let format = gate.name == .packageBytes ? "%.0f" : "%.3g"
        let distance = gate.value.map { String(format: format, abs($0 - gate.limit)) } ?? "what cannot be told"
        return "Missed     \(gate.name.rawValue)\(place) by \(distance)\n"
      }
    }.joined()
  }

  private static func widened(_ outcome: ConversionOutcome) -> String {
    guard let first = outcome.widened.first else { return "" }
    return "Widened    \(outcome.widened.count) activations are read as 16 bits, that of \(first) first\n"
  }

  private static func coarsened(_ outcome: ConversionOutcome) -> String {
    guard outcome.coarsening.share > 0 else { return "" }
    return String(
      format: "Coarsened  %.1f %% of weights, by %.2f bits a weight over all\n", outcome.coarsening.share * 100,
      outcome.coarsening.bitsPerWeight)
  }

  private static func kept(_ outcome: ConversionOutcome) -> String {
    guard !outcome.keptFloat.isEmpty else { return "" }
    let (count, shown) = (outcome.keptFloat.count, 4)
    let bytes = Double(outcome.keptFloat.reduce(0) { $0 + $1.extraBytes })
    let names = outcome.keptFloat.prefix(shown).map(\.name).joined(separator: ", ")
    return "Kept float \(count) layer\(count == 1 ? "" : "s"), \(String(format: "%.3g", bytes / 1e6)) MB more: "
      + "\(names)\(count > shown ? ", …" : "")\n"
  }

  private static func summary(_ outcome: ConversionOutcome) -> String {
    let equalized =
      outcome.equalization.map {
        "\($0.scales.channelCount) channels of \($0.scales.valueCount) maps; float outputs moved by at most "
          + String(format: "%.1g", $0.difference)
      } ?? "nothing"
    return """
      Folding    \(outcome.foldingNotes.count) rewrites; float outputs moved by at most \(String(format: "%.1g", outcome.foldingDifference)) of the largest value
      Equalised  \(equalized)
      \(coarsened(outcome))\(widened(outcome))\(kept(outcome))Verified   on \(outcome.verifiedOn)
      \(missed(outcome))
      """
  }
}
