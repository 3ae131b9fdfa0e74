import Graphs
import Operators
import Tensors

/// Folds an offset for each channel into the layer that alone reads its result: `w (x + b) + c` is `w x + (w b + c)`.
/// Only layers without padding can take it: their padding would have to be `-b`. Runs after `FoldBatchNormalization`,
/// which folds offsets and factors into the layer before them where that is possible.
package struct FoldIntoNextLayer: Pass {
  package static let name = "fold into the next layer"

  /// The nodes whose weights must stay as they are.
  private let fixed: Set<NodeID>

  /// - Parameter fixed: the nodes whose weights must stay as they are, because a file stores their levels.
  package init(keeping fixed: Set<NodeID> = []) { self.fixed = fixed }

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    var nodes = graph.nodes
    for (index, node) in graph.nodes.enumerated() {
      guard node.op is any ChannelAffineOperator, neighbours.isReadOnce(node.output),
        let reader = neighbours.consumers[node.output]?.first
      else { continue }
      // What the layer reads after this may be the result of another such node.
      var next: Int? = index
      while let affine = next, let folded = try self.folded(nodes[affine], into: nodes[reader]) {
        patch.remove(affine)
        patch.replace(reader, with: [folded])
        patch.notes.append("\(nodes[affine].name) folded into \(folded.name)")
        nodes[reader] = folded
        next = neighbours.onlyReadProducer(of: folded)
      }
    }
    return patch
  }

  /// The layer with the offset of the node that computes its first input folded in; `nil` where that is not possible.
  private func folded(_ node: Node, into reader: Node) throws(GraphError) -> Node? {
    guard let affine = node.op as? any ChannelAffineOperator, reader.inputs.first == node.output,
      !fixed.contains(reader.id), let layer = reader.op as? any OffsetFoldingOperator, layer.canFoldInputOffset
    else { return nil }
    var folded = reader
    do throws(GraphError) {
      let (factor, offset) = try affine.affine(node.constants)
      guard factor.allSatisfy({ $0 == 1 }), let bias = Self.bias(of: folded.constants, offset) else { return nil }
      folded.constants["bias"] = bias
    } catch { throw .at(node: node.name, error) }
    folded.inputs[0] = node.inputs[0]
    return folded
  }

  /// The bias of a layer with the weights [O, ..., C], with an offset of its input folded in; `nil` where the weights
  /// do not fit.
  private static func bias(of layer: [String: Tensor], _ offset: [Double]) -> Tensor? {
    guard let weight = layer["weight"], weight.elementType == .float32, weight.shape.rank >= 2,
      weight.elementCount == weight.shape[0] * offset.count
    else { return nil }
    let weights = weight.elements(as: Float.self)
    let bias = layer["bias"]?.elements(as: Float.self)
    let sums = (0..<weight.shape[0]).map { row in
      offset.indices.reduce(bias.map { Double($0[row]) } ?? 0) { sum, column in
        sum + Double(weights[row * offset.count + column]) * offset[column]
      }
    }
    return Tensor(sums.map { Float($0) })
  }
}
