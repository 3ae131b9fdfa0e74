import Graphs

/// Removes nodes whose output no other node reads and the graph does not return.
package struct RemoveUnusedNodes: Pass {
  package static let name = "remove unread"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    for (index, node) in graph.nodes.enumerated() where !neighbours.isRead(node.output) {
      patch.remove(index)
      patch.notes.append("\(node.name) removed: nothing reads it")
    }
    return patch
  }
}
