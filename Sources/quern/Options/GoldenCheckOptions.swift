import ArgumentParser
import Conversion
import Fidelity

/// What a float network is held to before anything else.
struct GoldenCheckOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Outputs of the framework that the network comes from, as a program of 'quern golden' writes them. The float network "
        + "is held to them first; where it differs, nothing else is done.", valueName: "file.safetensors"))
  var golden: String?

  @Option(
    help: ArgumentHelp(
      "Folder with the images of --golden, which are found by their content there and in all other folders given.",
      valueName: "folder"))
  var goldenImages: String?

  @Option(
    help: ArgumentHelp(
      "Largest difference of an element of a normalised embedding from the framework's.", valueName: "x"))
  var referenceEmbeddingTolerance = 1e-5

  @Option(
    help: ArgumentHelp(
      "Largest difference of a logit from the framework's, as a share of the largest |logit|.", valueName: "x"))
  var referenceLogitsTolerance = 1e-4

  @Flag(help: "Do not use the test_data_set_… folders next to an ONNX model.")
  var ignoreTestData = false

  mutating func validate() throws {
    for (name, value) in [
      ("embedding", referenceEmbeddingTolerance), ("logits", referenceLogitsTolerance),
    ] where !(value >= 0 && value.isFinite) {
      throw ValidationError("--reference-\(name)-tolerance must be a number that is not negative")
    }
    if goldenImages != nil, golden == nil { throw ValidationError("--golden-images needs --golden") }
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
