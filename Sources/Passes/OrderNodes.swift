import Graphs

/// Puts nodes into the order that the graph alone decides: depth first from the outputs, of a node's inputs the one with
/// the shorter path from the image first. Fusions choose by order, so graphs that differ only in how their source listed
/// its nodes are fused and quantised alike; and a short branch is computed before the long one that it joins.
package struct OrderNodes: Pass {
  package static let name = "order nodes"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let order = Self.order(of: graph)
    for (index, source) in order.enumerated() where index != source {
      patch.replace(index, with: [graph.nodes[source]])
    }
    return patch
  }

  /// The indices of the nodes in their new order; those that no output needs come last, as they were.
  private static func order(of graph: Graph) -> [Int] {
    let producers = graph.producers
    var depths = [Int](repeating: 0, count: graph.nodes.count)
    var sources: [[Int]] = []
    for (index, node) in graph.nodes.enumerated() {
      let own = node.inputs.compactMap { producers[$0] }
      depths[index] = own.reduce(0) { max($0, depths[$1] + 1) }
      sources.append(own)
    }
    // A sort by depth alone would be free to swap equals; the position among the inputs decides between them.
    let sorted = sources.map { own in
      own.enumerated().sorted { (depths[$0.element], $0.offset) < (depths[$1.element], $1.offset) }.map(\.element)
    }
    var order: [Int] = []
    var isPlaced = [Bool](repeating: false, count: graph.nodes.count)
    let roots = graph.outputs.compactMap { producers[$0.value] } + graph.nodes.indices
    for root in roots where !isPlaced[root] {
      var stack = [(node: root, next: 0)]
      while let top = stack.last {
        if isPlaced[top.node] {
          stack.removeLast()
        } else if top.next < sorted[top.node].count {
          stack[stack.count - 1].next += 1
          stack.append((sorted[top.node][top.next], 0))
        } else {
          isPlaced[top.node] = true
          order.append(top.node)
          stack.removeLast()
        }
      }
    }
    return order
  }
}
