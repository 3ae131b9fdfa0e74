import Tensors

/// A change to a graph as a value, which a pass returns. Indices of nodes are those of the graph that the patch is for.
package struct GraphPatch: Sendable {
  private var replacements: [Int: [Node]] = [:]
  private var redirections: [ValueID: ValueID] = [:]
  private var newFormats: [ValueFormat] = []
  private let firstNewValue: Int
  /// What the patch does, as lines for reports, such as "layer1.0.bn1 folded into layer1.0.conv1".
  package var notes: [String] = []

  /// An empty patch for `graph`.
  package init(for graph: Graph) { firstNewValue = graph.valueCount }

  /// Whether the patch changes nothing.
  package var isEmpty: Bool { replacements.isEmpty && redirections.isEmpty }

  /// Adds a value, for the output of a node that the patch adds.
  package mutating func makeValue(format: ValueFormat = .float32) -> ValueID {
    newFormats.append(format)
    return ValueID(firstNewValue + newFormats.count - 1)
  }

  /// Replaces the node at `index` by `nodes`.
  package mutating func replace(_ index: Int, with nodes: [Node]) { replacements[index] = nodes }

  /// Removes the node at `index`; its readers must be redirected.
  package mutating func remove(_ index: Int) { replacements[index] = [] }

  /// Makes everything that reads `old`, outputs included, read `new`.
  package mutating func redirect(_ old: ValueID, to new: ValueID) { redirections[old] = new }

  /// The changed graph. `graph` must be the one that the patch was made for.
  package func applied(to graph: Graph) -> Graph {
    var result = graph
    for format in newFormats { _ = result.makeValue(format: format) }
    result.nodes = graph.nodes.enumerated().flatMap { index, node in replacements[index] ?? [node] }
    // Shortened as they are followed: long chains of nodes may be removed.
    var redirections = redirections
    func resolve(_ value: ValueID) -> ValueID {
      var end = value
      while let next = redirections[end] { end = next }
      var current = value
      while let next = redirections[current], next != end {
        redirections[current] = end
        current = next
      }
      return end
    }
    for index in result.nodes.indices {
      result.nodes[index].inputs = result.nodes[index].inputs.map(resolve)
    }
    for index in result.outputs.indices { result.outputs[index].value = resolve(result.outputs[index].value) }
    return result
  }
}
