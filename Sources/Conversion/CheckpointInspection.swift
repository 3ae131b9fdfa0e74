import Checkpoints
import Graphs
import ModelImport
import Operators
import Passes
import Tensors

/// What a checkpoint holds, and what would become of it.
package struct CheckpointInspection: Encodable, Sendable {
  package struct Ignored: Encodable, Sendable {
    package let name: String
    package let reason: String
  }

  package struct Assumption: Encodable, Sendable {
    package let statement: String
    package let option: String?
  }

  let schema = "quern.inspect.checkpoint/1"
  package let path: String
  package let bytes: Int
  package let sha256: String
  package let format: String
  /// What wrote an ONNX model, and the version of the operators it uses.
  package let producer: String?
  package let operatorSet: Int?
  package let irVersion: Int?
  package let architecture: String
  /// Trained values of the network: weights and biases, not running statistics.
  package let parameters: Int
  /// Tensors by element type.
  package let elementTypes: [String: Int]
  package let poolingExponent: String
  package let isWhitened: Bool
  package let embeddingDimension: Int
  package let classes: Int
  /// The names of the classes in the classifier's order; empty where the file has none.
  package let classNames: [String]
  package let leastSize: Int?
  /// The width and height that an ONNX model fixes for its images: "224x224".
  package let fixedSize: String?
  package let multiplyAccumulates224: Int?
  /// What reading it took for granted, a sentence each, with the option that changes it.
  package let assumptions: [Assumption]
  /// What was recognised, skipped or reinterpreted, a sentence each.
  package let notes: [String]
  package let ignored: [Ignored]
  /// What conversion merges into what, a line for each rewrite.
  package let folding: [String]

  /// - Parameters:
  ///   - options: how to read it.
  ///   - checks: read every weight and refuse those that are not numbers.
  /// - Throws: `CheckpointError`, `ImportError`, `ConversionError.notFinite`, `.option`.
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
    poolingExponent = graph.poolingExponent.map { "\($0)" } ?? "none"
    isWhitened = graph.nodes.contains { $0.op is Centering }
    assumptions = imported.network.assumptions.map { Assumption(statement: $0.statement, option: $0.option) }
    notes = imported.network.notes
    let fixed = imported.network.fixedImageSize
    fixedSize = fixed.map { "\($0.width)x\($0.height)" }
    let shapes = try graph.inferShapes(input: [1, fixed?.height ?? 224, fixed?.width ?? 224, 3])
    embeddingDimension = graph.width(ofOutput: GraphOutput.normalizedEmbedding, shapes)
    classes = graph.width(ofOutput: GraphOutput.logits, shapes)
    classNames = checkpoint.classNames
    leastSize = graph.leastSquareInput
    multiplyAccumulates224 = try? graph.multiplyAccumulates(input: [1, 224, 224, 3])
    ignored = checkpoint.ignored.map { Ignored(name: $0.name, reason: $0.reason) }
    checkpoint.releasePages()
    folding = try PassPipeline.fold.run(graph, afterEachPatch: checkpoint.releasePages).notes
  }

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
    table.row("GeM exponent", poolingExponent)
    table.row("whitening", isWhitened ? "yes" : "no")
    table.row("embedding", "\(embeddingDimension)")
    table.row("classes", classes == 0 ? "none" : "\(classes)")
    if let first = classNames.first, let last = classNames.last {
      table.row("class names", "\(classNames.count), from \(first) to \(last)")
    }
    if let leastSize { table.row("least size", "\(leastSize) pixels") }
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
    return ([table.text, ""] + folding).joined(separator: "\n")
  }
}

extension Graph {
  /// Elements of what training changes: all constants but running statistics and means.
  fileprivate var parameterCount: Int {
    nodes.flatMap(\.constants).reduce(0) { ["mean", "variance"].contains($1.key) ? $0 : $0 + $1.value.elementCount }
  }
}

/// Lines of a name and a value, the values aligned.
struct TextTable {
  private var rows: [(String, String)] = []

  mutating func row(_ name: String, _ value: String) { rows.append((name, value)) }

  var text: String {
    let width = rows.map(\.0.count).max() ?? 0
    return rows.map { $0 + String(repeating: " ", count: width + 2 - $0.count) + $1 }.joined(separator: "\n")
  }
}
