import ArgumentParser
import Conversion
import Fidelity
import Files
import Images

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

      Example:
        quern whiten model.pth --images photos/ --size 500:4 -o whitened.safetensors
      """)

  @Argument(help: "The checkpoint: PyTorch (.pth, .pt, .tar), MindSpore (.ckpt), or safetensors.")
  var checkpoint: String

  @Option(help: ArgumentHelp("Folder of images to learn from.", valueName: "folder"))
  var images: String

  @Option(name: [.short, .long], help: ArgumentHelp("The checkpoint to write.", valueName: "file.safetensors"))
  var output: String

  @OptionGroup(title: "Whitening options") var whitening: WhiteningParameters

  @Flag(help: "Leave the classifier out.")
  var noClassifier = false

  @Flag(help: "Skip broken images with a warning, instead of failing.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws {
    if noClassifier, network.logitsOutput != nil {
      throw ValidationError("--no-classifier and --logits-output cannot be combined")
    }
    try whitening.validate()
  }

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .checkpoint)
    try outputs.check(models: [checkpoint], images: [images])
    let file = try AtomicFile(path: output)
    var model = network.options
    model.imageSide = evaluation.sizes.first?.side
    if noClassifier { model.logitsOutput = "none" }
    let whitened = try WhitenedCheckpoint(
      checkpoint, options: whitening.options(images), model: model, request: evaluation.request,
      job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages), progress: common.progress)
    try whitened.write(to: file)
    try file.commit()
    let notes = whitened.figures.notes + whitened.notes
    if common.json {
      Terminal.print(
        try JSONText.encode(
          WhitenReport(
            schema: "quern.whiten/1", checkpoint: checkpoint, output: output, whitening: whitened.figures.record,
            skipped: whitened.figures.skippedCount, notes: notes)))
    } else {
      Terminal.print(notes.joined(separator: "\n"))
      if !common.quiet { Terminal.note("whitened checkpoint written to \(output)") }
    }
  }

  private struct WhitenReport: Encodable {
    let schema: String
    let checkpoint: String
    let output: String
    let whitening: [String: JSONValue]
    let skipped: Int
    let notes: [String]
  }
}

/// How a whitening is learned.
struct WhiteningParameters: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Keep only the first components of whitened embeddings, those with the largest variance. The classifier goes on "
        + "reading the whole vector. (default: all)", valueName: "n"))
  var dimensions: Int?

  @Option(
    help: ArgumentHelp(
      "Raise smaller variances to this share of the largest before dividing by them. (default: 1e-10 with more images "
        + "than dimensions, otherwise the mean over the directions in which the images differ)", valueName: "share"))
  var varianceFloor: Double?

  mutating func validate() throws {
    if let dimensions, dimensions < 1 { throw ValidationError("--dimensions must be at least 1") }
    if let varianceFloor, !(varianceFloor > 0 && varianceFloor <= 1) {
      throw ValidationError("--variance-floor must be above 0 and at most 1")
    }
  }

  var isEmpty: Bool { dimensions == nil && varianceFloor == nil }

  func options(_ folder: String) -> WhiteningOptions {
    WhiteningOptions(folder: folder, dimensions: dimensions, varianceFloor: varianceFloor)
  }
}
