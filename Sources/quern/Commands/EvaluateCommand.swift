import ArgumentParser
import Conversion
import Files
import Pixels
import Reports
import Retrieval

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure retrieval and classification on a set of images, for models side by side.",
    discussion: """
      Embeds the images of a set with each model, searches, and reports mean average precision (the area under the \
      precision-recall curve by trapezoids, and the standard one of trec_eval), recall, mean precision and, where \
      images have classes, top-1 and top-5 accuracy, with 95 % confidence intervals. A checkpoint runs in float, a \
      package in int8; every model after the first is compared with the first, query by query. The exit status is 1 \
      if a gate fails. A gate that passes is inconclusive if a model is compared with itself, has the same embedding \
      for all images, or was calibrated on the images.

      Sets: folders (any tree of class folders), holidays, ukbench, copydays, revisited (Oxford or Paris, with \
      --ground-truth gnd_*.pkl or JSON), imagenet (validation images, accuracy only), and your own ground truth: pairs \
      (CSV) and groups (JSON), with --ground-truth. docs/evaluation.md describes the layouts and the protocols.

      Models may be replaced, or followed, by --embeddings: files of any runtime, as 'quern embed' writes them.

      Example:
        quern evaluate model.pth model.quern --set holidays --data holidays/ --size 500 --crop rect \\
          --max-map-drop 0.5 --report retrieval.html
      """)

  @Argument(help: "Packages and checkpoints; the others are compared with the first.", completion: .model)
  var models: [String] = []

  @Option(
    help: ArgumentHelp(
      "The set: folders, holidays, ukbench, copydays, revisited, imagenet, pairs or groups.", valueName: "name"))
  var set: EvaluationSet

  @Option(
    help: ArgumentHelp(
      "The folder of the set's images. (default: with --embeddings alone, the images that the first file names)",
      valueName: "folder"), completion: .directory)
  var data: String?

  @Option(
    help: ArgumentHelp(
      "The ground truth: gnd_*.pkl or JSON for revisited, a CSV file for pairs, JSON for groups.", valueName: "file"),
    completion: .file())
  var groundTruth: String?

  @Option(
    help: ArgumentHelp(
      "By how many degrees each image of holidays is turned clockwise, as in holidays-rotate.yaml. (default: the file "
        + "of this name in the folder of images, or no turning)", valueName: "file.yaml"), completion: .text)
  var rotations: String?

  @Option(
    help: ArgumentHelp(
      "The labels of imagenet images that are in one folder: on each line a WordNet ID or the index of a class, after "
        + "the name of the image or in the order of the names.", valueName: "file"), completion: .text)
  var labels: String?

  @Option(
    name: .customLong("embeddings"),
    help: ArgumentHelp(
      "Embeddings that were computed elsewhere: .safetensors, as 'quern embed' writes it, or .npy. Can be repeated; "
        + "the files follow the models.", valueName: "file"), completion: .storedOutputs)
  var embeddings: [String] = []

  @Option(
    name: .customLong("distractors"),
    help: ArgumentHelp(
      "Images that are searched, too, and belong to no query: a folder of images, or a file of their embeddings for "
        + "each model, in the order of the models. Can be repeated.", valueName: "folder|file"),
    completion: .storedOutputs)
  var distractors: [String] = []

  @Option(
    help: ArgumentHelp(
      "Maximum loss of mean average precision against the first model, in percentage points. (default: not gated)",
      valueName: "points"),
    transform: number("from 0 to 100 percentage points") { (0...100).contains($0) })
  var maxMapDrop: Double?

  @Option(
    help: ArgumentHelp(
      "Maximum loss of top-1 accuracy against the first model, in percentage points. (default: not gated)",
      valueName: "points"),
    transform: number("from 0 to 100 percentage points") { (0...100).contains($0) })
  var maxTop1Drop: Double?

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the evaluation to a file: .html (with pictures of the queries that changed most), .json, .md (Markdown) "
        + "or .xml (JUnit). Can be repeated. (default: no file)", valueName: "file"), completion: .report)
  var reports: [String] = []

  @Flag(help: "Skip broken images with a warning, instead of failing. Errors of the system always fail.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if models.isEmpty, embeddings.isEmpty { throw ValidationError("give at least one model, or --embeddings") }
    for (option, limit) in [("--max-map-drop", maxMapDrop), ("--max-top1-drop", maxTop1Drop)] {
      if limit != nil, models.count + embeddings.count < 2 {
        throw ValidationError("\(option) compares models with the first; give at least two")
      }
    }
    try ReportFiles<EvaluationReport>.validate(reports)
  }

  func run() throws {
    let files = EvaluationSet.Files(
      groundTruth: groundTruth, rotations: try rotations ?? bundledRotations(), labels: labels)
    var outputs = OutputFiles()
    outputs.add("--report", reports: reports)
    try outputs.check(
      models: models, images: (data.map { [$0] } ?? []) + distractors, embeddings: embeddings + distractors,
      others: files.paths + [classNames.path])
    // A file that cannot be created ends the command before any work is done.
    let reportFiles = try ReportFiles<EvaluationReport>(reports)
    var evaluation = Evaluation(
      set: set, data: data, models: models, job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages))
    evaluation.files = files
    (evaluation.embeddings, evaluation.distractors) = (embeddings, distractors)
    evaluation.resolution = self.evaluation.request
    evaluation.model = network.options
    evaluation.classNames = try classNames.list()
    (evaluation.maxMapDrop, evaluation.maxTop1Drop) = (maxMapDrop, maxTop1Drop)
    evaluation.makesSheets = reportFiles.formats.contains(.html)
    let report = try evaluation.run(progress: common.progress)
    try reportFiles.write(report)
    common.warn(report.warnings)
    Terminal.print(common.json ? try report.json() : report.text(colored: Terminal.usesColor))
    if !report.passed { throw ExitCode(1) }
  }

  /// The file of rotations that lies next to the images of holidays.
  private func bundledRotations() throws -> String? {
    guard set == .holidays, let data else { return nil }
    let path = data + (data.hasSuffix("/") ? "" : "/") + HolidaysSet.rotationsName
    return try FileIdentity.of(path) == nil ? nil : path
  }
}

extension EvaluationSet: ExpressibleByArgument {}
