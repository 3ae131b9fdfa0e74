import Graphs
import Operators

/// Merges nodes that compute the same value: the same operator, without constants, on the same inputs. NASNets, for
/// example, apply a ReLU to a map once for each branch that reads it.
package struct MergeDuplicates: Pass {
  package static let name = "share repeated operators"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    var first: [Key: Node] = [:]
    // Nodes that read the results of merged ones compute the same value as well.
    var merged: [ValueID: ValueID] = [:]
    for (index, node) in graph.nodes.enumerated() where node.constants.isEmpty {
      let key = Key(kind: node.kind, attributes: node.op.attributes, inputs: node.inputs.map { merged[$0] ?? $0 })
      guard let original = first[key] else {
        first[key] = node
        continue
      }
      merged[node.output] = original.output
      patch.remove(index)
      patch.redirect(node.output, to: original.output)
      patch.notes.append("\(node.name) shares \(original.name)")
    }
    return patch
  }

  private struct Key: Hashable {
    let kind: String
    let attributes: Attributes
    let inputs: [ValueID]
  }
}
