import Graphs
import Operators
import Quantization
import Tensors

/// A quantised convolution's weights beside the float ones that they were made from, ready to be rounded anew.
struct LayerWeights {
  let original: ConvolutionWeights
  /// Of each output channel.
  let scales: [Float]
  /// As the quantised graph has them, [outputs][taps][depth].
  let levels: [Int8]
  /// What windows read beyond the map, for each input channel.
  let outside: [UInt8]
  /// The same in steps from the zero point.
  let outsideSteps: [Float]
  private let input: QuantizationParameters

  /// - Parameters:
  ///   - node: of the quantised graph.
  ///   - float: constants of the node that it was made from.
  ///   - preprocessing: of the pixels, where the node reads them.
  ///   - input: of the map that the node reads.
  /// - Throws: `GraphError.constant` where the two do not belong together.
  init(
    _ node: Node, _ float: [String: Tensor], _ geometry: LayerGeometry, preprocessing: Preprocessing?,
    input: QuantizationParameters
  ) throws(GraphError) {
    original = try ConvolutionWeights(constants: float, preprocessing: preprocessing)
    guard let scales = node.constants["weight_scale"]?.elements(as: Float.self),
      let levels = node.constants["weight"]?.elements(as: Int8.self),
      original.weight.elementCount == levels.count, original.bias.count == scales.count
    else { throw .constant(role: "weight", problem: "is not that of the float graph") }
    outside =
      original.paddingValue ?? [UInt8](repeating: input.zeroPoint, count: geometry.depth * geometry.groups)
    outsideSteps = outside.map { Float($0) - Float(input.zeroPoint) }
    (self.scales, self.levels, self.input) = (scales, levels, input)
  }

  /// The node's constants with other levels and another bias, in real values.
  func constants(levels: [Int8], bias: [Double]) throws(GraphError) -> [String: Tensor] {
    [
      "weight": Tensor(levels, shape: original.weight.shape),
      "bias": try ConvolutionWeights.biasLevels(bias, input: input, weightScale: scales),
    ]
  }
}

extension Range<Int> {
  /// Ranges of `size` elements, and what is left.
  func split(into size: Int) -> [Range<Int>] {
    stride(from: lowerBound, to: upperBound, by: size).map { $0..<Swift.min($0 + size, upperBound) }
  }
}
