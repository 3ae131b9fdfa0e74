import Graphs
import Operators

/// Moves an activation function from the output of a concatenation to each of its inputs, where nothing else reads the
/// concatenation. There it can fuse into the producers of the maps, whose ranges then need no levels for the values
/// that it clips.
package struct MoveActivation: Pass {
  package static let name = "move activation"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    for (index, node) in graph.nodes.enumerated() {
      guard (node.op as? any ActivationOperator)?.function.fitsEpilogues == true,
        let producer = neighbours.onlyReadProducer(of: node), graph.nodes[producer].traits.combination == .concatenation
      else { continue }
      var merged = graph.nodes[producer]
      merged.output = node.output
      let activations = merged.inputs.enumerated().map { slot, value in
        Node(name: "\(node.name).\(slot)", op: node.op, inputs: [value], output: patch.makeValue())
      }
      merged.inputs = activations.map(\.output)
      patch.remove(producer)
      patch.replace(index, with: activations + [merged])
      patch.notes.append("\(node.name) moved before \(merged.name)")
    }
    return patch
  }
}
