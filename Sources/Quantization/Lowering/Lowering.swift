import Graphs
import Tensors

/// A quantised graph, and which of its nodes computes what.
package struct LoweredGraph: Sendable {
  /// Takes uint8 pixels; values that the float graph has keep their numbers.
  package let graph: Graph
  /// The index of what computes each node of the float graph.
  private let indices: [NodeID: Int]

  fileprivate init(_ graph: Graph, _ indices: [NodeID: Int]) { (self.graph, self.indices) = (graph, indices) }

  /// The index, among the nodes of the quantised graph, of what computes a node of the float graph.
  ///
  /// - Parameter node: of the graph that was lowered.
  package func index(of node: Node) -> Int {
    guard let index = indices[node.id] else {
      preconditionFailure("\(node.name) is no node of the graph that was lowered")
    }
    return index
  }

  package subscript(node: Node) -> Node { graph.nodes[index(of: node)] }

  /// The levels that a node of the float graph reads, where it is a convolution of int8 weights; `nil` for others.
  package func levelsRead(by node: Node) -> QuantizationParameters? {
    guard node.traits.weights == .convolution, self[node].constants["weight"]?.elementType == .int8 else { return nil }
    return graph.format(of: node.inputs[0]).quantization
  }
}

/// Makes the quantised graph that a plan describes.
package enum Lowering {
  /// Sets the formats, puts in the levels, rounds biases to the units that they have there, folds preprocessing into what
  /// reads pixels, and adds a conversion wherever an operator reads a format that it cannot compute with.
  ///
  /// - Parameters:
  ///   - graph: the float graph that was planned.
  ///   - levels: of every layer that the plan computes with int8 weights.
  /// - Throws: `GraphError.at` with the node whose bias is out of range, or which has no levels; `.structure` for a plan that
  ///   does not belong to the graph.
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
    if plan.keepsFloat(node) { return WeightLevels.floatConstants(node, plan) }
    guard node.traits.weights != .none else { return node.constants }
    guard let layer = levels[node] else { throw .constant(role: "weight", problem: "has no levels") }
    return try layer.constants(node, input: formats[node.inputs[0].index].quantization)
  }
}
