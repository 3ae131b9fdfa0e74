import Graphs
import Operators
import Tensors

/// Fuses an addition into the epilogue of one of the two operators it reads, so that the sum is computed from that
/// operator's accumulators and rounded once. If both operators can add a residual, the later one does.
package struct FuseResidual: Pass {
  package static let name = "fuse residual"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let (producers, consumers) = (graph.producers, graph.consumers)
    for (index, node) in graph.nodes.enumerated() {
      guard node.traits.combination == .sum, let sum = node.op as? any EpilogueOperator else { continue }
      let order = node.inputs.indices.sorted {
        producers[node.inputs[$0], default: -1] > producers[node.inputs[$1], default: -1]
      }
      for (main, other) in [(order[0], order[1]), (order[1], order[0])] {
        let (value, residual) = (node.inputs[main], node.inputs[other])
        guard value != residual, let producer = producers[value], consumers[value]?.count == 1,
          !graph.outputs.contains(where: { $0.value == value }),
          let op = Self.op(of: graph.nodes[producer], adding: sum.activation)
        else { continue }
        var fused = graph.nodes[producer]
        fused.op = op
        fused.inputs.append(residual)
        fused.output = node.output
        // The fused node takes the position of the addition, as the residual may be computed after the convolution.
        patch.remove(producer)
        patch.replace(index, with: [fused])
        patch.notes.append("\(node.name) fused into \(fused.name)")
        break
      }
    }
    return patch
  }

  /// The operator of a node, with the activation function of the sum; `nil` if it cannot add a residual.
  private static func op(of node: Node, adding activation: ActivationFunction) -> (any Operator)? {
    guard var op = node.op as? any EpilogueOperator, op.prefersResidual, op.activation == .none,
      node.inputs.count == node.traits.residualSlot
    else { return nil }
    op.activation = activation
    return op
  }
}
