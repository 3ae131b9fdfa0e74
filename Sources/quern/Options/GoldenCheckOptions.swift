import ArgumentParser
import Conversion
import Fidelity

/// How the float network is compared with its framework before anything else.
struct GoldenCheckOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Golden file with outputs of the network's framework, written by a program of 'quern golden'. The float network "
        + "is compared with it first; if they differ, nothing else is done. (default: none)",
      valueName: "file.safetensors"), completion: .file(extensions: ["safetensors"]))
  var golden: String?

  @Option(
    help: ArgumentHelp(
      "Folder with the images of --golden. They are found by their content, there and in all other folders of images "
        + "that are given. (default: only the other folders)", valueName: "folder"), completion: .directory)
  var goldenImages: String?

  @Option(
    help: ArgumentHelp(
      "Maximum difference between an element of a normalised embedding and the framework's. (default: 1e-05)",
      valueName: "x"),
    transform: number("of at least 0") { $0 >= 0 })
  var referenceEmbeddingTolerance = 1e-5

  @Option(
    help: ArgumentHelp(
      "Maximum difference between a logit and the framework's, relative to the largest |logit|. (default: 0.0001)",
      valueName: "x"),
    transform: number("of at least 0") { $0 >= 0 })
  var referenceLogitsTolerance = 1e-4

  @Flag(help: "Do not use the test_data_set_… folders next to an ONNX model.")
  var ignoreTestData = false

  mutating func validate() throws {
    if goldenImages != nil, golden == nil { throw ValidationError("--golden-images requires --golden") }
  }

  var folders: [String] { goldenImages.map { [$0] } ?? [] }

  var options: ReferenceOptions {
    var options = ReferenceOptions()
    options.goldenFile = golden
    options.goldenImages = goldenImages
    options.tolerances = ReferenceCheck.Tolerances(
      embedding: referenceEmbeddingTolerance, logits: referenceLogitsTolerance)
    options.usesTestData = !ignoreTestData
    return options
  }
}
