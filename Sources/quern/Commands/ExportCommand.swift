import ArgumentParser
import Conversion
import Files
import ModelExport

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write a package as an ONNX model, for TensorRT, OpenVINO and ONNX Runtime.",
    discussion: """
      A package becomes a QDQ model: int8 weights with a scale for each channel, and QuantizeLinear and DequantizeLinear \
      around what runs in int8. A checkpoint becomes its float graph with batch norm folded. The input is float32 NCHW, \
      normalised as in training; the outputs are normalized_embedding, embedding and logits.

      Example:
        quern export model.quern -o model.onnx
      """)

  @Argument(help: "A package, or with --float a checkpoint.")
  var model: String

  @Option(name: [.short, .long], help: ArgumentHelp("The ONNX file to write.", valueName: "file.onnx"))
  var output: String

  @Flag(help: "Write the float graph of a checkpoint.")
  var float = false

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
        "--float needs the float weights, which a package does not hold: name the checkpoint")
    }
    if !float && !isPackage {
      throw ConversionError.option("\(model) is not a package; with --float its float graph can be exported")
    }
    let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
    try ONNXExporter.write(
      try opened.loadedGraph(threads: common.threadCount), side: evaluation.size, producerVersion: Quern.version,
      to: file)
    try file.commit()
    if !common.quiet { Terminal.note("\(opened.graph.nodes.count) nodes written to \(output)") }
  }
}
