import Checkpoints
import Fidelity
import Graphs
import ModelImport
import Operators
import Passes
import PrintableText
import Tensors

/// The contents of a checkpoint, and how a conversion would read and fold it. Encoded, it is the output of
/// `quern inspect --json`.
package struct CheckpointInspection: Encodable, Sendable {
  /// An entry of the file that the network does not use.
  package struct Ignored: Encodable, Sendable {
    /// The name of the entry in the file.
    package let name: String
    /// Why it is not used.
    package let reason: String
  }

  /// An assumption that reading the file had to make.
  package struct Assumption: Encodable, Sendable {
    /// The assumption, as a sentence.
    package let statement: String
    /// The command-line option that changes it; `nil` where there is none.
    package let option: String?
  }

  let schema = "quern.inspect.checkpoint/1"
  /// The path of the file, as it was given.
  package let path: String
  /// The size of the file in bytes.
  package let bytes: Int
  /// SHA-256 of the file in hexadecimal digits.
  package let sha256: String
  /// The name of the file format, such as "pytorch-legacy".
  package let format: String
  /// The program that wrote an ONNX model, with its version; `nil` for other formats.
  package let producer: String?
  /// The version of the operator set that an ONNX model uses; `nil` for other formats.
  package let operatorSet: Int?
  /// The version of ONNX's intermediate representation; `nil` for other formats.
  package let irVersion: Int?
  /// The architecture that was recognised.
  package let architecture: String
  /// The number of elements of all trained constants, without running statistics and means.
  package let parameters: Int
  /// The number of tensors of each element type.
  package let elementTypes: [String: Int]
  /// The exponent of GeM pooling.
  package let poolingExponent: PoolingExponent
  /// Whether the head whitens embeddings.
  package let isWhitened: Bool
  /// The number of elements of an embedding.
  package let embeddingDimension: Int
  /// The number of classes; 0 without a classifier.
  package let classes: Int
  /// The names of the classes in the classifier's order; empty where the file has none.
  package let classNames: [String]
  /// The side in pixels of the smallest square image that suits the network (`Graph.minSquareInput`); `nil` where no
  /// side up to 1024 does.
  package let minSize: Int?
  /// The width and height that an ONNX model fixes for its images, such as "224x224"; `nil` where it fixes none.
  package let fixedSize: String?
  /// Multiply-accumulates for an image of 224 by 224 pixels; `nil` where the network takes no such images.
  package let multiplyAccumulates224: Int?
  /// The assumptions that reading the file made.
  package let assumptions: [Assumption]
  /// What was recognised, skipped or reinterpreted, one sentence each.
  package let notes: [String]
  /// The entries of the file that the network does not use.
  package let ignored: [Ignored]
  /// The rewrites that folding makes, one line each.
  package let folding: [String]

  /// Reads a checkpoint.
  ///
  /// - Parameters:
  ///   - path: the path of the checkpoint.
  ///   - options: how to read it.
  ///   - checks: whether to read every weight and to refuse values that are not finite.
  /// - Throws: `CheckpointError` where the file cannot be read; `ImportError` where no network is recognised in it;
  ///   `ConversionError.notFinite` for weights that are not finite, `.option` for options that do not fit the format;
  ///   `GraphError` where shapes do not fit each other.
  package init(path: String, options: ModelFile.Options = ModelFile.Options(), checks: Bool) throws {
    let imported = try ImportedCheckpoint(path: path, options: options, checksValues: checks)
    let (checkpoint, graph) = (imported.checkpoint, imported.graph)
    self.path = path
    bytes = checkpoint.byteCount
    sha256 = checkpoint.sha256().hex
    format = checkpoint.format.rawValue
    producer = checkpoint.network.map {
      [$0.producer, $0.producerVersion].filter { !$0.isEmpty }.joined(separator: " ")
    }
    operatorSet = checkpoint.network?.operatorSet
    irVersion = checkpoint.network?.irVersion
    architecture = graph.architecture
    var elementTypes: [String: Int] = [:]
    for (_, tensor) in checkpoint.tensors { elementTypes["\(tensor.elementType)", default: 0] += 1 }
    parameters = graph.parameterCount
    self.elementTypes = elementTypes
    poolingExponent = PoolingExponent(graph.poolingExponent)
    isWhitened = graph.nodes.contains { $0.op is Centering }
    assumptions = imported.network.assumptions.map { Assumption(statement: $0.statement, option: $0.option) }
    notes = imported.network.notes
    let fixed = imported.network.fixedImageSize
    fixedSize = fixed.map { "\($0.width)x\($0.height)" }
    let shapes = try graph.inferShapes(input: [1, fixed?.height ?? 224, fixed?.width ?? 224, 3])
    embeddingDimension = graph.width(ofOutput: GraphOutput.normalizedEmbedding, shapes)
    classes = graph.width(ofOutput: GraphOutput.logits, shapes)
    classNames = checkpoint.classNames
    minSize = graph.minSquareInput
    multiplyAccumulates224 = try? graph.multiplyAccumulates(input: [1, 224, 224, 3])
    ignored = checkpoint.ignored.map { Ignored(name: $0.name, reason: $0.reason) }
    checkpoint.releasePages()
    folding = try PassPipeline.fold(keeping: imported.network.fixedNodes).run(
      graph, afterEachPatch: checkpoint.releasePages
    ).notes
  }

  /// The inspection as text for a terminal.
  package var text: String {
    var table = TextTable()
    table.row("file", "\(path), \(bytes) bytes")
    table.row("sha256", sha256)
    table.row("format", format)
    if let producer, let operatorSet, let irVersion {
      table.row("producer", producer.isEmpty ? "unknown" : producer)
      table.row("opset", "\(operatorSet), IR version \(irVersion)")
    }
    table.row("architecture", architecture)
    table.row("parameters", "\(parameters)")
    table.row(
      "tensors", elementTypes.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", "))
    table.row("GeM exponent", "\(poolingExponent)")
    table.row("whitening", isWhitened ? "yes" : "no")
    table.row("embedding", "\(embeddingDimension)")
    table.row("classes", classes == 0 ? "none" : "\(classes)")
    if let first = classNames.first, let last = classNames.last {
      table.row("class names", "\(classNames.count), from \(first) to \(last)")
    }
    if let minSize { table.row("minimum size", "\(minSize) pixels") }
    if let fixedSize { table.row("fixed size", "\(fixedSize) pixels") }
    if let count = multiplyAccumulates224 {
      table.row("at 224 pixels", "\(count / 1_000_000) million multiply-accumulates")
    }
    for assumption in assumptions {
      table.row("assumption", "\(ImportAssumption(assumption.statement, option: assumption.option))")
    }
    for note in notes { table.row("note", note) }
    for entry in ignored { table.row("ignored", "\(entry.name): \(entry.reason)") }
    table.row("folding", "\(folding.count) rewrites")
    return ([table.text, ""] + folding.map(printable)).joined(separator: "\n")
  }
}

extension Graph {
  /// The number of elements of all constants except running statistics and means, which are not trained.
  fileprivate var parameterCount: Int {
    nodes.flatMap(\.constants).reduce(0) { ["mean", "variance"].contains($1.key) ? $0 : $0 + $1.value.elementCount }
  }
}

/// Lines with a name and a value each, with the values aligned.
struct TextTable {
  private var rows: [(String, String)] = []

  mutating func row(_ name: String, _ value: String) { rows.append((printable(name), printable(value))) }

  var text: String {
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { $0 + String(repeating: " ", count: width + 2 - $0.count) + $1 }.joined(separator: "\n")
  }
}
