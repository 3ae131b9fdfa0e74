import Checkpoints
import Graphs
import Operators
import Tensors

/// The values among which the embedding and the logits are found.
extension ONNXOutputs {
  /// A value that is one vector per image.
  struct Candidate {
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
    /// The vector before all scales, offsets and normalisations.
    var origin: ValueID
    var isNormalized: Bool { root != row.value }
  }

  /// The one of the outputs that hold a vector to read: a normalised one, one that is not before a skipped function if
  /// that has factors or offsets of its own, or the first.
  static func vector(_ group: [Candidate]) -> Candidate {
    if let normalized = group.first(where: \.isNormalized) { return normalized }
    guard group[0].skippedFunction != nil else { return group[0] }
    return group.first { $0.skippedFunction == nil && $0.row.value != group[0].row.value } ?? group[0]
  }

  /// Whether the declared type and shape of an output allow one vector per image.
  func mayBeVector(_ name: String) -> Bool {
    guard let info = model.outputs.first(where: { $0.name == name }) else { return true }
    if let type = info.elementType, !type.isFloatingPoint { return false }
    guard let dimensions = info.dimensions, !dimensions.isEmpty else { return true }
    let open = dimensions.dropFirst().filter { $0 != .fixed(1) }
    return dimensions.count >= 2 && open.count { if case .fixed = $0 { true } else { false } } <= 1
  }

  /// A value as one vector per image; `nil` for values of another kind.
  func candidate(_ name: String, _ run: inout ONNXRun) throws(ImportError) -> Candidate? {
    try run.translate(name)
    let node = ONNXModel.Node(index: 0, name: name, operatorType: "Identity", inputs: [name], outputs: [name])
    guard let value = run.translator.value(named: name) else { return nil }
    func makeCandidate(
      _ row: ONNXActivation, skippedFunction: String? = nil, outputRow: ONNXActivation? = nil
    ) -> Candidate {
      let translator = run.translator
      return Candidate(
        name: name, row: row, skippedFunction: skippedFunction, outputRow: outputRow, root: translator.root(of: row),
        origin: translator.origin(of: row.value))
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
  func depends(_ value: ValueID, on source: ValueID, _ graph: Graph) -> Bool {
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
  func lastLayerInput(of scores: Candidate, _ translator: ONNXTranslator) -> Candidate? {
    var row = scores.row
    while let node = translator.producer(of: row), let input = node.inputs.first {
      switch node.op {
      case is Linear:
        let width = node.constants["weight"]?.shape[1] ?? 0
        row = ONNXActivation(value: input, shape: [scores.row.shape[0], width], isRow: true)
        return Candidate(
          name: node.name, row: row, root: translator.root(of: row), origin: translator.origin(of: input))
      default:
        guard let source = translator.arithmeticInput(of: node) else { return nil }
        row.value = source
      }
    }
    return nil
  }
}
