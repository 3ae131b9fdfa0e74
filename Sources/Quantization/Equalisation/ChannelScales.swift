import Graphs
import Operators
import Tensors

/// A scale for each channel of each value of a graph. The scaled graph stores a channel's values multiplied by `1 /
/// scale`. No scale is above 1.
package struct ChannelScales: Sendable, Hashable {
  private var scales: [[Float]]

  /// - Parameter scales: for each value, the scale of each channel.
  package init(_ scales: [[Float]]) { self.scales = scales }

  /// The scale 1 for every channel of a graph's values.
  ///
  /// - Parameters:
  ///   - graph: the float graph.
  ///   - imageSize: the side of an image that the graph accepts.
  /// - Throws: `GraphError` where the graph does not accept images of that size.
  package init(onesFor graph: Graph, imageSize: Int) throws(GraphError) {
    scales = try graph.inferShapes(input: [1, imageSize, imageSize, 3]).map { shape in
      [Float](repeating: 1, count: ChannelClasses.channelCount(shape))
    }
  }

  /// The scales of a value's channels.
  package subscript(value: ValueID) -> [Float] {
    get { scales[value.index] }
    set { scales[value.index] = newValue }
  }

  /// Whether equalisation may multiply channels by these numbers: they are above 0 and at most 1.
  package static func areFactors(_ values: [Float]) -> Bool { values.allSatisfy { $0.isNormal && $0 > 0 && $0 <= 1 } }

  /// Whether any channel of a value has a scale other than 1.
  package func isScaled(_ value: ValueID) -> Bool { self[value].contains { $0 != 1 } }

  /// The number of values with scaled channels.
  package var valueCount: Int { scales.count { $0.contains { $0 != 1 } } }

  /// The number of channels with a scale other than 1, over all values.
  package var channelCount: Int { scales.reduce(0) { $0 + $1.count { $0 != 1 } } }

  /// Scales a graph's constants, one node at a time: the column of an input channel by the channel's scale, and the row
  /// and the bias of an output channel by 1 divided by its scale. Each constant is rounded once; where scales are
  /// powers of two, scaling is exact.
  ///
  /// - Throws: `GraphError.at` with the node whose constants do not match.
  package func apply(to graph: inout Graph) throws(GraphError) {
    for index in graph.nodes.indices {
      do throws(GraphError) {
        try apply(to: &graph.nodes[index])
      } catch {
        throw .at(node: graph.nodes[index].name, error)
      }
    }
  }

  private func apply(to node: inout Node) throws(GraphError) {
    guard let slot = node.inputs.indices.first(where: { node.op.channelRule(ofInput: $0) == .weighted }) else {
      return try applyToRows(of: &node)
    }
    let columns = self[node.inputs[slot]]
    let scalesRows = node.op.hasOutputChannelWeights && isScaled(node.output)
    guard scalesRows || isScaled(node.inputs[slot]) else { return }
    let layout = try WeightLayout(node, inputs: columns.count)
    let rows = scalesRows ? self[node.output] : [Float](repeating: 1, count: layout.outputs)
    guard rows.count == layout.outputs else { throw .constant(role: "weight", problem: "does not fit the output") }
    node.constants["weight"] = layout.weight.scalingRows(by: rows.map { 1 / Double($0) })
      .scalingColumns(by: columns.map { Double($0) })
    try scaleBias(of: &node, by: rows)
  }

  /// Scales the constants of an operator that has weights for each output channel, but none for input channels, such as
  /// layer normalisation.
  private func applyToRows(of node: inout Node) throws(GraphError) {
    guard node.op.hasOutputChannelWeights, isScaled(node.output) else { return }
    let rows = self[node.output]
    guard let weight = node.constants["weight"], weight.elementType == .float32, weight.shape.rank > 0,
      weight.shape[0] == rows.count
    else { throw .constant(role: "weight", problem: "is missing, not float32, or does not fit the output") }
    node.constants["weight"] = weight.scalingRows(by: rows.map { 1 / Double($0) })
    try scaleBias(of: &node, by: rows)
  }

  /// Divides the bias of each output channel by the channel's scale.
  private func scaleBias(of node: inout Node, by rows: [Float]) throws(GraphError) {
    guard let bias = node.constants["bias"] else { return }
    guard bias.elementType == .float32, bias.elementCount == rows.count else {
      throw .constant(role: "bias", problem: "is \(bias.elementType) \(bias.shape), not float32 of \(rows.count)")
    }
    node.constants["bias"] = Tensor(zip(bias.elements(as: Float.self), rows).map { $0 / $1 })
  }
}

/// The mapping from weights of a convolution or a matrix to input channels.
struct WeightLayout {
  /// Float32, with output channels first and the input channels of a group last.
  let weight: Tensor
  let outputs: Int
  /// The number of weights of an output, and the number of input channels that they read.
  let (length, depth): (Int, Int)
  private let outputsPerGroup: Int

  /// - Parameter inputs: the number of input channels.
  /// - Throws: `GraphError.constant` where the weights do not match.
  init(_ node: Node, inputs: Int) throws(GraphError) {
    let unit = node.traits.hasUnitWeights ? Tensor([Float](repeating: 1, count: inputs), shape: [inputs, 1]) : nil
    guard let weight = node.constants["weight"] ?? unit, weight.elementType == .float32, weight.shape.rank >= 2 else {
      throw .constant(role: "weight", problem: "is missing or not float32 with at least 2 axes")
    }
    (outputs, depth) = (weight.shape[0], weight.shape.channels)
    guard weight.elementCount > 0, inputs % depth == 0, inputs > 0, outputs % (inputs / depth) == 0 else {
      throw .constant(role: "weight", problem: "of shape \(weight.shape) does not fit \(inputs) channels")
    }
    self.weight = weight
    length = weight.elementCount / outputs
    outputsPerGroup = outputs / (inputs / depth)
  }

  /// The input channel that an output's first weight reads.
  func firstInput(of output: Int) -> Int { output / outputsPerGroup * depth }
}
