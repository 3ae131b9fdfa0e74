import Graphs
import Operators
import Tensors

/// Makes an addition the epilogue of one of the operators it reads that can add a residual, the later if both are, so that
/// the sum is formed from its accumulators and rounded once.
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
        // The residual may be made after the convolution, but not after the addition.
        patch.remove(producer)
        patch.replace(index, with: [fused])
        patch.notes.append("\(node.name) fused into \(fused.name)")
        break
      }
    }
    return patch
  }

  /// The operator of a node that can take a residual, with the activation of the sum.
  private static func op(of node: Node, adding activation: ActivationFunction) -> (any Operator)? {
    guard var op = node.op as? any EpilogueOperator, op.prefersResidual, op.activation == .none,
      node.inputs.count == node.traits.residualSlot
    else { return nil }
    op.activation = activation
    return op
  }
}
