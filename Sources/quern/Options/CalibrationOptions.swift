import ArgumentParser
import Conversion
import Fidelity
import Images
import Pixels
import Quantization

/// How a conversion calibrates, quantises and verifies, and on which images.
struct CalibrationOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Folder of images to calibrate on; subfolders are classes. Required, except for a model that is quantised "
        + "already, for which --verify-images suffices.", valueName: "folder"), completion: .directory)
  var calibration: String?

  @Option(
    help: ArgumentHelp(
      "Folder of images to verify on. (default: held-out images of the calibration folder)", valueName: "folder"),
    completion: .directory)
  var verifyImages: String?

  @Option(
    help: ArgumentHelp(
      "Random augmentation of calibration images: full (crop, flip, colour, lighting), senet (weaker colour), torch "
        + "(crop and flip), AA (crop, flip, AutoAugment), none (as in evaluation, once at each size).",
      valueName: "recipe"))
  var augmentation: AugmentationRecipe = .full

  @Option(
    help: ArgumentHelp(
      "Number of copies of each calibration image: one as in evaluation, and the others augmented. (default: 3)",
      valueName: "n"),
    transform: wholeNumber(1...1000))
  var repetitions = 3

  @Option(
    help: ArgumentHelp(
      "Number of images to calibrate on, spread evenly over the sorted folder. (default: all that are not held out, at "
        + "most \(ConversionOptions.defaultImageLimit))", valueName: "n"),
    transform: wholeNumber(1...Int.max))
  var calibrationCount: Int?

  @Option(
    help: ArgumentHelp("Seed of the augmentation. (default: 0)", valueName: "n"), transform: wholeNumber(0...UInt64.max)
  )
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "How activation ranges are chosen: mse (least mean squared error), min-max, or percentile with the share of "
        + "values to keep, as in percentile:99.99.", valueName: "method"))
  var range: RangeMethod = .meanSquaredError

  @Option(
    help: ArgumentHelp(
      "Stop searching for a network that passes its gates after this time, and write the best one found so far. The "
        + "result then depends on the speed of the machine. (default: no bound)", valueName: "seconds"),
    transform: number("of seconds, at least 0") { $0 >= 0 })
  var timeBudget: Double?

  @Option(
    help: ArgumentHelp(
      "Bound on the inference time that 16-bit inputs and the search may reach, as a multiple of that of plain "
        + "int8, such as 1.5. Times are estimated by a table of costs that ships with the tool, so that the package "
        + "does not depend on the machine. (default: no bound)",
      valueName: "x"),
    transform: number("of at least 1") { $0 >= 1 })
  var maxSlowdown: Double?

  @Option(
    help: ArgumentHelp(
      "Make weights coarser until the package has at most this many bytes (18000000, 18MB, 17.5MiB), starting where "
        + "drift per saved byte is smallest. If that is not possible, a gate fails, and the smallest package is "
        + "written. With a budget, the search keeps no layer in float to pass other gates. (default: no bound)",
      valueName: "size"))
  var maxBytes: ByteSize?

  @Option(
    help: ArgumentHelp(
      "How weights are rounded. nearest takes no time. error-feedback minimises the change of each layer's outputs on "
        + "calibration images. learned rounds layer after layer, so that each one reproduces the output of the float "
        + "network from the outputs of the quantised layers before it, with gradient descent where a layer is small. "
        + "(default: by --effort: nearest for fast, error-feedback for balanced, learned for thorough)",
      valueName: "method"))
  var rounding: RoundingMethod?

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Equalise channels: magnify small channels of activations, so that they use more of the 256 levels that the "
        + "channels of a map share, and scale the weights on both sides to match. The float network computes the same "
        + "function. (default: by --effort: on for balanced, off for fast and thorough)"))
  var equalization: Bool?

  @Option(
    name: .customLong("keep-float"),
    help: ArgumentHelp(
      "Keep a layer in float, with weights of four bytes instead of one. Give a name that 'quern analyze' prints, the "
        + "beginning of names up to a dot (layer1), or a pattern with * and ?. Can be repeated. (default: none)",
      valueName: "layer"))
  var keptFloat: [String] = []

  @Flag(
    inversion: .prefixedNo,
    help: ArgumentHelp(
      "Stop verifying when the images compared so far, in a fixed order that does not depend on their content, decide "
        + "every gate with 95 % confidence. The report states how many images were available, and bounds the share of "
        + "images that drift by more than --max-drift. (default: on with held-out images, off with --verify-images)"
    ))
  var stopWhenDecided: Bool?

  @Flag(help: "Skip broken images with a warning, instead of failing. Errors of the system always fail.")
  var skipBadImages = false

  mutating func validate() throws {
    if calibration == nil, verifyImages == nil {
      throw ValidationError("Missing expected argument '--calibration <folder>'")
    }
  }

  /// The folders that images are read from.
  var folders: [String] { [calibration, verifyImages].compactMap(\.self) }

  /// The folder to calibrate on, or where none is given, that of the verification images.
  var calibrationFolder: String { calibration ?? verifyImages ?? "" }

  /// The complete options of a conversion.
  ///
  /// - Parameter golden: `nil`: the float network is not compared with its framework.
  /// - Throws: `ConversionError.option` for a size that is given twice; `ImageError.invalidGeometry` for a size that no
  ///   image can have.
  func options(
    _ checkpoint: String, output: String, _ images: SizesOptions, _ model: ModelOptions, _ golden: GoldenCheckOptions?,
    effort: Effort, gates: GateLimits, _ common: CommonOptions
  ) throws -> ConversionOptions {
    var options = try ConversionOptions(
      checkpoint: checkpoint, output: output, calibrationFolder: calibrationFolder, resolution: images.request,
      gates: try gates.gates, threads: common.threadCount)
    options.decisionRule = gates.decisionRule
    apply(to: &options, effort: effort)
    options.model = model.options
    if let golden { options.referenceCheck = golden.options } else { options.referenceCheck.usesTestData = false }
    return options
  }

  /// Copies these options, and those that follow from the effort, to the options of a conversion.
  func apply(to options: inout ConversionOptions, effort: Effort) {
    options.calibrates = calibration != nil
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

/// How much time a conversion may take for fidelity.
struct EffortOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How much time the conversion may take for fidelity. fast: range calibration and nearest rounding only; no "
        + "search. balanced: channels are equalised; the few layers whose input dominates the drift, if there are any, "
        + "read it as 16 bits; and weights are rounded by error feedback, with slightly coarser steps where activation "
        + "rounding masks the extra error. If a gate fails, a search gives layers 16-bit "
        + "inputs, with which a layer usually takes about twice its time in inference (2.0 to 2.4 times for whole "
        + "networks measured). If that is not enough, it keeps layers in float with 16-bit weights, and then with "
        + "float32 weights. thorough: all layers that can read 16-bit inputs do so from the start, and rounding is "
        + "learned, which multiplies the time of the conversion; packages are 10 to 17 % larger, as weights are not "
        + "made coarser. If a gate fails, layers are kept in float as with balanced.",
      valueName: "level"
    ))
  var effort: Effort = .balanced
}

extension AugmentationRecipe: ExpressibleByArgument {}
extension RoundingMethod: ExpressibleByArgument {}
extension Effort: ExpressibleByArgument {}

extension RangeMethod: ExpressibleByArgument {
  package init?(argument: String) {
    // An argument has a colon where the name has a space.
    guard !argument.contains(" ") else { return nil }
    self.init(name: argument.replacing(":", with: " "))
  }

  package var defaultValueDescription: String { name }
}
