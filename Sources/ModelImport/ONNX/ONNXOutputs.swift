import Checkpoints
import Graphs
import Operators
import Suggestions
import Tensors

/// Finds the embedding and the logits among a model's outputs.
///
/// Outputs that options name come first, then outputs called `normalized_embedding`, `embedding` or `logits`. All
/// others are identified by dataflow: the logits are computed from the embedding. Two vectors that do not depend on
/// each other are refused, as either could be the embedding. A softmax or a sigmoid after the logits is skipped.
struct ONNXOutputs {
  private let model: ONNXModel
  private let requestedEmbedding: String?
  private let requestedLogits: String?

  private(set) var assumptions: [ImportAssumption] = []
  /// Sentences for the report.
  private(set) var notes: [String] = []

  /// Checks the names of the outputs.
  ///
  /// - Parameters:
  ///   - schedule: the nodes of the model.
  ///   - embedding: the value that `--embedding-output` names, if it is set.
  ///   - logits: the value that `--logits-output` names, if it is set.
  /// - Throws: `ImportError.option` where the model has no such value; `.badNetwork` where it has no output, or an
  ///   output that no node computes.
  init(_ schedule: ONNXSchedule, embedding: String?, logits: String?) throws(ImportError) {
    model = schedule.model
    (requestedEmbedding, requestedLogits) = (embedding, logits)
    let names = model.outputs.map(\.name)
    for (option, name) in [("--embedding-output", embedding), ("--logits-output", logits)] {
      if let name, !schedule.computes(name), !names.contains(name) {
        throw .option("\(option): the model has no value '\(name)'; its outputs are \(quotedNames(names))")
      }
    }
    guard !names.isEmpty else { throw .badNetwork("the model has no output") }
    if let name = names.first(where: { !schedule.computes($0) && !schedule.isGiven($0) }) {
      throw .badNetwork("no node computes the output '\(name)'")
    }
  }

  /// The number of outputs that are searched. Each may need the whole network.
  private static let maximumCount = 64

  /// A value that is one vector per image.
  private struct Candidate {
    /// The name of the output or intermediate value.
    let name: String
    /// The vector, before the function that is skipped.
    var row: ONNXActivation
    /// The function after `row` that is skipped: "Softmax", "LogSoftmax" or "Sigmoid".
    var skippedFunction: String?
    /// The vector after the skipped function, where the graph can compute that.
    var outputRow: ONNXActivation?
    /// The vector before an L2 normalisation; without one, that of `row`.
    var root: ValueID
    var isNormalized: Bool { root != row.value }
  }

  // MARK: The decision

  /// Translates the nodes that the embedding and the logits depend on, and sets the outputs of the graph.
  ///
  /// - Throws: `ImportError.option` where the outputs cannot be identified without options, or options do not fit;
  ///   `.badNetwork` where no output is one vector per image; `.unsupportedOperator` and `.badNode` for nodes that
  ///   cannot be translated.
  mutating func attach(to run: inout ONNXRun) throws(ImportError) -> Graph {
    let names = model.outputs.map(\.name)
    guard names.count <= Self.maximumCount || (requestedEmbedding != nil && requestedLogits != nil) else {
      throw .badNetwork(
        "the model has \(names.count) outputs, and at most \(Self.maximumCount) are searched for the embedding and the "
          + "logits; name both with --embedding-output and --logits-output")
    }
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
          "the output '\(vector.name)' is computed from '\(scores.name)', so one of the names is misleading; choose the "
            + "outputs with --embedding-output and --logits-output")
      }
      noteUnread(others, "it was not requested")
    case (let vector?, nil): logits = try findLogits(from: vector, among: others, &run)
    case (nil, var scores?):
      embedding = try findEmbedding(of: &scores, among: others, &run)
      logits = scores
    case (nil, nil): (embedding, logits) = try identify(others, &run)
    }
    guard let embedding else {
      throw .badNetwork(
        "none of the outputs \(quotedNames(names)) is an embedding or logits, with one vector per image; "
          + "name values with --embedding-output or --logits-output")
    }
    return try graph(&run, embedding, logits)
  }

  /// The logits among the outputs other than the embedding: the one that is computed from it.
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
      "the outputs \(quotedNames(found.map(\.name))) are all computed from the embedding '\(vector.name)'; "
        + "choose the logits with --logits-output")
  }

  /// The embedding, given the logits: the output that they are computed from, or the input of their last layer.
  private mutating func findEmbedding(
    of scores: inout Candidate, among names: [String], _ run: inout ONNXRun
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
    scores.row = try run.translator.poolingBeforeLastConvolution(scores.row)
    return lastLayerInput(of: scores, run.translator) ?? logitsAsEmbedding(scores)
  }

  /// The logits as the embedding, too, of a network that has no linear layer.
  private mutating func logitsAsEmbedding(_ scores: Candidate) -> Candidate {
    assumptions.append(
      ImportAssumption(
        "the logits '\(scores.name)' do not come from a linear layer and no output is an embedding, so the logits are "
          + "compared as the embedding, too", option: "--embedding-output"))
    var embedding = scores
    embedding.skippedFunction = nil
    return embedding
  }

  /// The embedding and the logits where neither options nor names identify them.
  private mutating func identify(
    _ names: [String], _ run: inout ONNXRun
  ) throws(ImportError) -> (embedding: Candidate?, logits: Candidate?) {
    var candidates: [Candidate] = []
    for name in names {
      guard mayBeVector(name) else {
        noteUnread([name], "it is not one vector per image")
        continue
      }
      if let candidate = try candidate(name, &run) {
        candidates.append(candidate)
      } else {
        noteUnread([name], "it is not one vector per image")
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
    case 1: return try single(vector(groups[0]), &run.translator)
    case 2:
      let (a, b) = (vector(groups[0]), vector(groups[1]))
      let graph = run.translator.graph
      if depends(b.row.value, on: a.root, graph), !b.isNormalized { return (a, b) }
      if depends(a.row.value, on: b.root, graph), !a.isNormalized { return (b, a) }
      throw Self.undecided([a.name, b.name], "neither is the other's logits")
    default: throw Self.undecided(candidates.map(\.name), "each could be the embedding")
    }
  }

  /// For a model with a single vector: the logits if it comes from a linear layer, else the embedding.
  private mutating func single(
    _ only: Candidate, _ translator: inout ONNXTranslator
  ) throws(ImportError) -> (embedding: Candidate?, logits: Candidate?) {
    let isScores = only.skippedFunction == "Softmax" || only.skippedFunction == "LogSoftmax"
    var only = only
    if isScores { only.row = try translator.poolingBeforeLastConvolution(only.row) }
    guard !only.isNormalized, let input = lastLayerInput(of: only, translator) else {
      return isScores ? (logitsAsEmbedding(only), only) : (only, nil)
    }
    if only.skippedFunction == nil {
      assumptions.append(
        ImportAssumption(
          "the output '\(only.name)', which comes from a linear layer, holds the logits, and the input of that layer is "
            + "the embedding", option: "--embedding-output \(shellWord(only.name))"))
    }
    return (input, only)
  }

  private static func undecided(_ names: [String], _ reason: String) -> ImportError {
    .option(
      "the outputs \(quotedNames(names)) are vectors, and \(reason): choose the embedding with --embedding-output and the logits "
        + "with --logits-output")
  }

  private mutating func noteUnread(_ names: [String], _ reason: String) {
    for name in names { notes.append("the output '\(name)' is not read: \(reason)") }
  }

  // MARK: Candidates

  /// Whether the declared type and shape of an output allow one vector per image.
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
    throw .option("\(option): '\(name)' is not one vector per image")
  }

  /// The outputs that can be translated. The others get a note, as no option requests them; nodes that were translated
  /// for them are removed with all that no output needs.
  private mutating func optional(_ names: [String], _ run: inout ONNXRun) -> [Candidate] {
    var result: [Candidate] = []
    for name in names {
      do throws(ImportError) {
        guard mayBeVector(name), let candidate = try candidate(name, &run) else {
          noteUnread([name], "it is not one vector per image")
          continue
        }
        result.append(candidate)
      } catch { noteUnread([name], "\(error)") }
    }
    return result
  }

  /// A value as one vector per image; `nil` for values of another kind.
  private func candidate(_ name: String, _ run: inout ONNXRun) throws(ImportError) -> Candidate? {
    try run.translate(name)
    let node = ONNXModel.Node(index: 0, name: name, operatorType: "Identity", inputs: [name], outputs: [name])
    guard let value = run.translator.value(named: name) else { return nil }
    func makeCandidate(
      _ row: ONNXActivation, skippedFunction: String? = nil, outputRow: ONNXActivation? = nil
    ) -> Candidate {
      let producer = run.translator.producer(of: row)
      let root = producer?.op is L2Normalization ? producer?.inputs.first : nil
      return Candidate(
        name: name, row: row, skippedFunction: skippedFunction, outputRow: outputRow, root: root ?? row.value)
    }
    switch value {
    case .step(.probabilities(let row, let type)): return makeCandidate(row, skippedFunction: type)
    case .step(.reduced(let reduction)) where reduction.isPooled:
      return makeCandidate(try run.translator.activation(node, 0))
    case .step(.view(let view)) where view.base.isRow && view.layout != nil:
      return makeCandidate(try run.translator.activation(node, 0))
    case .activation(let row) where row.isRow:
      guard let producer = run.translator.producer(of: row), producer.op is Sigmoid, let input = producer.inputs.first
      else { return makeCandidate(row) }
      var scores = row
      scores.value = input
      return makeCandidate(scores, skippedFunction: "Sigmoid", outputRow: row)
    case .activation(let map) where map.isMap && map.height == 1 && map.width == 1:
      return makeCandidate(try run.translator.pool(map, exponent: 1, floor: nil, node: node))
    case .activation, .step, .constant: return nil
    }
  }

  // MARK: Dataflow

  /// Whether a value is computed from another one.
  private func depends(_ value: ValueID, on source: ValueID, _ graph: Graph) -> Bool {
    guard value != source else { return false }
    var isNeeded = [Bool](repeating: false, count: graph.valueCount)
    isNeeded[value.index] = true
    for node in graph.nodes.reversed() where isNeeded[node.output.index] {
      for input in node.inputs { isNeeded[input.index] = true }
    }
    return isNeeded[source.index]
  }

  /// The input of the linear layer that computes a vector; `nil` where there is none. Only scales and offsets may come
  /// between the layer and the vector.
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
      case is BatchNormalization where translator.arithmeticResults.contains(node.output), is Centering,
        is FakeQuantization:
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
    if let skippedFunction = vector.skippedFunction {
      guard let outputRow = vector.outputRow else {
        throw .option(
          "the output '\(vector.name)' is a \(skippedFunction), which is not an embedding; name another value with "
            + "--embedding-output")
      }
      row = outputRow
    }
    if let scores, let skippedFunction = scores.skippedFunction {
      notes.append("the \(skippedFunction) at the output '\(scores.name)' is skipped: the logits are its input")
    }
    let (embedding, normalized) = try run.translator.normalized(row)
    var graph = run.translator.graph
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
      GraphOutput(name: GraphOutput.embedding, value: embedding),
    ]
    if let scores { graph.outputs.append(GraphOutput(name: GraphOutput.logits, value: scores.row.value)) }
    // Directly after the embedding and before the classifier, as in a graph that is built from a state dictionary.
    if let last = graph.nodes.last, last.output == normalized,
      let producer = graph.nodes.firstIndex(where: { $0.output == embedding })
    {
      graph.nodes.removeLast()
      graph.nodes.insert(last, at: producer + 1)
    }
    return graph.withoutUnusedNodes()
  }
}
