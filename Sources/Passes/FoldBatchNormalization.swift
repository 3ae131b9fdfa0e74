import Graphs
import Operators
import Tensors

/// Scales the weights of a convolution by the batch norm that alone reads it, and makes the norm's offset its bias:
/// `w' = w * factor`, `b' = b * factor + offset`, computed in double precision
/// (Jacob et al., arXiv 1712.05877, section 3.2).
public struct FoldBatchNormalization: Pass {
  public static let name = "fold batch normalisation"

  public init() {}

  public func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let (producers, consumers) = (graph.producers, graph.consumers)
    for (index, node) in graph.nodes.enumerated() {
      guard let norm = node.op as? BatchNormalization, let producer = producers[node.inputs[0]],
        consumers[node.inputs[0]]?.count == 1, !graph.outputs.contains(where: { $0.value == node.inputs[0] }),
        let convolution = graph.nodes[producer].op as? Convolution, convolution.activation == .none,
        graph.nodes[producer].inputs.count == 1
      else { continue }
      var folded = graph.nodes[producer]
      do throws(GraphError) {
        folded.constants = try Self.fold(norm, node.constants, into: folded.constants)
      } catch {
        throw .at(node: node.name, error)
      }
      folded.output = node.output
      patch.replace(producer, with: [folded])
      patch.remove(index)
      patch.notes.append("\(node.name) folded into \(folded.name)")
    }
    return patch
  }

  /// The constants of the convolution with the norm in them: `weight`, a scaled view, and `bias`.
  static func fold(
    _ norm: BatchNormalization, _ constants: [String: Tensor], into convolution: [String: Tensor]
  ) throws(GraphError) -> [String: Tensor] {
    let (factor, offset) = try norm.affine(constants)
    guard let weight = convolution["weight"], weight.elementType == .float32, weight.shape.rank == 4,
      weight.shape[0] == factor.count
    else { throw .constant(role: "weight", problem: "does not fit a norm of \(factor.count) channels") }
    var bias = [Float](repeating: 0, count: factor.count)
    if let given = convolution["bias"] {
      guard given.elementType == .float32, given.elementCount == factor.count else {
        throw .constant(role: "bias", problem: "does not fit a norm of \(factor.count) channels")
      }
      bias = given.elements(as: Float.self)
    }
    var result = convolution
    result["weight"] = weight.scalingRows(by: factor)
    result["bias"] = Tensor(factor.indices.map { Float(Double(bias[$0]) * factor[$0] + offset[$0]) })
    return result
  }
}
