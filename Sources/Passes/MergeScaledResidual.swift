import Graphs
import Operators
import Tensors

/// Computes `x + (a x f + b)`, with a factor f for each channel from an input and constants a and b, as
/// `x (a f + 1) + b`: the last step of global response normalisation (Woo et al., arXiv 2301.00808, section 4). The map
/// is then read and rounded once, and an offset can be folded into the layer that follows. Runs before batch norms are
/// folded.
package struct MergeScaledResidual: Pass {
  package static let name = "merge scaled residual"

  package init() {}

  package func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let neighbours = Neighbours(graph)
    // Only the sum reads its branch, so no two sums rewrite the same node.
    for (index, node) in graph.nodes.enumerated() {
      guard node.isPlainSum else { continue }
      for slot in 0...1 {
        guard let branch = try Self.branch(node.inputs[slot], of: node.inputs[1 - slot], graph, neighbours) else {
          continue
        }
        Self.merge(branch, into: node, at: index, of: graph, &patch)
        break
      }
    }
    return patch
  }

  /// A map scaled by channel, and then by constants.
  private struct Branch {
    /// The index of the scaling.
    let scaling: Int
    /// The indices of the affine nodes after it.
    var affine: [Int]
    var factor: [Double]
    var offset: [Double]
  }

  /// The branch that computes `value` from `input` and that nothing else reads; `nil` for other values.
  private static func branch(
    _ value: ValueID, of input: ValueID, _ graph: Graph, _ neighbours: Neighbours
  ) throws(GraphError) -> Branch? {
    var (value, affine) = (value, [Int]())
    var (factor, offset) = ([Double](), [Double]())
    while neighbours.isReadOnce(value), let index = neighbours.producers[value] {
      let node = graph.nodes[index]
      guard let op = node.op as? any ChannelAffineOperator else {
        guard !affine.isEmpty, let scaling = node.op as? any ChannelScalingOperator, scaling.activation == .none,
          node.inputs.count == 2, node.inputs[0] == input, node.constants.isEmpty
        else { return nil }
        return Branch(scaling: index, affine: affine, factor: factor, offset: offset)
      }
      do throws(GraphError) {
        let (a, b) = try op.affine(node.constants)
        if affine.isEmpty {
          (factor, offset) = (a, b)
        } else {
          guard a.count == factor.count else { return nil }
          // The later nodes' factors apply to this node's offset.
          offset = b.indices.map { factor[$0] * b[$0] + offset[$0] }
          factor = a.indices.map { factor[$0] * a[$0] }
        }
      } catch { throw .at(node: node.name, error) }
      affine.append(index)
      value = node.inputs[0]
    }
    return nil
  }

  private static func merge(
    _ branch: Branch, into residual: Node, at index: Int, of graph: Graph, _ patch: inout GraphPatch
  ) {
    var scaling = graph.nodes[branch.scaling]
    let factors = patch.makeValue()
    let ones = [Double](repeating: 1, count: branch.factor.count)
    let gate = affine("\(residual.name).factors", scaling.inputs[1], factors, branch.factor, ones)
    scaling.inputs[1] = factors
    scaling.output = residual.output
    var nodes = [gate, scaling]
    if !branch.offset.allSatisfy({ $0 == 0 }) {
      let scaled = patch.makeValue()
      nodes[1].output = scaled
      nodes.append(affine(residual.name, scaled, residual.output, ones, branch.offset))
    }
    patch.remove(branch.scaling)
    for affine in branch.affine { patch.remove(affine) }
    patch.replace(index, with: nodes)
    patch.notes.append("\(residual.name) merged into \(scaling.name)")
  }

  private static func affine(
    _ name: String, _ input: ValueID, _ output: ValueID, _ factor: [Double], _ offset: [Double]
  ) -> Node {
    Node(
      name: name, op: BatchNormalization(epsilon: 0), inputs: [input], output: output,
      constants: BatchNormalization.affineConstants(
        scale: Tensor(factor.map { Float($0) }), shift: Tensor(offset.map { Float($0) })))
  }
}
