import Tensors

/// Int8 weights with one scale for each output channel, symmetric in [-127, 127] (Krishnamoorthi, "Quantizing deep
/// convolutional networks for efficient inference", arXiv 1806.08342, section 3.1.2).
package struct QuantizedWeights: Sendable {
  /// Int8, with the shape of the float weight.
  package let weight: Tensor
  /// The scale of each output channel (axis 0).
  package let scale: [Float]
  /// The values of `scale` without a minimum step.
  let finestScale: [Float]
}

/// Quantises weights to the nearest level.
package enum WeightQuantizer {
  /// The scale with which a channel's largest magnitude is 127 levels.
  ///
  /// - Parameters:
  ///   - absoluteMaximum: the channel's largest magnitude.
  ///   - minimum: a lower bound, so that a channel of zeros, or one far smaller than its bias, gets a usable scale.
  static func scale(absoluteMaximum: Float, minimum: Float) -> Float {
    let scale = max(absoluteMaximum / 127, minimum)
    return scale.isNormal ? scale : 1
  }

  /// The constants of a layer that computes in float: the weight as int16 in [-32767, 32767] with a scale for each
  /// output channel, in half the bytes of float32. The error of rounding is at least 96 dB below the largest weight.
  static func int16Constants(_ constants: [String: Tensor]) -> [String: Tensor] {
    guard let weight = constants["weight"], weight.elementType == .float32, weight.shape.rank > 0 else {
      return constants
    }
    let channels = weight.shape[0]
    let length = channels == 0 ? 0 : weight.elementCount / channels
    var scales = [Float](repeating: 1, count: channels)
    let levels = weight.withElements(as: Float.self) { source in
      Tensor(shape: weight.shape, of: Int16.self) { target in
        for channel in 0..<channels {
          let range = channel * length..<(channel + 1) * length
          let scale = range.reduce(Float(0)) { max($0, abs(source[$1])) } / 32767
          if scale.isNormal { scales[channel] = scale }
          for index in range {
            let level = (source[index] / scales[channel]).rounded(.toNearestOrEven)
            target[index] = Int16(max(-32767, min(32767, level)))
          }
        }
      }
    }
    weight.releasePages()
    var result = constants.mapValues { $0.contiguous() }
    (result["weight"], result["weight_scale"]) = (levels, Tensor(scales))
    return result
  }

  /// Quantises weights, rounding to nearest, ties to even.
  ///
  /// - Parameters:
  ///   - weight: float32, with output channels first.
  ///   - minimumScale: the minimum scale of each output channel, or empty.
  ///   - minStep: the minimum step of all channels (`WeightSteps`); `nil` for the finest.
  package static func quantize(
    _ weight: Tensor, minimumScale: [Float] = [], minStep: Float? = nil
  ) -> QuantizedWeights {
    let channels = weight.shape[0]
    let length = channels == 0 ? 0 : weight.elementCount / channels
    var scales = [Float](repeating: 1, count: channels)
    var finestScales = scales
    let quantized = weight.withElements(as: Float.self) { source in
      Tensor(shape: weight.shape, of: Int8.self) { target in
        for channel in 0..<channels {
          let range = channel * length..<(channel + 1) * length
          var largest: Float = 0
          for index in range { largest = max(largest, abs(source[index])) }
          let finest = scale(
            absoluteMaximum: largest, minimum: minimumScale.isEmpty ? 0 : minimumScale[channel])
          let scale = WeightSteps.step(finest: finest, least: minStep)
          (scales[channel], finestScales[channel]) = (scale, finest)
          let inverse = 1 / scale
          for index in range {
            let level = (source[index] * inverse).rounded(.toNearestOrEven)
            target[index] = Int8(max(-127, min(127, level)))
          }
        }
      }
    }
    return QuantizedWeights(weight: quantized, scale: scales, finestScale: finestScales)
  }
}
