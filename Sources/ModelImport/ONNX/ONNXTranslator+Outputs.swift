import Checkpoints
import Graphs
import Operators
import Tensors

extension ONNXTranslator {
  /// Where a row is the mean of a 1x1 convolution's output, the same vector as a linear layer of the mean of the
  /// convolution's input: both are linear. Otherwise the row itself.
  mutating func poolingBeforeLastConvolution(_ row: ONNXActivation) throws(ImportError) -> ONNXActivation {
    guard let mean = producer(of: row), let pooling = mean.op as? GeneralizedMeanPooling, pooling.exponent == 1,
      pooling.floor == nil, !pooling.appendsOne, let pixels = mean.inputs.first,
      let source = producers[pixels].map({ graph.nodes[$0] }), let convolution = source.op as? Convolution,
      convolution.window == Window(1), convolution.groups == 1, convolution.activation == .none,
      source.inputs.count == 1, let weight = source.constants["weight"], weight.shape.rank == 4
    else { return row }
    let map = ONNXActivation(value: source.inputs[0], shape: [], isRow: false)
    let node = ONNXModel.Node(
      index: 0, name: "\(source.name)_pooled", operatorType: "GlobalAveragePool", inputs: [], outputs: [])
    let pooled = try pool(map, exponent: 1, floor: nil, node: node)
    var constants = source.constants
    constants["weight"] = weight.contiguous().reshaped([weight.shape[0], weight.shape[3]])
    let layer = ONNXModel.Node(
      index: 0, name: "\(source.name)_linear", operatorType: "Gemm", inputs: [], outputs: [])
    return try append(Linear(), node: layer, inputs: [pooled], constants: constants)
      .with(shape: row.shape, channelAxis: row.channelAxis)
  }

  /// The input of a node that only scales, shifts or rounds the elements of a vector; `nil` for other nodes.
  func arithmeticInput(of node: Node) -> ValueID? {
    switch node.op {
    case is BatchNormalization where arithmeticResults.contains(node.output), is Centering, is FakeQuantization:
      node.inputs.first
    default: nil
    }
  }

  /// The vector before the L2 normalisation that computes another; without one, that itself.
  func root(of row: ONNXActivation) -> ValueID {
    guard let producer = producer(of: row), producer.op is L2Normalization else { return row.value }
    return producer.inputs.first ?? row.value
  }

  /// The value before all nodes that only scale, shift, round or normalise a vector. Vectors that have it in common are
  /// one for embeddings, or for logits.
  func origin(of value: ValueID) -> ValueID {
    var value = value
    while let node = producers[value].map({ graph.nodes[$0] }),
      let input = arithmeticInput(of: node) ?? (node.op is L2Normalization ? node.inputs.first : nil)
    {
      value = input
    }
    return value
  }

  /// The embedding and its L2-normalised form, where `vector` may be either of them.
  mutating func normalized(_ vector: ONNXActivation) throws(ImportError) -> (ValueID, ValueID) {
    if let producer = producer(of: vector), producer.op is L2Normalization, let input = producer.inputs.first {
      return (input, vector.value)
    }
    let node = ONNXModel.Node(index: 0, name: "normalize", operatorType: "LpNormalization", inputs: [], outputs: [])
    return (vector.value, try append(L2Normalization(), node: node, inputs: [vector]).value)
  }
}

extension Graph {
  /// The graph without nodes that no output needs.
  func withoutUnusedNodes() -> Graph {
    var needed = Set(outputs.map(\.value))
    var kept: [Node] = []
    for node in nodes.reversed() where needed.contains(node.output) {
      needed.formUnion(node.inputs)
      kept.append(node)
    }
    var result = self
    result.nodes = kept.reversed()
    return result
  }
}
