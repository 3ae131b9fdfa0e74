import Graphs

/// Removes nodes whose output nothing reads.
package struct RemoveUnread: Pass {
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
