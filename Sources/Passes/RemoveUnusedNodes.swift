import Graphs

/// Removes nodes whose output the graph does not return and no other node reads, except for such nodes.
package struct RemoveUnusedNodes: Pass {
  package static let name = "remove unread"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    // Backwards, so that what only unread nodes read is unread itself.
    var read = Set(graph.outputs.map(\.value))
    var unread: [(length: Int, index: Int)] = []
    // The length of the longest chain of unread nodes that starts with a reader of the value.
    var lengths: [ValueID: Int] = [:]
    for (index, node) in graph.nodes.enumerated().reversed() {
      if read.contains(node.output) {
        read.formUnion(node.inputs)
      } else {
        let length = lengths[node.output] ?? 0
        unread.append((length, index))
        for input in node.inputs { lengths[input] = max(lengths[input] ?? 0, length + 1) }
      }
    }
    for (_, index) in unread.sorted(by: { $0 < $1 }) {
      patch.remove(index)
      patch.notes.append("\(graph.nodes[index].name) removed: nothing reads it")
    }
    return patch
  }
}
