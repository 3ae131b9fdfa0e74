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
    guard let levels = Self.levels(node, weights, as: Int8.self) else { return nil }
    var bias: [Double]?
    if let input {
      guard let real = Self.bias(node, weights, input: input) else { return nil }
      bias = real
    }
    self.init(
      levels: levels, scales: weights.scales, finestScales: weights.scales, bias: bias, paddingValue: nil)
  }

  /// The levels that a file stores, as int16, of a layer that computes in float: uint8 levels minus a zero point, or
  /// those of a layer that reads or writes float values.
  ///
  /// - Parameters:
  ///   - node: the node of the float graph, with the weights in real units.
  ///   - stored: what the file states of them.
  /// - Returns: `nil` where the weights are not whole multiples of the scales, or an int16 does not hold these.
  init?(storedFloat node: Node, _ weights: StoredQuantization.Weights) {
    guard let levels = Self.levels(node, weights, as: Int16.self) else { return nil }
    self.init(
      levels: levels, scales: weights.scales, finestScales: weights.scales, bias: nil, paddingValue: nil)
  }

  /// The distance from a whole number that is allowed: far more than the rounding of a product to float32.
  private static let tolerance: Float = 1.0 / 256

  /// The distance that is allowed relative to a level whose scale is a float16: dequantisation rounds the product to
  /// float16, too, by half of its last place.
  private static let relativeTolerance: Float = 0x1.1p-11

  /// The distance from a level that is allowed: always less than that to the middle between two.
  private static func tolerance(level: Float, scale: Float) -> Float {
    // The bits of a float32 that a float16 does not have.
    guard scale.bitPattern & 0x1FFF == 0 else { return tolerance }
    return min(max(tolerance, abs(level) * relativeTolerance), 0.25)
  }

  private static func levels<Level: TensorElement & FixedWidthInteger>(
    _ node: Node, _ weights: StoredQuantization.Weights, as type: Level.Type
  ) -> Tensor? {
    guard let weight = node.constants["weight"], weight.elementType == .float32, weight.shape.rank > 1,
      weight.shape[0] == weights.scales.count, weight.elementCount > 0
    else { return nil }
    let (scales, length) = (weights.scales, weight.elementCount / weights.scales.count)
    // Packages have no int16 weights of -32768.
    let (minimum, maximum) = (max(Float(Level.min), -32767), Float(Level.max))
    var areLevels = true
    let levels = weight.contiguous().withElements(as: Float.self) { source in
      Tensor(shape: weight.shape, of: Level.self) { target in
        for index in source.indices {
          let scale = scales[index / length]
          let steps = source[index] / scale
          let level = steps.rounded(.toNearestOrEven)
          if !(level >= minimum && level <= maximum && abs(steps - level) <= tolerance(level: level, scale: scale)) {
            areLevels = false
          }
          target[index] = Level(max(minimum, min(maximum, level)))
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
