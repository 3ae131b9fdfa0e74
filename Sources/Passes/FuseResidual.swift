import Graphs
import Operators
import Tensors

/// Makes an addition the epilogue of the later of the two convolutions it reads, so that the sum is formed from its
/// accumulators and rounded once.
public struct FuseResidual: Pass {
  public static let name = "fuse residual"

  public init() {}

  public func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let (producers, consumers) = (graph.producers, graph.consumers)
    for (index, node) in graph.nodes.enumerated() {
      guard let addition = node.op as? Addition else { continue }
      let order = node.inputs.indices.sorted {
        producers[node.inputs[$0], default: -1] > producers[node.inputs[$1], default: -1]
      }
      let (main, other) = (node.inputs[order[0]], node.inputs[order[1]])
      guard main != other, let producer = producers[main], consumers[main]?.count == 1,
        !graph.outputs.contains(where: { $0.value == main }),
        var convolution = graph.nodes[producer].op as? Convolution, convolution.activation == .none,
        graph.nodes[producer].inputs.count == 1, convolution.groups == 1
      else { continue }
      convolution.activation = addition.activation
      var fused = graph.nodes[producer]
      fused.op = convolution
      fused.inputs.append(other)
      fused.output = node.output
      patch.replace(producer, with: [fused])
      patch.remove(index)
      patch.notes.append("\(node.name) fused into \(fused.name)")
    }
    return patch
  }
}
