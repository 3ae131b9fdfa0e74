import Graphs

/// Puts nodes into an order that depends only on the graph's structure: depth first from the outputs, and among a
/// node's inputs, those with the shorter path from the image first. Fusions depend on the order, so graphs that differ
/// only in how their source listed its nodes are fused and quantised alike. A short branch is computed before the long
/// one that it joins.
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

  /// The indices of the nodes in their new order. Those that no output needs come last.
  private static func order(of graph: Graph) -> [Int] {
    let producers = graph.producers
    var depths = [Int](repeating: 0, count: graph.nodes.count)
    var sources: [[Int]] = []
    for (index, node) in graph.nodes.enumerated() {
      let nodeSources = node.inputs.compactMap { producers[$0] }
      depths[index] = nodeSources.reduce(0) { max($0, depths[$1] + 1) }
      sources.append(nodeSources)
    }
    // Swift's sort need not be stable, so ties in depth are broken by the position among the inputs.
    let sorted = sources.map { nodeSources in
      nodeSources.enumerated()
        .sorted { (depths[$0.element], $0.offset) < (depths[$1.element], $1.offset) }
        .map(\.element)
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
