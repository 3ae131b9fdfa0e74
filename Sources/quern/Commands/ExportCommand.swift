import ArgumentParser
import Conversion
import Files
import ModelExport

extension ONNXExporter.WeightType: ExpressibleByArgument {}

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a package as an ONNX model for TensorRT, OpenVINO and ONNX Runtime.",
    discussion: """
      A package becomes a QDQ model: int8 weights with a scale for each channel, and QuantizeLinear and \
      DequantizeLinear around the operators that run in int8. With --float, a checkpoint becomes its float graph with \
      folded batch norms. The input is float32 NCHW, normalised as in training; the outputs are normalized_embedding, \
      embedding and logits.

      Examples:
        quern export model.quern -o model.onnx
        quern export --float model.pth -o float.onnx
      """)

  @Argument(help: "A package, or with --float a checkpoint.", completion: .model)
  var model: String

  @Option(
    name: [.short, .long], help: ArgumentHelp("The ONNX file to write.", valueName: "file.onnx"),
    completion: .file(extensions: ["onnx"]))
  var output: String

  @Flag(help: "Write the float graph of a checkpoint.")
  var float = false

  @Option(
    help: ArgumentHelp(
      """
      How the weights of a package are stored; the values are the same. TensorRT requires int8. On x86-64 processors \
      without VNNI instructions, the sums of ONNX Runtime's kernels for int8 weights saturate, and are exact with uint8.
      """, valueName: "type"))
  var weightType = ONNXExporter.WeightType.int8

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    var outputs = OutputFiles()
    outputs.add("-o", output, .onnx)
    try outputs.check(models: [model])
    let file = try AtomicFile(path: output)
    let isPackage = try ModelFile.isPackage(model)
    if float && isPackage {
      throw ConversionError.option(
        "--float needs float weights, which a package does not contain; name the checkpoint instead")
    }
    if !float && !isPackage {
      throw ConversionError.option("\(model) is not a package; add --float to export the float graph of a checkpoint")
    }
    if float && weightType != .int8 {
      throw ConversionError.option("--weight-type is for packages; the weights of a checkpoint stay float32")
    }
    let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
    let license = try opened.package?.statedLicense()
    try ONNXExporter.write(
      try opened.loadedGraph(threads: common.threadCount), side: evaluation.size, producerVersion: Quern.version,
      license: license?.expression ?? license?.text, weightType: weightType,
      to: file)
    try file.commit()
    if common.json {
      Terminal.print(
        try JSONText.encode(
          ExportReport(
            schema: "quern.export/1", output: output, bytes: file.byteCount, nodes: opened.graph.nodes.count)))
    } else if !common.quiet {
      Terminal.note("\(opened.graph.nodes.count) nodes written to \(output)")
      if isPackage && weightType == .int8 {
        Terminal.note(
          "on x86-64 processors without VNNI instructions, ONNX Runtime's sums of products with int8 weights saturate; "
            + "for these, export with --weight-type uint8")
      }
    }
  }

  private struct ExportReport: Encodable {
    let schema: String
    let output: String
    let bytes: Int
    /// The nodes of the network's own graph. The ONNX model has more, as some operators become several.
    let nodes: Int
  }
}
