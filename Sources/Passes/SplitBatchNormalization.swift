import Graphs
import Operators
import Tensors

/// Splits the batch norm after a concatenation by channel into one for each input of the concatenation. Each can then
/// be folded into the convolution before it.
package struct SplitBatchNormalization: Pass {
  package static let name = "split batch normalisation"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    for (index, node) in graph.nodes.enumerated() where node.op is any ChannelAffineOperator {
      guard let producer = neighbours.onlyReadProducer(of: node),
        graph.nodes[producer].traits.combination == .concatenation
      else {
        continue
      }
      let concatenation = graph.nodes[producer]
      guard let channels = Self.channels(of: concatenation, graph, neighbours) else { continue }
      var nodes: [Node] = []
      var merged = concatenation
      merged.output = node.output
      var first = 0
      for (slot, count) in channels.enumerated() {
        do throws(GraphError) {
          let output = patch.makeValue()
          nodes.append(
            Node(
              name: "\(node.name).\(slot)", op: node.op, inputs: [concatenation.inputs[slot]], output: output,
              constants: try Self.slice(node.constants, first..<first + count)))
          merged.inputs[slot] = output
          first += count
        } catch {
          throw .at(node: node.name, error)
        }
      }
      patch.remove(producer)
      patch.replace(index, with: nodes + [merged])
      patch.notes.append("\(node.name) split before \(concatenation.name)")
    }
    return patch
  }

  /// The number of channels of each concatenated map; `nil` unless every map comes from an operator whose weights can
  /// be scaled by output channel.
  private static func channels(of node: Node, _ graph: Graph, _ neighbours: Neighbours) -> [Int]? {
    var counts: [Int] = []
    for value in node.inputs {
      guard let producer = neighbours.producers[value], graph.nodes[producer].op.hasOutputChannelWeights,
        let weight = graph.nodes[producer].constants["weight"]
      else { return nil }
      counts.append(weight.shape[0])
    }
    return counts
  }

  /// The constants of a batch norm for a range of its channels.
  private static func slice(
    _ constants: [String: Tensor], _ range: Range<Int>
  ) throws(GraphError) -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for (role, tensor) in constants {
      guard tensor.elementType == .float32, tensor.elementCount >= range.upperBound else {
        throw .constant(role: role, problem: "does not fit \(range.upperBound) channels")
      }
      result[role] = Tensor(Array(tensor.elements(as: Float.self)[range]))
    }
    return result
  }
}
