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

  /// The network with its own L2-normalised embedding and, by each of several numbers of dimensions, that of a whitened
  /// network with as many: outputs of the names `GraphOutput.normalizedEmbedding` and `whitenedOutput(_:)`.
  ///
  /// - Parameter dimensions: distinct, each from 1 to the dimension of the vectors that are whitened.
  package func whitenedByDimension(_ head: WhiteningHead, _ whitening: Whitening, dimensions: [Int]) -> Graph {
    var graph = self
    graph.outputs = outputs.filter { $0.name == GraphOutput.normalizedEmbedding }
    let vectors = graph.appendVectors(head, suffix: "@whitened")
    let mean = Tensor(whitening.mean.map(Float.init))
    for columns in dimensions {
      let centered = graph.append(
        Centering(), name: "whitening.center@\(columns)", inputs: [vectors], constants: ["mean": mean])
      let projection = Tensor(
        whitening.projection(columns: columns).map(Float.init), shape: [whitening.dimension, columns])
      let embedding = graph.append(
        Linear(), name: "whitening.project@\(columns)", inputs: [centered],
        constants: ["weight": projection.permuted([1, 0])])
      let name = Self.whitenedOutput(columns)
      let normalized = graph.append(head.normalization.op, name: name, inputs: [embedding])
      graph.outputs.append(GraphOutput(name: name, value: normalized))
    }
    graph.keepNodes(neededFor: graph.outputs.map(\.value))
    return graph
  }

  /// The name of the whitened embedding of a number of dimensions.
  package static func whitenedOutput(_ dimensions: Int) -> String { "\(GraphOutput.normalizedEmbedding)@\(dimensions)" }

  /// The nodes that the pooling depends on, without outputs.
  private func trunk(_ head: WhiteningHead) -> Graph {
    var graph = self
    graph.keepNodes(neededFor: head.pooling.inputs)
    graph.outputs = []
    return graph
  }

  private mutating func keepNodes(neededFor values: [ValueID]) {
    var needed = Set(values)
    var kept: [Node] = []
    for node in nodes.reversed() where needed.contains(node.output) {
      kept.append(node)
      needed.formUnion(node.inputs)
    }
    nodes = kept.reversed()
  }

  /// - Parameter suffix: what is added to the names of nodes.
  private mutating func appendVectors(_ head: WhiteningHead, suffix: String = "") -> ValueID {
    var pooling = head.pooling.op
    if var op = pooling as? GeneralizedMeanPooling {
      op.appendsOne = true
      pooling = op
    }
    let pooled = append(pooling, name: head.pooling.name + suffix, inputs: head.pooling.inputs)
    return append(L2Normalization(), name: "whitening.normalize" + suffix, inputs: [pooled])
  }
}
