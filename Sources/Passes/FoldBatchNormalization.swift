import Graphs
import Operators
import Tensors

/// Folds a batch norm into the convolution or linear layer before it, where nothing else reads that layer's output:
/// `w' = w * factor`, `b' = b * factor + offset`, computed in double precision (Jacob et al., arXiv 1712.05877,
/// section 3.2). A `Centering` of a linear layer's output becomes part of the layer's bias in the same way.
package struct FoldBatchNormalization: Pass {
  package static let name = "fold batch normalisation"

  /// The nodes whose weights must stay as they are.
  private let fixed: Set<NodeID>

  /// - Parameter fixed: the nodes whose weights must stay as they are, because a file stores their levels.
  package init(keeping fixed: Set<NodeID> = []) { self.fixed = fixed }

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    var nodes = graph.nodes
    // The layers that norms were folded into, by the norms' indices: another norm may follow.
    var layers: [Int: Int] = [:]
    for (index, node) in graph.nodes.enumerated() {
      guard let affine = node.op as? any ChannelAffineOperator, let before = neighbours.onlyReadProducer(of: node)
      else { continue }
      let producer = layers[before] ?? before
      guard let layer = nodes[producer].op as? any AffineFoldingOperator,
        layer.canFoldAffine(inputs: nodes[producer].inputs.count), !fixed.contains(nodes[producer].id)
      else { continue }
      var folded = nodes[producer]
      do throws(GraphError) {
        let (factor, offset) = try affine.affine(node.constants)
        folded.constants = try Self.fold(factor, offset, into: folded.constants)
      } catch {
        throw .at(node: node.name, error)
      }
      folded.output = node.output
      (nodes[producer], layers[index]) = (folded, producer)
      patch.replace(producer, with: [folded])
      patch.remove(index)
      patch.notes.append("\(node.name) folded into \(folded.name)")
    }
    return patch
  }

  /// The layer's constants with the norm folded in: `weight`, a scaled view, and `bias`, one element per output
  /// channel.
  private static func fold(
    _ factor: [Double], _ offset: [Double], into layer: [String: Tensor]
  ) throws(GraphError) -> [String: Tensor] {
    guard let weight = layer["weight"], weight.elementType == .float32, weight.shape.rank >= 1,
      weight.shape[0] == factor.count
    else { throw .constant(role: "weight", problem: "does not fit a norm of \(factor.count) channels") }
    var bias = [Float](repeating: 0, count: factor.count)
    if let stored = layer["bias"] {
      guard stored.elementType == .float32, stored.elementCount == factor.count else {
        throw .constant(role: "bias", problem: "does not fit a norm of \(factor.count) channels")
      }
      bias = stored.elements(as: Float.self)
    }
    var result = layer
    if !factor.allSatisfy({ $0 == 1 }) { result["weight"] = weight.scalingRows(by: factor) }
    result["bias"] = Tensor(factor.indices.map { Float(Double(bias[$0]) * factor[$0] + offset[$0]) })
    return result
  }
}
