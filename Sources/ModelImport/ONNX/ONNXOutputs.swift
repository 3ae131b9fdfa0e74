import Checkpoints
import Graphs
import Operators
import Tensors

/// Finds the embedding and the logits among a model's outputs.
///
/// An output that an option names is what it is named for. Otherwise the names count (normalized_embedding, embedding,
/// logits), and where they say nothing, the structure: an output that an L2 normalisation makes is the embedding, one that a
/// linear layer makes the logits, and a pooled vector the embedding.
struct ONNXOutputs {
  private(set) var embedding: String?
  private(set) var logits: String?
  /// What the model has besides.
  private(set) var ignored: [String] = []

  /// The names that options give.
  let requestedEmbedding: String?
  let requestedLogits: String?

  init(_ model: ONNXModel, embedding: String?, logits: String?) throws(ImportError) {
    (requestedEmbedding, requestedLogits) = (embedding, logits)
    let names = model.outputs.map(\.name)
    let known = Set(names).union(model.nodes.flatMap(\.outputs))
    for (option, name) in [("--embedding-output", embedding), ("--logits-output", logits)] {
      if let name, !known.contains(name) {
        throw .option("\(option): the model has no value '\(name)'; its outputs are \(Self.list(names))")
      }
    }
    guard !names.isEmpty else { throw .badNetwork("the model has no output") }
    let vector = embedding ?? ["normalized_embedding", "embedding"].first { names.contains($0) && $0 != logits }
    let scores = logits ?? (names.contains("logits") && embedding != "logits" ? "logits" : nil)
    unnamed = names.filter { $0 != vector && $0 != scores }
    (self.embedding, self.logits) = (vector, scores)
  }

  /// Outputs that neither an option nor a name says anything of.
  private(set) var unnamed: [String]

  /// What must be translated.
  var wanted: [String] { [embedding, logits].compactMap { $0 } + unnamed }

  static func list(_ names: [String]) -> String { names.prefix(8).map { "'\($0)'" }.joined(separator: ", ") }

  /// Tells the unnamed outputs apart, and makes all of them the outputs of the graph.
  mutating func attach(to translator: inout ONNXTranslator) throws(ImportError) -> Graph {
    var rows: [(name: String, row: ONNXActivation)] = []
    for name in wanted {
      if let row = try translator.output(named: name) { rows.append((name, row)) } else { ignored.append(name) }
    }
    func row(_ name: String?) -> ONNXActivation? { rows.first { $0.name == name }?.row }
    let open = rows.filter { unnamed.contains($0.name) }
    var vector = row(embedding) ?? open.first { translator.producer(of: $0.row)?.op is L2Normalization }?.row
    let scores =
      row(logits) ?? open.first { $0.row.value != vector?.value && translator.producer(of: $0.row)?.op is Linear }?.row
    vector = vector ?? open.first { $0.row.value != scores?.value }?.row
    if vector == nil, let scores {
      // A plain classifier: what its last layer reads is as good an embedding as any.
      guard let last = translator.producer(of: scores), last.op is Linear, let input = last.inputs.first else {
        throw .badNetwork("the output '\(logits ?? "")' is not made by a linear layer, and there is no embedding")
      }
      vector = ONNXActivation(
        value: input, shape: [scores.shape[0], last.constants["weight"]?.shape[1] ?? 0], isRow: true)
    }
    guard let vector else {
      throw .badNetwork(
        "none of the outputs \(Self.list(wanted)) is an embedding or logits, one vector an image; "
          + "name values with --embedding-output or --logits-output")
    }
    return try Self.graph(&translator, vector: vector, scores: scores)
  }

  private static func graph(
    _ translator: inout ONNXTranslator, vector: ONNXActivation, scores: ONNXActivation?
  ) throws(ImportError) -> Graph {
    let (embedding, normalized) = try translator.normalized(vector)
    var graph = translator.graph
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
      GraphOutput(name: GraphOutput.embedding, value: embedding),
    ]
    if let scores { graph.outputs.append(GraphOutput(name: GraphOutput.logits, value: scores.value)) }
    // Where a state dict's graph has it: behind the embedding, and before the classifier.
    if let last = graph.nodes.last, last.output == normalized,
      let producer = graph.nodes.firstIndex(where: { $0.output == embedding })
    {
      graph.nodes.removeLast()
      graph.nodes.insert(last, at: producer + 1)
    }
    return graph.withoutUnusedNodes()
  }
}

extension ONNXTranslator {
  /// The vector of an output; `nil` for outputs of another kind.
  fileprivate mutating func output(named name: String) throws(ImportError) -> ONNXActivation? {
    guard let value = value(named: name) else { return nil }
    switch value {
    case .activation(let activation): return activation.isRow ? activation : nil
    case .step(.pooled):
      // Read as any node would.
      return try activation(
        ONNXModel.Node(index: 0, name: name, operatorType: "Identity", inputs: [name], outputs: [name]), 0)
    case .step, .constant: return nil
    }
  }

  /// A vector and its L2-normalised form, whichever of them it is itself.
  fileprivate mutating func normalized(_ vector: ONNXActivation) throws(ImportError) -> (ValueID, ValueID) {
    if let producer = producer(of: vector), producer.op is L2Normalization, let input = producer.inputs.first {
      return (input, vector.value)
    }
    let node = ONNXModel.Node(index: 0, name: "normalize", operatorType: "LpNormalization", inputs: [], outputs: [])
    return (vector.value, try append(L2Normalization(), node: node, inputs: [vector]).value)
  }
}

extension Graph {
  /// The graph without nodes that no output needs.
  fileprivate func withoutUnusedNodes() -> Graph {
    var needed = Set(outputs.map(\.value))
    var kept: [Node] = []
    for node in nodes.reversed() where needed.contains(node.output) {
      needed.formUnion(node.inputs)
      kept.append(node)
    }
    var result = self
    result.nodes = kept.reversed()
    return result
  }
}
