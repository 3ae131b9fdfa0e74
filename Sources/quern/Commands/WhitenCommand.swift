import ArgumentParser
import Conversion
import Files
import Images
import Reports
import Retrieval

struct WhitenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "whiten",
    abstract: "Whiten the embeddings of a checkpoint by PCA, and write it to a safetensors file.",
    discussion: """
      Whitening makes the elements of an embedding uncorrelated and equal in variance, which helps to find copies and \
      instances of the same object (MultiGrain, section 3.4). It is learned from images that need no labels and are in \
      no test set, at the size at which the network will be used; the paper takes 20,000. The file has the tensors of \
      the checkpoint and the whitening, with the names of the paper's authors (whitening.pca.pca_P and pca_m), and \
      every command reads it. The inverse is folded into the classifier: logits keep their order.

      With fewer images than dimensions, some directions have no variance. Small variances are then raised to the mean \
      of those that the images have, and the report states how many.

      The report also has the mean average precision by the number of dimensions, before and after whitening: of finding \
      images of the same class folder, or, without class folders, augmented copies of an image, as 'quern tune' makes \
      them. Measure it on images that whitening was not learned from (--evaluate-images).

      Example:
        quern whiten model.pth --images photos/ --size 500:4 -o whitened.safetensors \\
          --evaluate-images other-photos/
      """)

  @Argument(
    help: "The checkpoint: PyTorch (.pth, .pt, .tar), MindSpore (.ckpt), or safetensors.", completion: .checkpoint)
  var checkpoint: String

  @Option(help: ArgumentHelp("Folder of images to learn from.", valueName: "folder"), completion: .directory)
  var images: String

  @Option(
    name: [.short, .long], help: ArgumentHelp("The checkpoint to write.", valueName: "file.safetensors"),
    completion: .file(extensions: ["safetensors"]))
  var output: String

  @OptionGroup(title: "Whitening options") var whitening: WhiteningParameters

  @Option(
    help: ArgumentHelp(
      "Folder of images to measure mAP on; subfolders are classes. Classes are searched among all images, and copies "
        + "made of at most 500. (default: at most 500 of the images to learn from, which flatters whitening)",
      valueName: "folder"), completion: .directory)
  var evaluateImages: String?

  @Option(
    help: ArgumentHelp(
      "What mAP is measured by: copies (of augmented images) or classes. (default: classes where images are in class "
        + "folders, copies otherwise)", valueName: "copies|classes"))
  var by: TuningReport.Criterion?

  @Flag(help: "Do not measure mAP.")
  var noEvaluation = false

  @Option(
    name: .customLong("report"),
    help: ArgumentHelp(
      "Write the report to a file: .html, .json or .md (Markdown). Can be repeated. (default: no file)",
      valueName: "file"), completion: .report)
  var reports: [String] = []

  @Flag(help: "Leave the classifier out.")
  var noClassifier = false

  @Flag(help: "Skip broken images with a warning, instead of failing. Errors of the system always fail.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if noClassifier, network.logitsOutput != nil {
      throw ValidationError("--no-classifier and --logits-output cannot be combined")
    }
    if noEvaluation, evaluateImages != nil || by != nil {
      throw ValidationError("--no-evaluation cannot be combined with --evaluate-images or --by")
    }
    try whitening.validate()
    try ReportFiles<WhiteningReport>.validate(reports)
  }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .checkpoint)
    outputs.add("--report", reports: reports)
    try outputs.check(models: [checkpoint], images: [images] + [evaluateImages].compactMap(\.self))
    let file = try AtomicFile(path: output)
    let reportFiles = try ReportFiles<WhiteningReport>(reports)
    var model = network.options
    model.imageSides = evaluation.sizes.map(\.side)
    if noClassifier { model.logitsOutput = "none" }
    let whitened = try WhitenedCheckpoint(
      checkpoint, options: whitening.options(images), model: model, request: evaluation.request,
      measuring: noEvaluation ? nil : PrecisionOptions(folder: evaluateImages, criterion: by),
      job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages), progress: common.progress)
    try whitened.write(to: file)
    try file.commit()
    let report = whitened.report(output: output)
    try reportFiles.write(report)
    common.warn(report.warnings)
    Terminal.print(common.json ? try report.json() : report.text(colored: Terminal.usesColor))
    if !common.json, !common.quiet { Terminal.note("whitened checkpoint written to \(output)") }
  }
}
