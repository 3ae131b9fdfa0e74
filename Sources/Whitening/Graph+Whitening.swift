import Graphs
import Operators
import Tensors

extension Graph {
  /// The network up to the vectors that are whitened: pooled, with an appended 1, and L2-normalised. They are its only
  /// output, `GraphOutput.normalizedEmbedding`.
  package func vectorsToWhiten(_ head: WhiteningHead) -> Graph {
    var graph = trunk(head)
    let vectors = graph.appendVectors(head)
    graph.outputs = [GraphOutput(name: GraphOutput.normalizedEmbedding, value: vectors)]
    return graph
  }

  /// The network with a whitened head. Its nodes have the names that importing a whitened checkpoint gives them.
  package func whitened(_ head: WhiteningHead, by constants: WhitenedHead) -> Graph {
    var graph = trunk(head)
    let vectors = graph.appendVectors(head)
    let centered = graph.append(
      Centering(), name: "whitening.center", inputs: [vectors], constants: ["mean": constants.mean])
    let embedding = graph.append(
      Linear(), name: "whitening.project", inputs: [centered],
      constants: ["weight": constants.projection.permuted([1, 0])])
    let normalized = graph.append(head.normalization.op, name: head.normalization.name, inputs: [embedding])
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
      GraphOutput(name: GraphOutput.embedding, value: embedding),
    ]
    if let classifier = head.classifier, let weight = constants.weight, let bias = constants.bias {
      let logits = graph.append(
        Linear(), name: classifier.name, inputs: [constants.readsEmbedding ? embedding : vectors],
        constants: ["weight": weight, "bias": bias])
      graph.outputs.append(GraphOutput(name: GraphOutput.logits, value: logits))
    }
    return graph
  }

  /// The nodes that the pooling depends on, without outputs.
  private func trunk(_ head: WhiteningHead) -> Graph {
    var graph = self
    var needed = Set(head.pooling.inputs)
    var kept: [Node] = []
    for node in nodes.reversed() where needed.contains(node.output) {
      kept.append(node)
      needed.formUnion(node.inputs)
    }
    graph.nodes = kept.reversed()
    graph.outputs = []
    return graph
  }

  private mutating func appendVectors(_ head: WhiteningHead) -> ValueID {
    var pooling = head.pooling.op
    if var op = pooling as? GeneralizedMeanPooling {
      op.appendsOne = true
      pooling = op
    }
    let pooled = append(pooling, name: head.pooling.name, inputs: head.pooling.inputs)
    return append(L2Normalization(), name: "whitening.normalize", inputs: [pooled])
  }
}
