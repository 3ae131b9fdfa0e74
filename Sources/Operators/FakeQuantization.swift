import Graphs
import Kernels
import Tensors

/// `scale (q - zeroPoint)` with `q = min(max(rint(x / scale) + zeroPoint, minimum), maximum)`: float32 values rounded
/// to the levels of a quantised network, as training with simulated quantisation does (Jacob et al., arXiv 1712.05877,
/// section 3). QuantizeLinear and DequantizeLinear, in a row, compute the same.
///
/// It computes in float32, and levels may have more than 8 bits. Where uint8 holds them, planning can replace it by a
/// `Requantize` to the format of `OperatorTraits.rounding`.
///
/// Constants: `channel_scale` float32 [C] (optional), which is multiplied with `scale` to give that of each channel.
package struct FakeQuantization: RoundingOperator {
  package static let wireName = "fake_quantization"
  package static let arity = 1...1

  /// The distance between two neighbouring levels; positive and a normal number.
  package let scale: Float
  /// The level that stands for 0.
  package let zeroPoint: Int
  /// The levels, which include the zero point; their bounds have at most 17 bits.
  package let levels: ClosedRange<Int>

  /// - Throws: `GraphError.attribute` where the scale is not a positive, normal number, or the levels do not include
  ///   the zero point or need more than 17 bits.
  package init(scale: Float, zeroPoint: Int, levels: ClosedRange<Int>) throws(GraphError) {
    guard scale.isNormal, scale > 0 else { throw .attribute(name: "scale", expected: "positive and a normal float32") }
    guard levels.lowerBound >= -65536, levels.upperBound <= 65535 else {
      throw .attribute(name: "minimum", expected: "within -65536 and 65535, as is the maximum")
    }
    guard levels.contains(zeroPoint) else {
      throw .attribute(name: "zero_point", expected: "from the minimum to the maximum")
    }
    (self.scale, self.zeroPoint, self.levels) = (scale, zeroPoint, levels)
  }

  package init(attributes: Attributes) throws(GraphError) {
    let scale = try attributes.float("scale")
    guard Double(Float(scale)) == scale else { throw .attribute(name: "scale", expected: "a float32") }
    let (minimum, maximum) = (try attributes.int("minimum"), try attributes.int("maximum"))
    guard minimum <= maximum else { throw .attribute(name: "minimum", expected: "at most the maximum") }
    try self.init(scale: Float(scale), zeroPoint: try attributes.int("zero_point"), levels: minimum...maximum)
  }

  package var attributes: Attributes {
    [
      "scale": .float(Double(scale)), "zero_point": .int(zeroPoint), "minimum": .int(levels.lowerBound),
      "maximum": .int(levels.upperBound),
    ]
  }

  package var quantizationRule: QuantizationRule { .float }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    if levels == 0...255, constants["channel_scale"] == nil {
      traits.rounding = QuantizationParameters(scale: scale, zeroPoint: UInt8(clamping: zeroPoint))
    }
    return traits
  }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    if let scales = constants["channel_scale"], scales.elementCount != inputs[0].channels {
      throw .constant(
        role: "channel_scale", problem: "has \(scales.elementCount) elements for \(inputs[0].channels) channels")
    }
    return inputs[0]
  }

  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    constants["channel_scale"] != nil && levels.lowerBound < zeroPoint
      ? -.infinity : Double(scale * Float(levels.lowerBound - zeroPoint))
  }

  /// The scale of each channel; `nil` where all have the same.
  ///
  /// - Throws: `GraphError.constant` where one is not a positive, normal number.
  package func channelScales(_ constants: [String: Tensor]) throws(GraphError) -> [Float]? {
    guard let stored = constants["channel_scale"] else { return nil }
    guard stored.elementType == .float32 else {
      throw .constant(role: "channel_scale", problem: "is \(stored.elementType), not float32")
    }
    let scales = stored.contiguous().elements(as: Float.self).map { $0 * scale }
    guard scales.allSatisfy({ $0.isNormal && $0 > 0 }) else {
      throw .constant(role: "channel_scale", problem: "has a scale that is not a positive, normal number")
    }
    return scales
  }

  package func isWithin(
    minimum: Double, maximum: Double, constants: [String: Tensor]
  ) throws(GraphError) -> Bool {
    (try channelScales(constants) ?? [scale]).allSatisfy { scale in
      rounded(Float(minimum), scale: scale) <= scale * Float(levels.lowerBound - zeroPoint)
        && rounded(Float(maximum), scale: scale) >= scale * Float(levels.upperBound - zeroPoint)
    }
  }

  package var perTensor: (any Operator)? {
    levels == 0...255 ? try? FakeQuantization(scale: 1, zeroPoint: zeroPoint, levels: levels) : nil
  }

  /// The nearest level's value. The real number of steps is clamped before it is rounded, so that it fits an integer.
  func rounded(_ x: Float, scale: Float) -> Float {
    // Of a NaN, `max` returns the bound.
    let steps = min(max(-262144, x / scale), 262144).rounded(.toNearestOrEven)
    let level = min(max(steps + Float(zeroPoint), Float(levels.lowerBound)), Float(levels.upperBound))
    return scale * (level - Float(zeroPoint))
  }
}

extension FakeQuantization: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: ["channel_scale"])
    let scales = try channelScales(context.constants)
    return ElementwiseOperator { shape, buffers, range in
      let input = buffers.inputs[0].assumingMemoryBound(to: Float.self)
      let output = buffers.output.assumingMemoryBound(to: Float.self)
      for pixel in range {
        for channel in 0..<shape.channels {
          let index = pixel * shape.channels + channel
          output[index] = rounded(input[index], scale: scales?[channel] ?? scale)
        }
      }
    }
  }
}
