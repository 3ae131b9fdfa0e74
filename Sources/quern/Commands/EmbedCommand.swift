import ArgumentParser
import Checkpoints
import Conversion
import Fidelity
import Files
import Images
import Pixels
import PrintableText

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
      photos.npy to photos.npy.json, as the array 'files' of a JSON object with the hash of the numbers.

      With several sizes, each image is decoded once, and each size has a file: --size 224 --size 500:4 -o photos.npy \
      writes photos-224.npy and photos-500.npy.

      Examples:
        quern embed model.quern photos/ -o embeddings.safetensors
        quern embed model.quern photos/ -o embeddings.fbin
      """)

  @Argument(help: "A package or a checkpoint.", completion: .model)
  var model: String

  @Argument(help: "Images, or folders of images.", completion: .images)
  var images: [String]

  @Option(
    name: [.short, .long], help: ArgumentHelp("The file to write.", valueName: "file"), completion: .storedOutputs)
  var output: String

  @Option(
    help: ArgumentHelp(
      "The format of the file. (default: that of the file's extension, or safetensors where it has none)",
      valueName: "format"))
  var format: EmbeddingFormat?

  @Flag(help: "Skip broken images with a warning, instead of failing. Errors of the system always fail.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var sizes: EmbeddingSizeOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    let format = format ?? EmbeddingFormat(path: output) ?? .safetensors
    var outputs = OutputFiles()
    let paths = try paths.map { (numbers: $0, names: try names(of: $0, format)) }
    for path in paths {
      outputs.add("-o", path.numbers, .embeddings(format))
      if let names = path.names { outputs.add("-o", names, .embeddingNames, isNamed: false) }
    }
    try outputs.check(models: [model], images: images)
    let files = try paths.map { path in
      (numbers: try AtomicFile(path: path.numbers), names: try path.names.map { try AtomicFile(path: $0) })
    }
    let (opened, resolutions) = try sizes.request.open(model, network, progress: common.progress)
    let embedder = try Embedder(
      model: opened, resolutions: resolutions,
      job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages))
    let results = try embedder.runAllSizes(
      try ImageList(images, progress: common.progress).files, progress: common.progress)
    for (result, file) in zip(results, files) {
      if format == .safetensors {
        try result.write(to: file.numbers)
      } else {
        let hash = try result.write(as: format, to: file.numbers)
        if let names = file.names { try result.writeCompanion(of: hash, to: names) }
      }
    }
    // Names without their numbers are refused by what reads them.
    for file in files {
      try file.names?.commit()
      try file.numbers.commit()
    }
    for result in results {
      let unusable = result.unusable
      guard let first = unusable.first else { continue }
      Terminal.complain(
        "warning: at \(result.size) px, the embeddings of \(unusable.count) images, such as \(printable(first)), are "
          + "NaN, infinite or zero, so that they cannot be searched")
    }
    let written = zip(results, files).map { result, file in
      EmbedReport.Output(size: result.size, output: file.numbers.path, names: file.names?.path)
    }
    try report(results[0], format, written)
  }

  /// The files to write: one, or where there are several sizes, one for each, with the size before the extension.
  private var paths: [String] {
    guard sizes.sizes.count > 1 else { return [output] }
    let ending = OutputKind.fileExtension(of: output).map { ".\($0)" } ?? ""
    return sizes.sizes.map { "\(output.dropLast(ending.count))-\($0.side)\(ending)" }
  }

  /// The file with the names of the images; `nil` where the format has a place for them. Nothing is next to a device or
  /// a pipe.
  private func names(of path: String, _ format: EmbeddingFormat) throws -> String? {
    try format.needsCompanion && OutputTarget(path: path) != nil ? EmbeddingFormat.companion(of: path) : nil
  }

  private func report(_ result: Embeddings, _ format: EmbeddingFormat, _ written: [EmbedReport.Output]) throws {
    if common.json {
      Terminal.print(
        try JSONText.encode(
          EmbedReport(
            schema: "quern.embed/1", images: result.files.count, dimension: result.dimension,
            classes: result.classes, skipped: result.skipped.count, unusable: result.unusable.count,
            output: written[0].output, format: format.rawValue,
            outputs: written)))
    } else if !common.quiet {
      for file in written {
        Terminal.note(
          "\(result.files.count) embeddings of \(result.dimension) values written to \(file.output)"
            + (file.names.map { ", and the names of their images to \($0)" } ?? ""))
      }
    }
  }

  private struct EmbedReport: Encodable {
    struct Output: Encodable {
      let size: Int
      let output: String
      /// The file with the names of the images, where the format has no place for them.
      let names: String?
    }

    let schema: String
    let images: Int
    let dimension: Int
    let classes: Int
    let skipped: Int
    /// The number of images whose embeddings cannot be searched, at the first size.
    let unusable: Int
    /// The first of `outputs`.
    let output: String
    let format: String
    let outputs: [Output]
  }
}

extension EmbeddingFormat: ExpressibleByArgument {}
