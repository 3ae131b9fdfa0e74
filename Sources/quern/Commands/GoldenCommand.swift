import ArgumentParser
import Conversion
import Files
import Graphs

struct GoldenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "golden",
    abstract: "Print a Python program that records the outputs of the model's own framework.",
    discussion: """
      Run the program where PyTorch or ONNX Runtime runs the model, with a folder of images. It writes embeddings and \
      logits, the input tensors of the network, the preprocessing, and the framework's version to a safetensors file. \
      'quern convert --golden' and 'quern verify --golden' compare quern's float network with this file before \
      anything else, on the same images, which are found by the content of their files. Give the same image and \
      network options here as for the conversion.

      Example:
        quern golden model.pth --size 224 > golden.py
        # Edit the lines of golden.py that build the model.
        python golden.py photos/ golden.safetensors
        quern convert model.pth --calibration photos/ --size 224 \\
          --golden golden.safetensors -o model.quern
      """)

  @Argument(
    help: ArgumentHelp(
      "The model that the program opens. If the file exists, the preprocessing is that of this checkpoint or package. "
        + "(default: model.pth, or model.onnx with ONNX Runtime)"), completion: .checkpoint)
  var model: String?

  @Option(
    help: ArgumentHelp(
      "The framework that runs the model: pytorch or onnxruntime. (default: onnxruntime if the model's name ends in "
        + ".onnx, otherwise pytorch)", valueName: "framework"))
  var framework: GoldenProgram.Framework?

  @Option(
    help: ArgumentHelp(
      "Maximum number of images that the program uses, spread evenly over the sorted folder. (default: 64)",
      valueName: "n"),
    transform: wholeNumber(1...1_000_000))
  var count = 64

  @Option(
    name: [.short, .long], help: ArgumentHelp("Write the program to a file. (default: stdout)", valueName: "file.py"),
    completion: .file(extensions: ["py"]))
  var output: String?

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    if let output {
      var outputs = OutputFiles()
      outputs.add("-o", output, .program)
      try outputs.check(models: [model].compactMap(\.self))
    }
    let isONNX = model?.lowercased().hasSuffix(".onnx") ?? false
    let framework = framework ?? (isONNX ? .onnxruntime : .pytorch)
    var program = GoldenProgram(
      framework: framework, model: model ?? (framework == .pytorch ? "model.pth" : "model.onnx"),
      evaluation: try evaluation.request.resolutions()[0].evaluation,
      preprocessing: network.options.preprocessing ?? .imageNet)
    if let model, try FileIdentity.of(model) != nil {
      let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
      (program.evaluation, program.preprocessing) = (evaluation, opened.graph.preprocessing)
    }
    program.channelOrder = network.channelOrder ?? .rgb
    program.turnsUpright = evaluation.resizing.exifOrientation
    program.count = count
    if let output {
      let file = try AtomicFile(path: output)
      try file.write(Array(program.text.utf8))
      try file.commit()
    }
    if common.json {
      Terminal.print(
        try JSONText.encode(
          GoldenReport(schema: "quern.golden/1", framework: framework.rawValue, program: program.text, output: output)))
    } else if let output {
      if !common.quiet { Terminal.note("program written to \(output)") }
    } else {
      Terminal.print(program.text)
    }
  }

  private struct GoldenReport: Encodable {
    let schema: String
    let framework: String
    let program: String
    let output: String?
  }
}

extension GoldenProgram.Framework: ExpressibleByArgument {}
