import ArgumentParser
import Conversion
import Fidelity
import Files
import Glibc
import Images
import PrintableText

struct ClassifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "classify",
    abstract: "Print the most probable classes of images.",
    discussion: """
      A checkpoint runs in float, a package in int8. Probabilities are the softmax of the logits. Class names come \
      from --class-names if given. Otherwise they come from a package that was calibrated on a folder with a subfolder for \
      each class, or from a PyTorch checkpoint whose training script saved them (class_to_idx, classes and the like). \
      Without names, the indices of the classes are printed.

      Example:
        quern classify model.quern cat.jpg --top 3
      """)

  @Argument(help: "A package or a checkpoint.", completion: .model)
  var model: String

  @Argument(help: "Images, or folders of images.", completion: .images)
  var images: [String]

  @Option(
    help: ArgumentHelp("Number of classes to print for each image. (default: 5)", valueName: "n"),
    transform: wholeNumber(1...Int.max))
  var top = 5

  @OptionGroup(title: "Image options") var evaluation: EvaluationOptions
  @OptionGroup(title: "Network options") var network: ModelOptions
  @OptionGroup(title: "Network options") var classNames: ClassNameOptions
  @OptionGroup(title: "General options") var common: CommonOptions

  func run() throws {
    let (opened, evaluation) = try evaluation.open(model, network, progress: common.progress)
    let embedder = try Embedder(
      model: opened, evaluation: evaluation, job: ImageJob(threads: common.threadCount))
    let result = try embedder.run(try ImageList(images, progress: common.progress).files, progress: common.progress)
    guard result.classes > 0 else {
      throw ConversionError.wrongKind("\(model): the network has no classifier; use 'quern embed' for its embeddings")
    }
    let named = try ClassNames(
      result.classes, listed: try classNames.list(), stored: opened.classNames, of: "the model")
    if let warning = named.warning { common.progress.warn(warning) }
    let classified = result.files.indices.map { row in
      Classification(file: result.files[row], logits: result.logits(row: row), names: named.names, top: top)
    }
    if common.json {
      Terminal.print(try JSONText.encode(ClassifyReport(schema: "quern.classify/1", images: classified)))
    } else {
      for entry in classified { Terminal.print(entry.text) }
    }
  }

  private struct ClassifyReport: Encodable {
    let schema: String
    let images: [Classification]
  }
}

/// The most probable classes of one image.
private struct Classification: Encodable {
  struct Entry: Encodable {
    let index: Int
    let label: String?
    let probability: Double
  }

  let file: String
  let classes: [Entry]

  /// Takes the softmax of the logits. Among equal logits, the lower index comes first.
  init(file: String, logits: ArraySlice<Float>, names: [String], top: Int) {
    let values = logits.map { Double($0) }
    let largest = values.max() ?? 0
    let powers = values.map { exp($0 - largest) }
    let sum = powers.reduce(0, +)
    let order = values.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 }
    self.file = file
    classes = order.prefix(top).map {
      Entry(index: $0, label: names.indices.contains($0) ? names[$0] : nil, probability: powers[$0] / sum)
    }
  }

  var text: String {
    ([printable(file)]
      + classes.map { entry in
        formatted("  %5.1f %%  ", 100 * entry.probability)
          + (entry.label.map { "\(printable($0)) (\(entry.index))" } ?? "\(entry.index)")
      }).joined(separator: "\n")
  }
}
