import Graphs
import Operators

/// The producer and the consumers of each value of a graph, for passes that merge a node with the one before it.
struct Neighbours {
  private let graph: Graph
  /// The index of the node that produces each value.
  let producers: [ValueID: Int]
  /// The indices of the nodes that read each value.
  let consumers: [ValueID: [Int]]
  private let outputs: Set<ValueID>

  init(_ graph: Graph) {
    self.graph = graph
    producers = graph.producers
    consumers = graph.consumers
    outputs = Set(graph.outputs.map(\.value))
  }

  /// Whether exactly one node reads a value, once, and the value is not an output of the graph.
  func isReadOnce(_ value: ValueID) -> Bool { consumers[value]?.count == 1 && !outputs.contains(value) }

  /// The index of the node that produces a node's first input, if nothing else reads that value.
  func onlyReadProducer(of node: Node) -> Int? {
    guard isReadOnce(node.inputs[0]) else { return nil }
    return producers[node.inputs[0]]
  }
}

extension Node {
  /// Whether the node adds two values, without an activation function.
  var isPlainSum: Bool {
    traits.combination == .sum && inputs.count == 2
      && (op as? any EpilogueOperator)?.activation == ActivationFunction.none
  }
}
