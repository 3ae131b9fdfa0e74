import ArgumentParser
import Conversion
import Fidelity
import Images
import Quantization

/// What a conversion calibrates and verifies on, and how.
struct CalibrationOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Folder of images to calibrate on; subfolders are classes.", valueName: "folder"))
  var calibration: String

  @Option(help: ArgumentHelp("Folder of images to verify on.", valueName: "folder"))
  var verifyImages: String?

  @Option(
    help: ArgumentHelp(
      "Random augmentation of calibration images: full (crop, flip, colour, lighting), senet (weaker), torch (crop and "
        + "flip), AA (AutoAugment), none (as in evaluation, once at each size).", valueName: "recipe"))
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

  @Option(
    help: ArgumentHelp(
      "fast: plain calibration. balanced, in about twice the time: equalisation and error-feedback rounding, weights a "
        + "little coarser where rounded activations hide it; where a gate "
        + "fails, layers read activations of 16 bits until it passes, each of which takes up to twice its time in "
        + "inference, and, where that is not enough, layers compute in float. thorough: all layers that can do so read 16 "
        + "bits from the start, and rounding is learned, in two to four times the time of balanced.", valueName: "level"
    ))
  var effort: Effort = .balanced

  @Option(
    help: ArgumentHelp(
      "Stop looking for a network that keeps its gates after this time, and write the best one found. What that is "
        + "depends on the machine's speed. (default: no bound)", valueName: "seconds"))
  var timeBudget: Double?

  @Option(
    help: ArgumentHelp(
      "By how much inference may become slower than plain int8 for the sake of tolerances: 1.5 is half as much again. By a "
        + "table of costs that ships with the tool, so that the package does not depend on the machine. (default: no bound)",
      valueName: "x"))
  var maxSlowdown: Double?

  @Option(
    help: ArgumentHelp(
      "Make weights as coarse as it takes for the package to have at most so many bytes, those first that embeddings "
        + "notice least for the bytes that they save: 18000000, 18MB, 17.5MiB. Where that is not possible, a gate fails, "
        + "and the smallest package is written. No layer is then kept in float to keep other gates. (default: no bound)",
      valueName: "size"))
  var maxBytes: ByteSize?

  @Option(
    help: ArgumentHelp(
      "How weights are rounded: nearest, which takes no time; error-feedback, so that each layer's outputs change least on "
        + "calibration images; learned, layer after layer, so that each gives what the float network gives from what the "
        + "quantised layers before it hand on, and by gradient descent where a layer is small. (default: by --effort)",
      valueName: "method"))
  var rounding: RoundingMethod?

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Magnify small channels of activations, so that they use more of the 256 levels that a map's channels share, and "
        + "scale the weights on both sides to match. The float network computes the same. (default: by --effort)"))
  var equalization: Bool?

  @Option(
    name: .customLong("keep-float"),
    help: ArgumentHelp(
      "Let a layer compute in float, with weights of four bytes instead of one: a name that 'quern analyze' prints, the "
        + "beginning of names up to a point (layer1), or a pattern with * and ?. May be given several times.",
      valueName: "layer"))
  var keptFloat: [String] = []

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Stop verifying when the images compared so far, in a fixed order that says nothing of them, decide every tolerance "
        + "with 95 % confidence; the report says how many there were at hand, and what share of others may drift by more "
        + "than --max-drift. (default: on where images of the calibration folder are verified on, off with --verify-images)"
    ))
  var stopWhenDecided: Bool?

  @Flag(help: "Leave broken images out, with a warning, instead of failing.")
  var skipBadImages = false

  mutating func validate() throws {
    if !(1...1000).contains(repetitions) { throw ValidationError("--repetitions must be from 1 to 1000") }
    if let calibrationCount, calibrationCount < 1 { throw ValidationError("--calibration-count must be at least 1") }
    if let maxSlowdown, !(maxSlowdown >= 1 && maxSlowdown.isFinite) {
      throw ValidationError("--max-slowdown must be a number of at least 1")
    }
    if let timeBudget, !(timeBudget >= 0 && timeBudget.isFinite) {
      throw ValidationError("--time-budget must be a number of seconds")
    }
  }

  /// All that images are read from.
  var folders: [String] { [calibration] + (verifyImages.map { [$0] } ?? []) }

  /// All that a conversion is asked to do.
  func options(
    _ checkpoint: String, output: String, _ images: SizesOptions, _ model: ModelOptions, _ golden: GoldenCheckOptions,
    gates: Gates, _ common: CommonOptions
  ) throws -> ConversionOptions {
    var options = try ConversionOptions(
      checkpoint: checkpoint, output: output, calibrationFolder: calibration, resolution: images.request,
      gates: gates, threads: common.threadCount)
    apply(to: &options)
    options.model = model.options
    options.referenceCheck = golden.options
    return options
  }

  func apply(to options: inout ConversionOptions) {
    options.calibrationCount = calibrationCount
    options.verificationFolder = verifyImages
    options.recipe = augmentation
    options.repetitions = repetitions
    options.seed = seed
    options.rangeMethod = range
    options.setEffort(effort)
    options.timeBudget = timeBudget
    options.maxBytes = maxBytes?.bytes
    options.maxSlowdown = maxSlowdown
    if let rounding { options.rounding = rounding }
    if let equalization { options.equalizesChannels = equalization }
    options.keptFloat = keptFloat
    options.skipsBrokenImages = skipBadImages
    options.stopsWhenDecided = stopWhenDecided
  }
}

extension AugmentationRecipe: ExpressibleByArgument {}
extension RoundingMethod: ExpressibleByArgument {}
extension Effort: ExpressibleByArgument {}

extension RangeMethod: ExpressibleByArgument {
  package init?(argument: String) {
    // An argument has a colon where a name has a blank.
    guard !argument.contains(" ") else { return nil }
    self.init(name: argument.replacing(":", with: " "))
  }

  package var defaultValueDescription: String { name }
}
