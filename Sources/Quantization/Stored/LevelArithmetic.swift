import Tensors

/// Compares int8 arithmetic, which multiplies levels by the ratio of two scales and rounds once, with float arithmetic
/// on real values, for every level. The two differ where a result is within a few units in the last place of the middle
/// between two levels.
enum LevelArithmetic {
  /// Whether a conversion from levels to levels gives the same levels as a conversion to float and another from there.
  static func convertsExactly(_ source: QuantizationParameters, to target: QuantizationParameters) -> Bool {
    if source == target { return true }
    let factor = source.scale / target.scale
    return (0...255).allSatisfy { level in
      let steps = Float(level - Int(source.zeroPoint))
      return clamped(steps * factor, target) == clamped(source.scale * steps / target.scale, target)
    }
  }

  /// Whether the sum of two values from their levels is the same as that of the real values.
  static func addsExactly(_ sources: [QuantizationParameters], to target: QuantizationParameters) -> Bool {
    guard sources.count == 2 else { return false }
    let (a, b) = (sources[0], sources[1])
    let (aFactor, bFactor) = (a.scale / target.scale, b.scale / target.scale)
    return (0...255).allSatisfy { aLevel in
      let aSteps = Float(aLevel - Int(a.zeroPoint))
      return (0...255).allSatisfy { bLevel in
        let bSteps = Float(bLevel - Int(b.zeroPoint))
        return clamped(aSteps * aFactor + bSteps * bFactor, target)
          == clamped((a.scale * aSteps + b.scale * bSteps) / target.scale, target)
      }
    }
  }

  /// A number of steps, rounded and clamped to levels relative to the zero point.
  private static func clamped(_ steps: Float, _ target: QuantizationParameters) -> Float {
    let zeroPoint = Float(target.zeroPoint)
    return min(max(steps.rounded(.toNearestOrEven), -zeroPoint), 255 - zeroPoint)
  }
}
