import ArgumentParser
import Fidelity
import Foundation
import Images
import Pipeline
import Quantization

struct ConvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert",
    abstract: "Convert a checkpoint to an int8 package and verify it.",
    discussion: """
      Reads a PyTorch checkpoint without running any of its code, folds batch norm, calibrates on augmented copies of the
      images, quantises, writes the package and measures how far its embeddings drift from the float network's.

      The package is verified on --verify-images, or else on images of the calibration folder that were not calibrated
      on, or, where these are fewer than 16, on the calibration images themselves; the report says which.

      Example:
        quern convert model.pth --calibration photos/ --size 224 -o model.quern --report fidelity.md
      """)

  @Argument(help: "The checkpoint: .pth, .pt or .tar as PyTorch writes them.")
  var checkpoint: String

  @Option(help: ArgumentHelp("Folder of images to calibrate on; subfolders are classes.", valueName: "folder"))
  var calibration: String

  @Option(name: [.short, .long], help: ArgumentHelp("The package to write.", valueName: "file.quern"))
  var output: String

  @Option(help: ArgumentHelp("Folder of images to verify on.", valueName: "folder"))
  var verifyImages: String?

  @Option(
    help: ArgumentHelp(
      "Random augmentation of calibration images: full (crop, flip, colour, lighting), senet (weaker), torch (crop and "
        + "flip), AA (AutoAugment), none (as in evaluation).", valueName: "recipe"))
  var augmentation: AugmentationRecipe = .full

  @Option(help: ArgumentHelp("Augmented copies of each calibration image.", valueName: "n"))
  var repetitions = 3

  @Option(
    help: ArgumentHelp(
      "Images to calibrate on, spread evenly over the sorted folder. (default: all, at most 300)", valueName: "n"))
  var calibrationCount: Int?

  @Option(help: ArgumentHelp("Seed of the augmentation.", valueName: "n"))
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "How activation ranges are chosen: mse (least squared error), min-max, or percentile with the share of values to "
        + "keep, as in percentile:99.99.", valueName: "method"))
  var range: RangeMethod = .meanSquaredError

  @Flag(help: "Leave broken images out, with a warning, instead of failing.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var model: ModelOptions
  @OptionGroup(title: "Tolerances and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if !(1...1000).contains(repetitions) { throw ValidationError("--repetitions must be from 1 to 1000") }
    if let calibrationCount, calibrationCount < 1 { throw ValidationError("--calibration-count must be at least 1") }
  }

  func run() throws {
    var options = ConversionOptions(
      checkpoint: checkpoint, output: output, calibrationFolder: calibration,
      evaluation: try evaluation.evaluation(), gates: try gates.gates, threads: common.threadCount)
    options.calibrationCount = calibrationCount
    options.verificationFolder = verifyImages
    options.recipe = augmentation
    options.repetitions = repetitions
    options.seed = seed
    options.rangeMethod = range
    options.model = model.options
    options.skipsBrokenImages = skipBadImages
    let outcome = try Converter(options, progress: common.progress).run()
    try gates.write(outcome.report)
    if common.json {
      Terminal.print(try outcome.report.json())
    } else {
      Terminal.print(Self.summary(outcome) + outcome.report.text(colored: Terminal.usesColor))
    }
    if !outcome.report.passed { throw ExitCode(1) }
  }

  private static func summary(_ outcome: ConversionOutcome) -> String {
    """
    Folding    \(outcome.foldingNotes.count) rewrites; float outputs moved by at most \(String(format: "%.1g", outcome.foldingDifference)) of the largest value
    Verified   on \(outcome.verifiedOn)

    """
  }
}

extension AugmentationRecipe: ExpressibleByArgument {}

extension RangeMethod: ExpressibleByArgument {
  public init?(argument: String) {
    let parts = argument.split(separator: ":", maxSplits: 1)
    switch parts.first {
    case "mse" where parts.count == 1: self = .meanSquaredError
    case "min-max" where parts.count == 1: self = .minMax
    case "percentile":
      guard parts.count == 2, let share = Double(parts[1]), share > 50, share <= 100 else { return nil }
      self = .percentile(share)
    default: return nil
    }
  }

  public var defaultValueDescription: String { name }
}
