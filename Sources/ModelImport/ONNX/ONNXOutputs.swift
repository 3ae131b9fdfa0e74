import Checkpoints
import Graphs
import Operators
import Suggestions
import Tensors

/// Finds the embedding and the logits among a model's outputs.
///
/// Outputs that options name come first, then outputs called `normalized_embedding`, `embedding` or `logits`. All
/// others are identified by dataflow: the logits are computed from the embedding. Two vectors that do not depend on
/// each other are refused, as either could be the embedding. Vectors that differ only by arithmetic with constants are
/// taken as one. A softmax or a sigmoid after the logits is skipped.
struct ONNXOutputs {
  let model: ONNXModel
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
      if candidate.origin == vector.origin {
        noteUnread([candidate.name], "it is the embedding '\(vector.name)' with factors and offsets")
      } else if depends(candidate.row.value, on: vector.root, run.translator.graph) {
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
      if candidate.origin == scores.origin {
        noteUnread([candidate.name], "it is the logits '\(scores.name)' with factors and offsets")
      } else if depends(scores.row.value, on: candidate.root, run.translator.graph) {
        found.append(candidate)
      } else {
        noteUnread([candidate.name], "the logits '\(scores.name)' are not computed from it")
      }
    }
    let groups = Set(found.map(\.origin))
    if groups.count > 1 { throw Self.undecided(found.map(\.name), "the logits are computed from each of them") }
    if !found.isEmpty {
      let vector = Self.vector(found)
      noteChoice(vector, of: found, option: "--embedding-output")
      return vector
    }
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
      if let index = groups.firstIndex(where: { $0[0].origin == candidate.origin }) {
        groups[index].append(candidate)
      } else {
        groups.append([candidate])
      }
    }
    let vectors = groups.map(Self.vector)
    switch groups.count {
    case 0: return (nil, nil)
    case 1:
      // A softmax tells of logits, even if these are read from another output.
      let function = vectors[0].isNormalized ? vectors[0].skippedFunction : groups[0][0].skippedFunction
      let result = try single(vectors[0], after: function, &run.translator)
      noteChoice(vectors[0], of: groups[0], option: result.logits == nil ? "--embedding-output" : "--logits-output")
      return result
    case 2:
      let (a, b) = (vectors[0], vectors[1])
      let graph = run.translator.graph
      if depends(b.row.value, on: a.origin, graph), !b.isNormalized {
        noteChoice(a, of: groups[0], option: "--embedding-output")
        noteChoice(b, of: groups[1], option: "--logits-output")
        return (a, b)
      }
      if depends(a.row.value, on: b.origin, graph), !a.isNormalized {
        noteChoice(b, of: groups[1], option: "--embedding-output")
        noteChoice(a, of: groups[0], option: "--logits-output")
        return (b, a)
      }
      throw Self.undecided([a.name, b.name], "neither is the other's logits")
    default: throw Self.undecided(candidates.map(\.name), "each could be the embedding")
    }
  }

  /// States which of the outputs that hold a vector is read, where others have factors or offsets of their own.
  private mutating func noteChoice(_ chosen: Candidate, of group: [Candidate], option: String) {
    let others = group.filter { $0.root != chosen.root }
    guard !others.isEmpty else { return }
    assumptions.append(
      ImportAssumption(
        "of the outputs that are one vector with different factors or offsets, '\(chosen.name)' is read, and not "
          + quotedNames(others.map(\.name)), option: option))
  }

  /// For a model with a single vector: the logits if it comes from a linear layer, else the embedding.
  ///
  /// - Parameter function: the skipped function after the vector; `nil` for none.
  private mutating func single(
    _ only: Candidate, after function: String?, _ translator: inout ONNXTranslator
  ) throws(ImportError) -> (embedding: Candidate?, logits: Candidate?) {
    let isScores = function == "Softmax" || function == "LogSoftmax"
    var only = only
    if isScores { only.row = try translator.poolingBeforeLastConvolution(only.row) }
    guard !only.isNormalized, let input = lastLayerInput(of: only, translator) else {
      return isScores ? (logitsAsEmbedding(only), only) : (only, nil)
    }
    if function == nil {
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
