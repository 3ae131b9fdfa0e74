import Graphs
import Operators
import Quantization
import Tensors

/// A quantised convolution's weights, with the float weights that they are rounded from.
struct LayerWeights {
  /// The float weights.
  let original: ConvolutionWeights
  /// The weight scale of each output channel.
  var scales: [Float] { layer.scales }
  /// The levels in the quantised graph, [outputs][taps][depth].
  let levels: [Int8]
  /// The padding value of each input channel.
  let outside: [UInt8]
  /// `outside` in steps from the zero point.
  let outsideSteps: [Float]
  private let layer: WeightLevels.Layer

  /// - Parameters:
  ///   - node: the node of the float graph.
  ///   - layer: the node's levels so far.
  ///   - preprocessing: that of the pixels, where the node reads them.
  ///   - input: the quantisation of the map that the node reads.
  /// - Throws: `GraphError.constant` where the levels are not those of the node.
  init(
    _ node: Node, _ layer: WeightLevels.Layer, _ geometry: LayerGeometry, preprocessing: Preprocessing?,
    input: QuantizationParameters
  ) throws(GraphError) {
    original = try ConvolutionWeights(constants: node.constants, preprocessing: preprocessing)
    guard original.weight.elementCount == layer.levels.elementCount, original.bias.count == layer.scales.count
    else { throw .constant(role: "weight", problem: "is not that of the float graph") }
    outside =
      original.paddingValue ?? [UInt8](repeating: input.zeroPoint, count: geometry.depth * geometry.groups)
    outsideSteps = outside.map { Float($0) - Float(input.zeroPoint) }
    (self.layer, levels) = (layer, layer.levels.elements(as: Int8.self))
  }

  /// The layer with new levels, and a new bias in real units.
  func layer(levels: [Int8], bias: [Double]) -> WeightLevels.Layer {
    var result = layer
    result.levels = Tensor(levels, shape: original.weight.shape)
    result.bias = bias
    return result
  }
}

extension Range<Int> {
  /// Consecutive ranges of `size` elements; the last one may be shorter.
  func split(into size: Int) -> [Range<Int>] {
    stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min($0 + size, upperBound) }
  }
}
