import Graphs
import Operators

/// Evaluates once what several nodes compute alike: the same operator without constants on the same values. NASNets apply a
/// ReLU to a map for each branch that reads it.
package struct ShareRepeated: Pass {
  package static let name = "share repeated operators"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    var first: [Key: Node] = [:]
    for (index, node) in graph.nodes.enumerated() where node.constants.isEmpty {
      let key = Key(kind: node.kind, attributes: node.op.attributes, inputs: node.inputs)
      guard let known = first[key] else {
        first[key] = node
        continue
      }
      patch.remove(index)
      patch.redirect(node.output, to: known.output)
      patch.notes.append("\(node.name) shares \(known.name)")
    }
    return patch
  }

  private struct Key: Hashable {
    let kind: String
    let attributes: Attributes
    let inputs: [ValueID]
  }
}
