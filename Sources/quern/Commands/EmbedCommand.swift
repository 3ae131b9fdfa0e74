import ArgumentParser
import Checkpoints
import Conversion
import Files
import Foundation
import Images

struct EmbedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed",
    abstract: "Write the embeddings and logits of images to a file.",
    discussion: """
      A checkpoint runs in float, a package in int8. Embeddings are float32 and normalised, a row for each image. The \
      extension of the file chooses its format:

        safetensors  tensors and the names of images; also without an extension
        npy          a NumPy array [images, D], as clip-retrieval reads it
        fbin         uint32 images, uint32 D, rows: DiskANN, big-ann-benchmarks
        fvecs        uint32 D before each row: texmex, FAISS's examples

      A safetensors file has a tensor normalized_embedding [images, D] and, if the network has a classifier, a float32 \
      tensor logits [images, classes]; its metadata key 'files' is a JSON array of the images in the order of the \
      rows. The other formats have neither logits nor names: the names are written next to the file, with -o \
      photos.npy to photos.npy.json, as the array 'files' of a JSON object.

      Examples:
        quern embed model.quern photos/ -o embeddings.safetensors
        quern embed model.quern photos/ -o embeddings.fbin
      """)

  @Argument(help: "A package or a checkpoint.")
  var model: String

  @Argument(help: "Images, or folders of images.")
  var images: [String]

  @Option(name: [.short, .long], help: ArgumentHelp("The file to write.", valueName: "file"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "The format of the file. (default: that of the file's extension, or safetensors where it has none)",
      valueName: "format"))
  var format: EmbeddingFormat?

  @Flag(help: "Skip broken images with a warning, instead of failing.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    let format = format ?? EmbeddingFormat(path: output) ?? .safetensors
    var outputs = OutputFiles()
    outputs.add("-o", output, .embeddings(format))
    // Nothing is next to a device or a pipe.
    let companion =
      format.needsCompanion && OutputTarget(path: output) != nil ? EmbeddingFormat.companion(of: output) : nil
    if let companion { outputs.add("-o", companion, .embeddingNames) }
    try outputs.check(models: [model], images: images)
    let file = try AtomicFile(path: output)
    let names = try companion.map { try AtomicFile(path: $0) }
    let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
    let embedder = try Embedder(
      model: opened, evaluation: evaluation,
      job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages))
    let result = try embedder.run(try ImageList(images).files, progress: common.progress)
    if format == .safetensors { try result.write(to: file) } else { try result.write(as: format, to: file) }
    if let names {
      try result.writeCompanion(to: names)
      try names.commit()
    }
    try file.commit()
    if common.json {
      Terminal.print(
        try JSONText.encode(
          EmbedReport(
            schema: "quern.embed/1", images: result.files.count, dimension: result.dimension,
            classes: result.classes, skipped: result.skipped.count, output: output, format: format.rawValue,
            names: companion)))
    } else if !common.quiet {
      Terminal.note(
        "\(result.files.count) embeddings of \(result.dimension) values written to \(output)"
          + (companion.map { ", and the names of their images to \($0)" } ?? ""))
    }
  }

  private struct EmbedReport: Encodable {
    let schema: String
    let images: Int
    let dimension: Int
    let classes: Int
    let skipped: Int
    let output: String
    let format: String
    /// The file with the names of the images, where the format has no place for them.
    let names: String?
  }
}

extension EmbeddingFormat: ExpressibleByArgument {}
