/// Per-tensor affine quantisation of an activation to uint8: `real = scale * (q - zeroPoint)`
/// (Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
/// arXiv 1712.05877, section 2.1). The real number 0 is always represented exactly.
package struct QuantizationParameters: Hashable, Sendable {
  /// The distance between two neighbouring levels, in real units; positive and finite.
  package let scale: Float
  /// The level that stands for 0.
  package let zeroPoint: UInt8

  /// Traps unless `scale` is positive and finite.
  package init(scale: Float, zeroPoint: UInt8) {
    precondition(scale > 0 && scale.isFinite, "scale \(scale)")
    self.scale = scale
    self.zeroPoint = zeroPoint
  }

  /// The parameters whose 256 levels cover `minimum ... maximum`, widened to include 0, with the zero point rounded to
  /// the nearest level. A range whose scale would be 0 or not a normal float gets scale 1 and zero point 0.
  package init(covering minimum: Float, _ maximum: Float) {
    let low = Double(min(minimum, 0))
    let high = Double(max(maximum, 0))
    let scale = Float((high - low) / 255)
    guard scale.isNormal else {
      self.init(scale: 1, zeroPoint: 0)
      return
    }
    let zeroPoint = (-low / Double(scale)).rounded(.toNearestOrEven)
    self.init(scale: scale, zeroPoint: UInt8(min(max(zeroPoint, 0), 255)))
  }

  /// The smallest and the largest real value that a level stands for.
  package var range: ClosedRange<Float> {
    scale * (0 - Float(zeroPoint))...scale * (255 - Float(zeroPoint))
  }

  /// The level of a real value: `clamp(round(value / scale) + zeroPoint, 0, 255)`, with ties to even. NaN gives 0.
  package func quantize(_ value: Float) -> UInt8 {
    let level = (value / scale).rounded(.toNearestOrEven) + Float(zeroPoint)
    return level >= 255 ? 255 : level > 0 ? UInt8(level) : 0
  }

  /// The real value that a level stands for: `scale * (level - zeroPoint)`.
  package func dequantize(_ level: UInt8) -> Float { scale * Float(Int(level) - Int(zeroPoint)) }
}
