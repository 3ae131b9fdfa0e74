import Graphs
import Operators
import Quantization
import Tensors

/// A quantised convolution's weights beside the float ones that they were made from, ready to be rounded anew.
struct LayerWeights {
  let original: ConvolutionWeights
  /// Of each output channel.
  var scales: [Float] { layer.scales }
  /// As the quantised graph has them, [outputs][taps][depth].
  let levels: [Int8]
  /// What windows read beyond the map, for each input channel.
  let outside: [UInt8]
  /// The same in steps from the zero point.
  let outsideSteps: [Float]
  private let layer: WeightLevels.Layer

  /// - Parameters:
  ///   - node: of the float graph.
  ///   - layer: its levels so far.
  ///   - preprocessing: of the pixels, where the node reads them.
  ///   - input: of the map that the node reads.
  /// - Throws: `GraphError.constant` where the two do not belong together.
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

  /// The layer with other levels and another bias, in real units.
  func layer(levels: [Int8], bias: [Double]) -> WeightLevels.Layer {
    var result = layer
    result.levels = Tensor(levels, shape: original.weight.shape)
    result.bias = bias
    return result
  }
}

extension Range<Int> {
  /// Ranges of `size` elements, and what is left.
  func split(into size: Int) -> [Range<Int>] {
    stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min($0 + size, upperBound) }
  }
}
