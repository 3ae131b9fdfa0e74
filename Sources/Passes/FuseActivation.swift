import Graphs
import Operators

/// Fuses an activation function into the epilogue of the operator before it, where nothing else reads that operator's
/// output.
package struct FuseActivation: Pass {
  package static let name = "fuse activation"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    for (index, node) in graph.nodes.enumerated() {
      guard let function = (node.op as? any ActivationOperator)?.function, function.fitsEpilogues,
        let producer = neighbours.onlyReadProducer(of: node),
        var op = graph.nodes[producer].op as? any EpilogueOperator, op.activation == .none
      else { continue }
      op.activation = function
      var fused = graph.nodes[producer]
      fused.op = op
      fused.output = node.output
      patch.replace(producer, with: [fused])
      patch.remove(index)
      patch.notes.append("\(node.name) fused into \(fused.name)")
    }
    return patch
  }
}
