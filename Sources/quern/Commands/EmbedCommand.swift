import ArgumentParser
import Conversion
import Files
import Foundation
import Images

struct EmbedCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "embed",
    abstract: "Write the embeddings and logits of images to a safetensors file.",
    discussion: """
      A checkpoint runs in float, a package in int8. The file has a float32 tensor normalized_embedding [images, D] \
      and, if the network has a classifier, a float32 tensor logits [images, classes]; its metadata key 'files' is a \
      JSON array of the images in the order of the rows.

      Example:
        quern embed model.quern photos/ -o embeddings.safetensors
      """)

  @Argument(help: "A package or a checkpoint.")
  var model: String

  @Argument(help: "Images, or folders of images.")
  var images: [String]

  @Option(name: [.short, .long], help: ArgumentHelp("The file to write.", valueName: "file.safetensors"))
  var output: String

  @Flag(help: "Skip broken images with a warning, instead of failing.")
  var skipBadImages = false

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .embeddings)
    try outputs.check(models: [model], images: images)
    let file = try AtomicFile(path: output)
    let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
    let embedder = try Embedder(
      model: opened, evaluation: evaluation,
      job: ImageJob(threads: common.threadCount, skipsBroken: skipBadImages))
    let result = try embedder.run(try ImageList(images).files, progress: common.progress)
    try result.write(to: file)
    try file.commit()
    if common.json {
      Terminal.print(
        try JSONText.encode(
          EmbedReport(
            schema: "quern.embed/1", images: result.files.count, dimension: result.dimension,
            classes: result.classes, skipped: result.skipped.count, output: output)))
    } else if !common.quiet {
      Terminal.note("\(result.files.count) embeddings of \(result.dimension) values written to \(output)")
    }
  }

  private struct EmbedReport: Encodable {
    let schema: String
    let images: Int
    let dimension: Int
    let classes: Int
    let skipped: Int
    let output: String
  }
}
