import ArgumentParser
import Conversion
import Fidelity

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Hold embeddings and logits from anywhere against others.",
    discussion: """
      Takes two files of outputs, from a phone, TFLite, ONNX Runtime or 'quern embed', and reports how far embeddings drift \
      and how often the top classes agree, with the statistics, tolerances, reports and exit status of 'quern verify'. \
      A file is safetensors with normalized_embedding or embedding [images, D] and logits [images, classes], either of which \
      may be missing, or .npy with embeddings. Rows belong together by the metadata keys sha256 (hashes of image files) or \
      files (names), JSON arrays, where both files have one, and by their order otherwise.

      Example:
        quern embed model.pth photos/ -o float.safetensors
        quern compare phone.safetensors float.safetensors --max-mean-drift 0.005 --report phone.xml
      """)

  @Argument(help: "The outputs to judge: .safetensors or .npy.")
  var outputs: String

  @Argument(help: "The outputs to hold them against, such as the float network's.")
  var reference: String

  @Option(
    help: ArgumentHelp(
      "Text file with the index of the class of each row of the reference, one a line.", valueName: "file"))
  var labels: String?

  @Flag(help: "Compare the images that both files have, instead of failing where one misses some.")
  var allowMissing = false

  @OptionGroup(title: "Tolerances and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    var files = OutputFiles()
    files.add("--report", reports: gates.reports)
    try files.check(others: [outputs, reference, labels])
    let reports = try gates.openReports()
    var comparison = OutputComparison(outputs: outputs, reference: reference)
    comparison.labels = labels
    comparison.allowsMissing = allowMissing
    try gates.finish(try comparison.run(gates: try gates.gates), reports, common)
  }
}
