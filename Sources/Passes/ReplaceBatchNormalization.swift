import Graphs
import Operators
import Tensors

/// Turns the batch norms of maps that could not be folded into depthwise 1x1 convolutions, so that only batch norms of
/// rows remain. Runs after the passes that fold them.
package struct ReplaceBatchNormalization: Pass {
  package static let name = "replace batch normalisation"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let rows = graph.rows
    for (index, node) in graph.nodes.enumerated() {
      guard let norm = node.op as? any ChannelAffineOperator, !rows.contains(node.output) else { continue }
      var replaced = node
      do throws(GraphError) {
        let (factor, offset) = try norm.affine(node.constants)
        replaced.op = Convolution(window: Window(1), groups: factor.count)
        replaced.constants = [
          "weight": Tensor(factor.map { Float($0) }, shape: [factor.count, 1, 1, 1]),
          "bias": Tensor(offset.map { Float($0) }),
        ]
      } catch {
        throw .at(node: node.name, error)
      }
      patch.replace(index, with: [replaced])
      patch.notes.append("\(node.name) became a depthwise convolution")
    }
    return patch
  }
}
