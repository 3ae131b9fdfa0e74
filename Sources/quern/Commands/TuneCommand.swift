import ArgumentParser
import Conversion
import Images
import Pixels
import Reports
import Retrieval

struct TuneCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tune",
    abstract: "Choose the GeM exponent of a checkpoint for a size.",
    discussion: """
      A network that is used at another size than it was trained at wants another exponent p of GeM pooling \
      (MultiGrain, arXiv 1902.05509). Each image, and a few augmented copies of it, must find one another among all images: \
      the exponent with the highest mean average precision is chosen, which needs no labels. Where the images are in \
      folders of the classifier's classes, the cross-entropy and the accuracy of the classifier are measured, too.

      Each image and copy runs through the trunk once for all exponents. The table has the figures of every exponent \
      with 95 % confidence intervals, and the last line the option for other commands. Cross-validation shows what the \
      choice gains over the network's own exponent on images that had no part in it.

      Example:
        quern tune model.pth --images photos/ --size 500
      """)

  @Argument(
    help: "The checkpoint: PyTorch (.pth, .pt, .tar), MindSpore (.ckpt), ONNX, or safetensors.", completion: .checkpoint
  )
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      "Folder of images that are in no test set; subfolders are classes.", valueName: "folder"), completion: .directory)
  var images: String

  @Option(
    help: ArgumentHelp(
      "What the exponent is chosen by: copies (of augmented images) or classes (cross-entropy; needs class folders).",
      valueName: "copies|classes"))
  var by: TuningReport.Criterion = .copies

  @Option(
    help: ArgumentHelp(
      "The exponents to try, separated by commas. The network's own is always tried, too. (default: "
        + TuningOptions.defaultExponents.map { "\($0)" }.joined(separator: ",").replacing(".0", with: "") + ")",
      valueName: "p,p,…"))
  var exponents: ExponentList?

  @Option(
    help: ArgumentHelp("Number of augmented copies of each image. (default: 3)", valueName: "n"),
    transform: wholeNumber(1...100))
  var copies = 3

  @Option(
    help: ArgumentHelp(
      "Random augmentation of the copies: full (crop, flip, colour, lighting), senet (weaker colour), torch (crop and "
        + "flip), AA (crop, flip, AutoAugment).", valueName: "recipe"))
  var augmentation: AugmentationRecipe = .full

  @Option(
    help: ArgumentHelp("Seed of the augmentation. (default: 0)", valueName: "n"),
    transform: wholeNumber(0...UInt64.max))
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "Maximum number of images, spread evenly over the sorted folder. (default: 500)", valueName: "n"),
    transform: wholeNumber(2...Int.max))
  var imageCount = 500

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the report to a file: .html (with the curve) or .json. Can be repeated. (default: no file)",
      valueName: "file"), completion: .report)
  var reports: [String] = []

  @Flag(help: "Skip broken images with a warning, instead of failing. Errors of the system always fail.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if augmentation == .none { throw ValidationError("--augmentation none makes no copies that differ") }
    if let size = evaluation.sizes.first, size.poolingExponent != nil {
      throw ValidationError("give --size without an exponent; the exponent is what is chosen")
    }
    try ReportFiles<TuningReport>.validate(reports)
  }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("--report", reports: reports)
    try outputs.check(models: [checkpoint], images: [images], others: [classNames.path])
    // A file that cannot be created ends the command before any work is done.
    let files = try ReportFiles<TuningReport>(reports)
    var options = TuningOptions(folder: images)
    (options.copies, options.recipe, options.seed) = (copies, augmentation, seed)
    (options.imageLimit, options.criterion) = (imageCount, by)
    if let exponents { options.exponents = exponents.values }
    var model = network.options
    model.imageSides = evaluation.sizes.map(\.side)
    var tuning = CheckpointTuning(
      checkpoint: checkpoint, options: options, resolution: evaluation.request, model: model,
      job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages))
    tuning.classNames = try classNames.list()
    let report = try tuning.run(progress: common.progress)
    try files.write(report)
    common.warn(report.warnings)
    Terminal.print(common.json ? try report.json() : report.text(colored: Terminal.usesColor))
  }
}

/// Exponents of GeM pooling, such as "1,2,3.5": distinct, and from 0.1 to 100.
struct ExponentList: ExpressibleByArgument {
  let values: [Double]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    values = parts.compactMap(\.self)
    guard values.count == parts.count, values.allSatisfy((0.1...100).contains), Set(values).count == values.count,
      (1...100).contains(values.count)
    else { return nil }
  }
}

extension TuningReport.Criterion: ExpressibleByArgument {}
