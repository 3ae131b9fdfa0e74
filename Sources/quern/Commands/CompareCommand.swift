import ArgumentParser
import Conversion
import Fidelity

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Compare stored embeddings and logits with a reference.",
    discussion: """
      Reads two files of outputs from any runtime (a phone, TFLite, ONNX Runtime, 'quern embed'), and reports how far \
      embeddings drift and how often the most probable classes agree, with the statistics, gates, reports and exit \
      status of 'quern verify'.

      A file is either safetensors or .npy. A safetensors file has the tensors normalized_embedding or embedding \
      [images, D] and logits [images, classes]; embeddings or logits may be missing. An .npy file has embeddings. \
      Rows are matched by the metadata key sha256 (a JSON array of the hashes of image files) or files (a JSON array \
      of names) if both files have it, and by their order otherwise.

      A file that is compared with itself, or with the same numbers in another file, to the last bit or up to a \
      scale, gives an inconclusive verdict.

      Example:
        quern embed model.pth photos/ --size 64 --crop rect -o float.safetensors
        quern compare phone.safetensors float.safetensors \\
          --max-mean-drift 0.005 --report phone.xml

      A checkpoint needs the same --size and --crop as the package that it is compared with; otherwise its embeddings \
      are of other images.
      """)

  @Argument(help: "The outputs to compare: .safetensors or .npy.", completion: .storedOutputs)
  var outputs: String

  @Argument(help: "The reference outputs, such as those of the float network.", completion: .storedOutputs)
  var reference: String

  @Option(
    help: ArgumentHelp(
      "Text file with the index of the true class of each row of the reference, one a line. (default: no labels, and "
        + "no accuracy)", valueName: "file"), completion: .text)
  var labels: String?

  @Flag(help: "Compare the images that both files have, instead of failing if one of them lacks some.")
  var allowMissing = false

  @OptionGroup(title: "Gates and reports") var gates: GateOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  mutating func validate() throws { try gates.refuseBuildReports() }

  func run() throws {
    var files = OutputFiles()
    files.add("--report", reports: gates.reports)
    try files.check(embeddings: [outputs, reference], others: [labels] + gates.inputs)
    let reports = try gates.openReports()
    var comparison = OutputComparison(outputs: outputs, reference: reference)
    comparison.labels = labels
    comparison.allowsMissing = allowMissing
    comparison.decisionRule = gates.limits.decisionRule
    comparison.threads = common.threadCount
    try gates.finish(try comparison.run(gates: try gates.limits.gates), reports, common)
  }
}
