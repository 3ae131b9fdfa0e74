import Graphs
import Operators
import Tensors

/// The plan of a network whose file states its quantisation.
package struct StoredPlan: Sendable {
  /// The graph that the plan is for: the float graph, with conversions to uint8 in place of the operators that round
  /// activations, as far as no operator before them can store their levels itself.
  package let graph: Graph
  /// The formats and the arithmetic that the file states.
  package let plan: QuantizationPlan
  /// The levels of the weights that the file stores.
  package let levels: WeightLevels
}

/// Plans a network whose file states its quantisation: the levels are those of the file, and nothing is measured.
///
/// The float graph rounds activations by operators with `OperatorTraits.rounding`, and computes what the file defines:
/// in float32, between real values. The plan replaces this by int8 arithmetic where that gives the same levels:
///
/// - A convolution with stored weights between levels sums integers. The float arithmetic of the file differs from that
///   in the last bits only, by the order of its sums.
/// - Operators that select among values (`commutesWithRounding`) work on levels.
/// - Sums, concatenations and conversions work on levels if all possible levels give the same result; otherwise, they
///   compute in float32, operation by operation as the file defines them, and are rounded afterwards.
/// - Everything else computes in float.
package enum StoredQuantizationPlanner {
  /// Plans a network.
  ///
  /// - Parameters:
  ///   - graph: the float graph, folded without changes to weights that the file stores as levels.
  ///   - stored: what the file states of weights.
  /// - Throws: `GraphError.structure` where the new graph is not valid.
  package static func plan(_ graph: Graph, _ stored: StoredQuantization) throws(GraphError) -> StoredPlan {
    let (graph, stored) = try ChannelRoundings.resolved(try RedundantBounds.removed(from: graph), stored)
    var builder = StoredPlanBuilder(RoundingMover(graph), stored)
    builder.addAll()
    try builder.graph.validate()
    return StoredPlan(graph: builder.graph, plan: builder.plan, levels: builder.levels)
  }
}

/// Builds the graph and the plan node by node.
private struct StoredPlanBuilder {
  private(set) var graph: Graph
  private(set) var plan = QuantizationPlan(rangeMethod: .minMax)
  private(set) var levels = WeightLevels()
  private let source: Graph
  private let stored: StoredQuantization
  /// The nodes that roundings were moved before, so that they select among levels.
  private let selections: Set<NodeID>
  private let consumers: [ValueID: [Int]]
  private let rows: Set<ValueID>
  private let outputs: Set<ValueID>
  /// The planned format of each value.
  private var formats: [ValueID: ValueFormat] = [:]
  /// The values that take the place of those of rounding operators that are not needed.
  private var aliases: [ValueID: ValueID] = [:]

  init(_ moved: RoundingMover, _ stored: StoredQuantization) {
    (source, graph) = (moved.graph, moved.graph)
    (self.stored, selections) = (stored, moved.selections)
    graph.nodes = []
    (consumers, rows, outputs) = (source.consumers, source.rows, Set(source.outputs.map(\.value)))
  }

  mutating func addAll() {
    for var node in source.nodes {
      node.inputs = node.inputs.map { aliases[$0] ?? $0 }
      add(node)
    }
    for index in graph.outputs.indices {
      graph.outputs[index].value = aliases[graph.outputs[index].value] ?? graph.outputs[index].value
    }
  }

  private mutating func add(_ node: Node) {
    let traits = node.traits
    if let target = traits.rounding, !rows.contains(node.output) { return addRounding(node, target) }
    switch (node.op.quantizationRule, traits.weights) {
    case (.float, _): append(node, .float)
    case (_, .convolution): addConvolution(node, traits)
    case (_, .matrix): addMatrix(node)
    case (.sameAsInput, _): addSelection(node, traits)
    case (.calibratedRange, _), (.floatWithInt8Weights, _): addArithmetic(node, traits)
    }
  }

  // MARK: - Formats

  private func quantization(of value: ValueID) -> QuantizationParameters? { formats[value]?.quantization }

  /// The format to which the only reader of a value rounds it; `nil` where there is no such reader.
  private func target(of value: ValueID) -> QuantizationParameters? {
    guard let readers = consumers[value], readers.count == 1, !outputs.contains(value), !rows.contains(value) else {
      return nil
    }
    return source.nodes[readers[0]].traits.rounding
  }

  private mutating func append(
    _ node: Node, _ arithmetic: QuantizationPlan.Arithmetic, _ target: QuantizationParameters? = nil,
    reason: String? = nil
  ) {
    let format = target.map { ValueFormat.uint8($0) } ?? .float32
    formats[node.output] = format
    plan.layers[node.name] = .init(arithmetic, reason: reason)
    plan.values[node.name] = .init(
      format: format, reason: target == nil ? "the model does not round it" : "as stored in the model")
    graph.nodes.append(node)
  }

  // MARK: - Operators

  private mutating func addRounding(_ node: Node, _ target: QuantizationParameters) {
    let input = node.inputs[0]
    var node = Node(name: node.name, op: Requantize(), inputs: [input], output: node.output, id: node.id)
    if input == source.input { return append(node, .float, target, reason: "pixels are normalised in float") }
    guard let current = quantization(of: input) else { return append(node, .int8, target) }
    if current == target {
      aliases[node.output] = input
    } else if LevelArithmetic.convertsExactly(current, to: target) {
      append(node, .int8, target)
    } else {
      let real = graph.makeValue()
      append(Node(name: "\(node.name).real", op: Requantize(), inputs: [input], output: real), .int8)
      node.inputs = [real]
      append(node, .int8, target)
    }
  }

  private mutating func addConvolution(_ node: Node, _ traits: OperatorTraits) {
    guard let weights = stored.weights[node.id] else {
      return append(node, .float, reason: "the weights are float in the model")
    }
    guard let input = quantization(of: node.inputs[0]) else {
      return addFloat(node, weights, reason: "the model does not round the input to 8 bits")
    }
    guard let layer = WeightLevels.Layer(stored: node, weights, input: input) else {
      return addFloat(node, weights, reason: "an int8 does not hold the weights of the model")
    }
    let residual = traits.residualSlot.flatMap { node.inputs.indices.contains($0) ? node.inputs[$0] : nil }
    let target = residual.map { quantization(of: $0) != nil } ?? true ? target(of: node.output) : nil
    guard target != nil || traits.canStoreFloat else {
      return addFloat(node, weights, reason: "the model does not round the output to 8 bits")
    }
    levels[node] = layer
    append(node, .int8, target)
  }

  private mutating func addMatrix(_ node: Node) {
    guard let weights = stored.weights[node.id] else {
      return append(node, .float, reason: "the weights are float in the model")
    }
    guard let layer = WeightLevels.Layer(stored: node, weights, input: nil) else {
      return addFloat(node, weights, reason: "an int8 does not hold the weights of the model")
    }
    levels[node] = layer
    append(node, .int8Weights)
  }

  /// A layer that computes in float, with the levels of the file where an int16 holds them.
  private mutating func addFloat(_ node: Node, _ weights: StoredQuantization.Weights, reason: String) {
    guard let layer = WeightLevels.Layer(storedFloat: node, weights) else {
      return append(node, .float, reason: reason)
    }
    levels[node] = layer
    append(node, .int16Weights, reason: reason)
  }

  private mutating func addSelection(_ node: Node, _ traits: OperatorTraits) {
    guard let input = quantization(of: node.inputs[0]), traits.commutesWithRounding,
      !traits.saturates || selections.contains(node.id) || target(of: node.output) == input
    else { return append(node, .float) }
    append(node, .int8, input)
  }

  private mutating func addArithmetic(_ node: Node, _ traits: OperatorTraits) {
    let inputs = node.inputs.compactMap { quantization(of: $0) }
    guard !rows.contains(node.output), traits.floatSlots.isEmpty, inputs.count == node.inputs.count else {
      return append(node, .float)
    }
    let target = target(of: node.output)
    let isExact: Bool
    switch traits.combination {
    case .sum: isExact = target.map { LevelArithmetic.addsExactly(inputs, to: $0) } ?? false
    case .concatenation:
      isExact = target.map { target in inputs.allSatisfy { LevelArithmetic.convertsExactly($0, to: target) } } ?? false
    case .first where inputs.count == 1 && node.op is any ActivationOperator:
      // A function of single elements is rounded once, from float32.
      return append(node, .int8, target)
    case .first, .residual: return append(node, .float)
    }
    append(node, .int8, isExact ? target : nil)
  }
}

/// Moves roundings before operators that select among values, so that the operator before these can store the levels.
private struct RoundingMover {
  private(set) var graph: Graph
  /// The nodes that roundings were moved before.
  private(set) var selections: Set<NodeID> = []

  init(_ graph: Graph) {
    self.graph = graph
    while move() {}
  }

  /// Makes one move; false where nothing can be moved.
  private mutating func move() -> Bool {
    let (producers, consumers, rows) = (graph.producers, graph.consumers, graph.rows)
    let outputs = Set(graph.outputs.map(\.value))
    var rounded: Set<ValueID> = []
    for (index, node) in graph.nodes.enumerated() {
      let traits = node.traits
      if traits.commutesWithRounding, rounded.contains(node.inputs[0]) { rounded.insert(node.output) }
      guard traits.rounding != nil, !rows.contains(node.output) else { continue }
      let value = node.inputs[0]
      rounded.insert(node.output)
      guard let producer = producers[value], consumers[value]?.count == 1, !outputs.contains(value),
        graph.nodes[producer].traits.commutesWithRounding, graph.nodes[producer].inputs.count == 1,
        !rounded.contains(graph.nodes[producer].inputs[0]), graph.nodes[producer].inputs[0] != graph.input
      else { continue }
      var (rounding, selection) = (node, graph.nodes[producer])
      (rounding.inputs, rounding.output) = (selection.inputs, value)
      (selection.inputs, selection.output) = ([value], node.output)
      graph.nodes[index] = selection
      graph.nodes[producer] = rounding
      selections.insert(selection.id)
      return true
    }
    return false
  }
}
