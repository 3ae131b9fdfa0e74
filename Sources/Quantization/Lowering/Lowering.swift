import Graphs
import Tensors

/// A quantised graph, and which of its nodes computes each node of the float graph.
package struct LoweredGraph: Sendable {
  /// The quantised graph, which takes uint8 pixels. Values of the float graph keep their numbers.
  package let graph: Graph
  /// For each node of the float graph, the index of the node that computes it.
  private let indices: [NodeID: Int]

  fileprivate init(_ graph: Graph, _ indices: [NodeID: Int]) { (self.graph, self.indices) = (graph, indices) }

  /// The index, among the nodes of the quantised graph, of the node that computes a node of the float graph.
  ///
  /// - Parameter node: a node of the graph that was lowered; others are a programming error.
  package func index(of node: Node) -> Int {
    guard let index = indices[node.id] else {
      preconditionFailure("\(node.name) is not a node of the graph that was lowered")
    }
    return index
  }

  /// The node of the quantised graph that computes a node of the float graph.
  package subscript(node: Node) -> Node { graph.nodes[index(of: node)] }

  /// The quantisation of the input of a node of the float graph, where that is a convolution with int8 weights; `nil`
  /// for others.
  package func levelsRead(by node: Node) -> QuantizationParameters? {
    guard node.traits.weights == .convolution, self[node].constants["weight"]?.elementType == .int8 else { return nil }
    return graph.format(of: node.inputs[0]).quantization
  }
}

/// Makes the quantised graph that a plan describes.
package enum Lowering {
  /// Sets the formats, replaces weights by levels, rounds biases to their integer units, folds preprocessing into the
  /// layers that read pixels, and inserts a conversion wherever an operator reads a format that it cannot compute with.
  ///
  /// - Parameters:
  ///   - graph: the float graph that was planned.
  ///   - plan: the plan for the graph.
  ///   - levels: the levels of every layer that the plan computes with int8 weights; for layers with int16 weights,
  ///     int16 levels, or none where the weights are to be rounded to the finest ones.
  /// - Throws: `GraphError.at` with the node whose bias is out of range or which has no levels; `.structure` for a plan
  ///   that does not belong to the graph.
  package static func lower(
    _ graph: Graph, plan: QuantizationPlan, levels: WeightLevels
  ) throws(GraphError) -> LoweredGraph {
    let formats = plan.formats(in: graph)
    var assembly = QuantizedAssembly(graph, formats, plan: plan)
    for node in graph.nodes {
      do throws(GraphError) {
        var lowered = node
        lowered.constants = try constants(node, plan, levels, formats)
        if plan.layers[node.name]?.arithmetic == .int8WideInput { lowered.op = node.op.readingRemainder() }
        assembly.append(lowered)
      } catch {
        throw .at(node: node.name, error)
      }
    }
    try assembly.graph.validate()
    return LoweredGraph(assembly.graph, assembly.indices)
  }

  private static func constants(
    _ node: Node, _ plan: QuantizationPlan, _ levels: WeightLevels, _ formats: [ValueFormat]
  ) throws(GraphError) -> [String: Tensor] {
    if plan.keepsFloat(node) {
      guard let layer = levels[node], layer.levels.elementType == .int16 else {
        return WeightLevels.floatConstants(node, plan)
      }
      return try layer.constants(node, input: nil).mapValues { $0.contiguous() }
    }
    guard node.traits.weights != .none else { return node.constants }
    guard let layer = levels[node] else { throw .constant(role: "weight", problem: "has no levels") }
    return try layer.constants(node, input: formats[node.inputs[0].index].quantization)
  }
}
