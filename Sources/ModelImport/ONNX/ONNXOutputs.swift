import Checkpoints
import Graphs
import Operators
import Tensors

/// Finds the embedding and the logits among a model's outputs.
///
/// An output that an option names is what it is named for, and so is one that is called normalized_embedding, embedding or
/// logits. The others are told apart by what is computed from what: logits are computed from the embedding. Two vectors of
/// which neither is computed from the other are refused, as nothing says which is meant. A softmax or a sigmoid at the logits'
/// output is passed over.
struct ONNXOutputs {
  private let model: ONNXModel
  private let requestedEmbedding: String?
  private let requestedLogits: String?

  private(set) var assumptions: [ImportAssumption] = []
  private(set) var notes: [String] = []

  static func list(_ names: [String]) -> String { names.prefix(8).map { "'\($0)'" }.joined(separator: ", ") }

  /// - Parameters:
  ///   - embedding: the name that an option gives.
  ///   - logits: the same.
  init(_ model: ONNXModel, embedding: String?, logits: String?) throws(ImportError) {
    self.model = model
    (requestedEmbedding, requestedLogits) = (embedding, logits)
    let names = model.outputs.map(\.name)
    let nodeOutputs = Set(model.nodes.flatMap(\.outputs))
    let made = nodeOutputs.union(names)
    for (option, name) in [("--embedding-output", embedding), ("--logits-output", logits)] {
      if let name, !made.contains(name) {
        throw .option("\(option): the model has no value '\(name)'; its outputs are \(Self.list(names))")
      }
    }
    guard !names.isEmpty else { throw .badNetwork("the model has no output") }
    let given = Set(model.inputs.map(\.name)).union(model.initializers.names)
    if let name = names.first(where: { !nodeOutputs.contains($0) && !given.contains($0) }) {
      throw .badNetwork("nothing makes the output '\(name)'")
    }
  }

  /// One vector an image, under the name of an output or of an inner value.
  private struct Candidate {
    let name: String
    var row: ONNXActivation
    /// What stands between the row and the output: "Softmax", "LogSoftmax" or "Sigmoid".
    var passedOver: String?
    /// The output itself where something is passed over that the graph can compute.
    var asItIs: ONNXActivation?
    /// The vector before an L2 normalisation, or the row itself.
    var root: ValueID
    var isNormalized: Bool { root != row.value }
  }

  // MARK: The decision

  /// Translates what the embedding and the logits need, and makes them the outputs of the graph.
  mutating func attach(to run: inout ONNXRun) throws(ImportError) -> Graph {
    let names = model.outputs.map(\.name)
    let embeddingName =
      requestedEmbedding ?? ["normalized_embedding", "embedding"].first { names.contains($0) && $0 != requestedLogits }
    let logitsName = requestedLogits ?? (names.contains("logits") && embeddingName != "logits" ? "logits" : nil)
    var embedding: Candidate?
    var logits: Candidate?
    if let embeddingName { embedding = try required(embeddingName, option: "--embedding-output", &run) }
    if let logitsName { logits = try required(logitsName, option: "--logits-output", &run) }
    let others = names.filter { $0 != embeddingName && $0 != logitsName }
    switch (embedding, logits) {
    case (let vector?, let scores?):
      if depends(vector.row.value, on: scores.row.value, run.translator.graph), requestedEmbedding == nil {
        throw .option(
          "the output '\(vector.name)' is computed from '\(scores.name)', so that one of the names misleads; "
            + "say which is which with --embedding-output and --logits-output")
      }
      noteUnread(others, "it was not requested")
    case (let vector?, nil): logits = try findLogits(from: vector, among: others, &run)
    case (nil, let scores?): embedding = try findEmbedding(of: scores, among: others, &run)
    case (nil, nil): (embedding, logits) = try tellApart(others, &run)
    }
    guard let embedding else {
      throw .badNetwork(
        "none of the outputs \(Self.list(names)) is an embedding or logits, one vector an image; "
          + "name values with --embedding-output or --logits-output")
    }
    return try graph(&run, embedding, logits)
  }

  /// The logits among outputs beside an embedding: the one that is computed from it.
  private mutating func findLogits(
    from vector: Candidate, among names: [String], _ run: inout ONNXRun
  ) throws(ImportError) -> Candidate? {
    var found: [Candidate] = []
    for candidate in optional(names, &run) where candidate.root != vector.root {
      if depends(candidate.row.value, on: vector.root, run.translator.graph) {
        found.append(candidate)
      } else {
        noteUnread([candidate.name], "it is not computed from the embedding '\(vector.name)'")
      }
    }
    guard found.count > 1, Set(found.map(\.row.value)).count > 1 else { return found.first }
    throw .option(
      "the outputs \(Self.list(found.map(\.name))) are all computed from the embedding '\(vector.name)'; "
        + "say which are the logits with --logits-output")
  }

  /// The embedding beside logits: the output that they are computed from, or what their last layer reads.
  private mutating func findEmbedding(
    of scores: Candidate, among names: [String], _ run: inout ONNXRun
  ) throws(ImportError) -> Candidate {
    var found: [Candidate] = []
    for candidate in optional(names, &run) where candidate.row.value != scores.row.value {
      if depends(scores.row.value, on: candidate.root, run.translator.graph) {
        found.append(candidate)
      } else {
        noteUnread([candidate.name], "the logits '\(scores.name)' are not computed from it")
      }
    }
    let groups = Set(found.map(\.root))
    if groups.count > 1 { throw Self.undecided(found.map(\.name), "the logits are computed from each of them") }
    if let vector = found.first(where: \.isNormalized) ?? found.first { return vector }
    guard let input = lastLayerInput(of: scores, run.translator) else {
      throw .option(
        "the logits '\(scores.name)' are not made by a linear layer, and no output is an embedding; "
          + "name one with --embedding-output")
    }
    return input
  }

  /// What the outputs are where neither options nor names say it.
  private mutating func tellApart(
    _ names: [String], _ run: inout ONNXRun
  ) throws(ImportError) -> (embedding: Candidate?, logits: Candidate?) {
    var candidates: [Candidate] = []
    for name in names {
      guard mayBeVector(name) else {
        noteUnread([name], "it is not one vector an image")
        continue
      }
      if let candidate = try candidate(name, &run) {
        candidates.append(candidate)
      } else {
        noteUnread([name], "it is not one vector an image")
      }
    }
    var groups: [[Candidate]] = []
    for candidate in candidates {
      if let index = groups.firstIndex(where: { $0[0].root == candidate.root }) {
        groups[index].append(candidate)
      } else {
        groups.append([candidate])
      }
    }
    func vector(_ group: [Candidate]) -> Candidate { group.first(where: \.isNormalized) ?? group[0] }
    switch groups.count {
    case 0: return (nil, nil)
    case 1: return single(vector(groups[0]), run.translator)
    case 2:
      let (a, b) = (vector(groups[0]), vector(groups[1]))
      let graph = run.translator.graph
      if depends(b.row.value, on: a.root, graph), !b.isNormalized { return (a, b) }
      if depends(a.row.value, on: b.root, graph), !a.isNormalized { return (b, a) }
      throw Self.undecided([a.name, b.name], "neither is the other's logits")
    default: throw Self.undecided(candidates.map(\.name), "each could be the embedding")
    }
  }

  /// A model with one vector: logits where a linear layer makes it, else the embedding.
  private mutating func single(
    _ only: Candidate, _ translator: ONNXTranslator
  ) -> (embedding: Candidate?, logits: Candidate?) {
    let isScores = only.passedOver == "Softmax" || only.passedOver == "LogSoftmax"
    guard !only.isNormalized, let input = lastLayerInput(of: only, translator) else {
      return isScores ? (nil, only) : (only, nil)
    }
    if only.passedOver == nil {
      assumptions.append(
        ImportAssumption(
          "the output '\(only.name)', which a linear layer makes, holds the logits, and what that layer reads is the "
            + "embedding", option: "--embedding-output \(only.name)"))
    }
    return (input, only)
  }

  private static func undecided(_ names: [String], _ reason: String) -> ImportError {
    .option(
      "the outputs \(list(names)) are vectors, and \(reason): say which is the embedding with --embedding-output, and "
        + "which are the logits with --logits-output")
  }

  private mutating func noteUnread(_ names: [String], _ reason: String) {
    for name in names { notes.append("the output '\(name)' is not read: \(reason)") }
  }

  // MARK: Candidates

  /// Whether an output's declared type and shape allow one vector an image.
  private func mayBeVector(_ name: String) -> Bool {
    guard let info = model.outputs.first(where: { $0.name == name }) else { return true }
    if let type = info.elementType, !type.isFloatingPoint { return false }
    guard let dimensions = info.dimensions, !dimensions.isEmpty else { return true }
    let open = dimensions.dropFirst().filter { $0 != .fixed(1) }
    return dimensions.count >= 2 && open.count { if case .fixed = $0 { true } else { false } } <= 1
  }

  private func required(
    _ name: String, option: String, _ run: inout ONNXRun
  ) throws(ImportError) -> Candidate {
    if let candidate = try candidate(name, &run) { return candidate }
    throw .option("\(option): '\(name)' is not one vector an image")
  }

  /// Those outputs that can be translated; the others were not requested, and are only noted.
  private mutating func optional(_ names: [String], _ run: inout ONNXRun) -> [Candidate] {
    var result: [Candidate] = []
    for name in names {
      var attempt = run
      do throws(ImportError) {
        guard mayBeVector(name), let candidate = try candidate(name, &attempt) else {
          noteUnread([name], "it is not one vector an image")
          continue
        }
        result.append(candidate)
        run = attempt
      } catch { noteUnread([name], "\(error)") }
    }
    return result
  }

  /// A value as one vector an image; `nil` for values of another kind.
  private func candidate(_ name: String, _ run: inout ONNXRun) throws(ImportError) -> Candidate? {
    try run.translate(name)
    let node = ONNXModel.Node(index: 0, name: name, operatorType: "Identity", inputs: [name], outputs: [name])
    guard let value = run.translator.value(named: name) else { return nil }
    func made(_ row: ONNXActivation, passedOver: String? = nil, asItIs: ONNXActivation? = nil) -> Candidate {
      let producer = run.translator.producer(of: row)
      let root = producer?.op is L2Normalization ? producer?.inputs.first : nil
      return Candidate(name: name, row: row, passedOver: passedOver, asItIs: asItIs, root: root ?? row.value)
    }
    switch value {
    case .step(.probabilities(let row, let type)): return made(row, passedOver: type)
    case .step(.reduced(let reduction)) where reduction.isPooled: return made(try run.translator.activation(node, 0))
    case .activation(let row) where row.isRow:
      guard let producer = run.translator.producer(of: row), producer.op is Sigmoid, let input = producer.inputs.first
      else { return made(row) }
      var scores = row
      scores.value = input
      return made(scores, passedOver: "Sigmoid", asItIs: row)
    case .activation(let map) where map.height == 1 && map.width == 1:
      return made(try run.translator.pool(map, exponent: 1, floor: nil, node: node))
    case .activation, .step, .constant: return nil
    }
  }

  // MARK: Dataflow

  /// Whether a value is computed from another.
  private func depends(_ value: ValueID, on source: ValueID, _ graph: Graph) -> Bool {
    var needed: Set<ValueID> = [value]
    for node in graph.nodes.reversed() where needed.contains(node.output) { needed.formUnion(node.inputs) }
    return value != source && needed.contains(source)
  }

  /// What the last linear layer before a vector reads, where nothing but scales and offsets stand between.
  private func lastLayerInput(of scores: Candidate, _ translator: ONNXTranslator) -> Candidate? {
    var row = scores.row
    while let node = translator.producer(of: row), let input = node.inputs.first {
      switch node.op {
      case is Linear:
        let width = node.constants["weight"]?.shape[1] ?? 0
        row = ONNXActivation(value: input, shape: [scores.row.shape[0], width], isRow: true)
        let producer = translator.producer(of: row)
        let root = producer?.op is L2Normalization ? producer?.inputs.first : nil
        return Candidate(name: node.name, row: row, root: root ?? input)
      case is BatchNormalization where translator.arithmeticResults.contains(node.output), is Centering:
        row.value = input
      default: return nil
      }
    }
    return nil
  }

  // MARK: The graph

  private mutating func graph(
    _ run: inout ONNXRun, _ vector: Candidate, _ scores: Candidate?
  ) throws(ImportError) -> Graph {
    var row = vector.row
    if let passedOver = vector.passedOver {
      guard let asItIs = vector.asItIs else {
        throw .option(
          "the output '\(vector.name)' is a \(passedOver), which is no embedding; name another with --embedding-output")
      }
      row = asItIs
    }
    if let scores, let passedOver = scores.passedOver {
      notes.append("the \(passedOver) at the output '\(scores.name)' is passed over: logits are what it reads")
    }
    let (embedding, normalized) = try run.translator.normalized(row)
    var graph = run.translator.graph
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
      GraphOutput(name: GraphOutput.embedding, value: embedding),
    ]
    if let scores { graph.outputs.append(GraphOutput(name: GraphOutput.logits, value: scores.row.value)) }
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
