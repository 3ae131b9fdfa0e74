import Graphs
import Operators

/// Moves a ReLU into the store of the convolution, addition or channel scaling that it alone reads.
public struct FuseActivation: Pass {
  public static let name = "fuse activation"

  public init() {}

  public func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
    var patch = GraphPatch(for: graph)
    let (producers, consumers) = (graph.producers, graph.consumers)
    for (index, node) in graph.nodes.enumerated() where node.op is ReLU {
      let input = node.inputs[0]
      guard let producer = producers[input], consumers[input]?.count == 1,
        !graph.outputs.contains(where: { $0.value == input })
      else { continue }
      var fused = graph.nodes[producer]
      switch fused.op {
      case var convolution as Convolution where convolution.activation == .none:
        convolution.activation = .relu
        fused.op = convolution
      case var addition as Addition where addition.activation == .none:
        addition.activation = .relu
        fused.op = addition
      case var scaling as ChannelScaling where scaling.activation == .none:
        scaling.activation = .relu
        fused.op = scaling
      default: continue
      }
      fused.output = node.output
      patch.replace(producer, with: [fused])
      patch.remove(index)
      patch.notes.append("\(node.name) fused into \(fused.name)")
    }
    return patch
  }
}
