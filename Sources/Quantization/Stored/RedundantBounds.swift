import Graphs
import Operators

/// Bounds before a rounding whose levels do not exceed them, such as those of a ReLU6: without them, the levels are the
/// same, and the layer before can store them itself.
enum RedundantBounds {
  static func removed(from graph: Graph) throws(GraphError) -> Graph {
    var graph = graph
    let (producers, consumers) = (graph.producers, graph.consumers)
    let outputs = Set(graph.outputs.map(\.value))
    var removed: Set<Int> = []
    for index in graph.nodes.indices {
      let node = graph.nodes[index]
      guard let rounding = node.op as? any RoundingOperator, let producer = producers[node.inputs[0]],
        consumers[node.inputs[0]]?.count == 1, !outputs.contains(node.inputs[0]),
        let (minimum, maximum) = bounds(of: graph.nodes[producer].op)
      else { continue }
      do throws(GraphError) {
        guard try rounding.isWithin(minimum: minimum, maximum: maximum, constants: node.constants) else { continue }
      } catch { throw .at(node: node.name, error) }
      if var epilogue = graph.nodes[producer].op as? any EpilogueOperator {
        epilogue.activation = .none
        graph.nodes[producer].op = epilogue
      } else {
        graph.nodes[index].inputs = graph.nodes[producer].inputs
        removed.insert(producer)
      }
    }
    graph.nodes = graph.nodes.indices.filter { !removed.contains($0) }.map { graph.nodes[$0] }
    return graph
  }

  /// The bounds that an operator, or the epilogue of one, sets last; `nil` where there are none.
  private static func bounds(of op: any Operator) -> (minimum: Double, maximum: Double)? {
    if let activation = op as? any ActivationOperator { return activation.function.bounds }
    guard let activation = (op as? any EpilogueOperator)?.activation, case .clip = activation else { return nil }
    return activation.bounds
  }
}
