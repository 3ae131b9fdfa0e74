import Graphs

/// Who makes and who reads each value of a graph, for passes that merge a node with the one before it.
struct Neighbours {
  private let graph: Graph
  let producers: [ValueID: Int]
  let consumers: [ValueID: [Int]]
  private let outputs: Set<ValueID>

  init(_ graph: Graph) {
    self.graph = graph
    producers = graph.producers
    consumers = graph.consumers
    outputs = Set(graph.outputs.map(\.value))
  }

  /// Whether one node reads a value, once, and the graph does not put it out.
  func isReadOnce(_ value: ValueID) -> Bool { consumers[value]?.count == 1 && !outputs.contains(value) }

  /// The index of the node that makes a node's first input, if nothing else reads that.
  func onlyReadProducer(of node: Node) -> Int? {
    guard isReadOnce(node.inputs[0]) else { return nil }
    return producers[node.inputs[0]]
  }

  /// Whether anything reads a value.
  func isRead(_ value: ValueID) -> Bool { consumers[value] != nil || outputs.contains(value) }
}
