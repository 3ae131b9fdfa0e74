import Graphs
import Operators
import Tensors

/// Replaces the sum of two layers that read the same value by one layer, where nothing else reads their outputs: the
/// branches of RepVGG (Ding et al., arXiv 2101.03697, section 3.3) and MobileOne (Vasu et al., arXiv 2206.04040,
/// section 3.2) become a single convolution. Runs after batch norms have been folded, or have become convolutions.
package struct MergeParallelLayers: Pass {
  package static let name = "merge parallel layers"

  /// The nodes whose weights must stay as they are.
  private let fixed: Set<NodeID>

  /// - Parameter fixed: the nodes whose weights must stay as they are, because a file stores their levels.
  package init(keeping fixed: Set<NodeID> = []) { self.fixed = fixed }

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    // A merged layer stands at the sum's index, so the indices of producers stay valid for a sum that reads it. A value
    // that a sum reads next to a merged layer still has two readers.
    var nodes = graph.nodes
    var room = Self.room(for: graph)
    for (index, node) in graph.nodes.enumerated() {
      guard node.isPlainSum, node.inputs.allSatisfy(neighbours.isReadOnce),
        let first = neighbours.producers[node.inputs[0]], let second = neighbours.producers[node.inputs[1]]
      else { continue }
      let (a, b) = (nodes[first], nodes[second])
      guard a.inputs.count == 1, a.inputs == b.inputs, !fixed.contains(a.id), !fixed.contains(b.id),
        let layer = a.op as? any ParallelMergingOperator,
        let other = b.op as? any ParallelMergingOperator, Self.weights(a) + Self.weights(b) <= room,
        let (op, constants) = layer.merged(a.constants, with: other, b.constants)
      else { continue }
      // The merged layer has the name of the one with more weights.
      let weights = [a, b].map(Self.weights)
      room -= weights[0] + weights[1]
      let absorbed = weights[0] >= weights[1] ? b : a
      var merged = weights[0] >= weights[1] ? a : b
      (merged.op, merged.constants, merged.output) = (op, constants, node.output)
      nodes[index] = merged
      patch.remove(first)
      patch.remove(second)
      patch.replace(index, with: [merged])
      patch.notes.append("\(absorbed.name) merged into \(merged.name)")
    }
    return patch
  }

  /// The number of weights of a layer.
  private static func weights(_ node: Node) -> Int { node.constants["weight"]?.elementCount ?? 0 }

  /// The number of weights that may be read to merge layers. Each merged layer has weights of its own, so a file whose
  /// layers share theirs could become thousands of times as large. Layers with weights of their own stay below this.
  private static func room(for graph: Graph) -> Int {
    var storages: Set<ObjectIdentifier> = []
    var bytes = 0
    for weight in graph.nodes.compactMap({ $0.constants["weight"] })
    where storages.insert(ObjectIdentifier(weight.storage)).inserted {
      bytes += weight.storage.bytes.count
    }
    return 1 << 21 + bytes / MemoryLayout<Float>.stride * 32
  }
}
