import Graphs
import Operators
import Tensors

extension WeightLevels.Layer {
  /// The levels that a file stores. The weights must be whole multiples of the scales, which an int8 holds.
  ///
  /// - Parameters:
  ///   - node: the node of the float graph, with the weights in real units.
  ///   - stored: what the file states of them.
  ///   - input: the quantisation of the map that a convolution reads; `nil` for other layers, whose bias stays float.
  /// - Returns: `nil` where the weights are not levels of int8 arithmetic, or a bias exceeds an int32.
  init?(stored node: Node, _ weights: StoredQuantization.Weights, input: QuantizationParameters?) {
    guard let weight = node.constants["weight"], weight.elementType == .float32, weight.shape.rank > 1,
      weight.shape[0] == weights.scales.count, weight.elementCount > 0
    else { return nil }
    guard let levels = Self.levels(weight, scales: weights.scales) else { return nil }
    var bias: [Double]?
    if let input {
      guard let real = Self.bias(node, weights, input: input) else { return nil }
      bias = real
    }
    self.init(
      levels: levels, scales: weights.scales, finestScales: weights.scales, bias: bias, paddingValue: nil)
  }

  /// The distance from a whole number that is allowed: far more than the rounding of a product to float32.
  private static let tolerance: Float = 1.0 / 256

  private static func levels(_ weight: Tensor, scales: [Float]) -> Tensor? {
    let length = weight.elementCount / scales.count
    var areLevels = true
    let levels = weight.contiguous().withElements(as: Float.self) { source in
      Tensor(shape: weight.shape, of: Int8.self) { target in
        for index in source.indices {
          let steps = source[index] / scales[index / length]
          let level = steps.rounded(.toNearestOrEven)
          if !(level >= -128 && level <= 127 && abs(steps - level) <= tolerance) { areLevels = false }
          target[index] = Int8(max(-128, min(127, level)))
        }
      }
    }
    weight.releasePages()
    return areLevels ? levels : nil
  }

  /// The bias in real units, from which lowering makes exactly the stored levels, or the nearest ones to a float bias;
  /// `nil` where it exceeds an int32.
  private static func bias(
    _ node: Node, _ weights: StoredQuantization.Weights, input: QuantizationParameters
  ) -> [Double]? {
    let units = weights.scales.map { Double(input.scale) * Double($0) }
    if let stored = weights.biasLevels { return zip(stored, units).map { Double($0) * $1 } }
    guard let bias = node.constants["bias"] else { return units.map { _ in 0 } }
    guard bias.elementType == .float32, bias.elementCount == units.count else { return nil }
    let real = bias.contiguous().elements(as: Float.self).map { Double($0) }
    return zip(real, units).allSatisfy { abs($0 / $1) < 0x1p31 - 1 } ? real : nil
  }
}
