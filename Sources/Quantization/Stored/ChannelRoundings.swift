import Graphs
import Operators
import Tensors

/// Roundings with a scale for each channel, as NNCF places them before depthwise convolutions. A channel of such a
/// convolution depends on one channel of its input, so that its weights can take the scales, and the map is stored in
/// steps, with the scale 1. Where a convolution with stored weights computes the map, its weights take the scales, too;
/// elsewhere, channels are divided by their scales in float.
enum ChannelRoundings {
  /// Replaces these roundings by ones with a single scale, as far as all readers allow it. Others stay, and compute in
  /// float.
  static func resolved(
    _ graph: Graph, _ stored: StoredQuantization
  ) throws(GraphError) -> (graph: Graph, stored: StoredQuantization) {
    var (graph, stored) = (graph, stored)
    for node in graph.nodes {
      guard let op = node.op as? any RoundingOperator, let scales = try op.channelScales(node.constants),
        let plain = op.perTensor, !graph.outputs.contains(where: { $0.value == node.output }),
        let index = graph.nodes.firstIndex(where: { $0.id == node.id })
      else { continue }
      let readers = graph.consumers[node.output] ?? []
      guard readers.allSatisfy({ reads(graph.nodes[$0], node.output, stored, channels: scales.count) }) else {
        continue
      }
      for reader in readers {
        let factors = graph.nodes[reader].rowFactors(scales)
        stored.scaleRows(of: &graph.nodes[reader], by: factors)
      }
      graph.nodes[index].op = plain
      graph.nodes[index].constants = [:]
      let inverse = scales.map { 1 / Double($0) }
      if let producer = scalable(graph, node.inputs[0], stored) {
        stored.scaleRows(of: &graph.nodes[producer], by: inverse)
        graph.nodes[producer].scaleBias(by: inverse)
      } else {
        let value = graph.makeValue()
        let constants = BatchNormalization.affineConstants(scale: Tensor(inverse.map { Float($0) }))
        graph.nodes.insert(
          Node(
            name: "\(node.name).steps", op: BatchNormalization(epsilon: 0), inputs: node.inputs, output: value,
            constants: constants), at: index)
        graph.nodes[index + 1].inputs = [value]
      }
    }
    return (graph, stored)
  }

  /// Whether a node is a depthwise convolution with stored weights that reads a value as its only input.
  private static func reads(_ node: Node, _ value: ValueID, _ stored: StoredQuantization, channels: Int) -> Bool {
    guard node.traits.weights == .convolution, node.inputs == [value], stored.weights[node.id] != nil,
      let weight = node.constants["weight"], weight.shape.rank == 4
    else { return false }
    return weight.shape[3] == 1 && channels > 1 && weight.shape[0] % channels == 0
  }

  /// The index of the convolution with stored weights that computes a value for a single reader, with nothing after it
  /// but a function that positive factors can be moved through.
  private static func scalable(_ graph: Graph, _ value: ValueID, _ stored: StoredQuantization) -> Int? {
    guard graph.consumers[value]?.count == 1, let index = graph.producers[value] else { return nil }
    let node = graph.nodes[index]
    if let activation = (node.op as? any EpilogueOperator)?.activation, activation != .none, activation != .relu {
      return nil
    }
    return node.traits.weights == .convolution && node.inputs.count == 1 && stored.weights[node.id] != nil
      && !graph.outputs.contains { $0.value == value } ? index : nil
  }
}

extension Node {
  /// The factor of each output channel of a depthwise convolution, from those of its input channels.
  fileprivate func rowFactors(_ scales: [Float]) -> [Double] {
    let outputs = constants["weight"]?.shape[0] ?? 0
    let multiple = max(outputs / max(scales.count, 1), 1)
    return (0..<outputs).map { Double(scales[$0 / multiple]) }
  }

  fileprivate mutating func scaleBias(by factors: [Double]) {
    guard let bias = constants["bias"], bias.elementCount == factors.count else { return }
    constants["bias"] = Tensor(zip(bias.contiguous().elements(as: Float.self), factors).map { Float(Double($0) * $1) })
  }
}

extension StoredQuantization {
  /// Scales the weights of each output channel of a node, and their stored scales.
  fileprivate mutating func scaleRows(of node: inout Node, by factors: [Double]) {
    guard let weight = node.constants["weight"], let scales = weights[node.id]?.scales, scales.count == factors.count
    else { return }
    node.constants["weight"] = weight.scalingRows(by: factors)
    weights[node.id]?.scales = zip(scales, factors).map { Float(Double($0) * $1) }
  }
}
