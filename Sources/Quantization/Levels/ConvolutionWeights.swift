import Graphs
import Operators
import Tensors

/// A convolution's float weights and bias as they apply to its quantised input. For a convolution that reads pixels,
/// the normalisation is folded in.
package struct ConvolutionWeights: Sendable {
  /// Float32, in OHWI order: [outputs][height][width][inputs].
  package let weight: Tensor
  /// The bias of each output channel, in real units.
  package let bias: [Double]
  /// For a convolution that reads pixels, the padding value of each channel: 0 after normalisation is the mean before
  /// it. `nil` for others.
  package let paddingValue: [UInt8]?

  /// - Parameters:
  ///   - constants: the node's constants.
  ///   - preprocessing: that of the network, for a convolution that reads its input; `nil` for others.
  /// - Throws: `GraphError.constant` where a constant is missing or of the wrong type or shape.
  package init(constants: [String: Tensor], preprocessing: Preprocessing?) throws(GraphError) {
    guard let weight = constants["weight"], weight.elementType == .float32, weight.shape.rank == 4 else {
      throw .constant(role: "weight", problem: "is missing or not float32 with 4 axes")
    }
    let channels = weight.shape[0]
    var bias = [Double](repeating: 0, count: channels)
    if let given = constants["bias"] {
      guard given.elementType == .float32, given.elementCount == channels else {
        throw .constant(role: "bias", problem: "is \(given.elementType) \(given.shape), not float32 of \(channels)")
      }
      bias = given.elements(as: Float.self).map { Double($0) }
    }
    guard let preprocessing else {
      (self.weight, self.bias, paddingValue) = (weight, bias, nil)
      return
    }
    guard weight.shape[3] == 3 else { throw .constant(role: "weight", problem: "is not for three colours") }
    (self.weight, self.bias) = Self.fold(preprocessing, weight, bias)
    paddingValue = preprocessing.mean.map { UInt8(max(0, min(255, ($0 * 255).rounded()))) }
  }

  /// The weights rounded to the nearest level.
  ///
  /// - Parameters:
  ///   - input: the quantisation of the map that is read; the scale of a channel that is far smaller than its bias
  ///     depends on it.
  ///   - minStep: the minimum step of the weights (`WeightSteps`); `nil` for the finest.
  func nearest(input: QuantizationParameters, minStep: Float?) -> WeightLevels.Layer {
    let inputScale = Double(input.scale)
    let floor = bias.map { Float(abs($0) / inputScale / 0x1p30) }
    let quantized = WeightQuantizer.quantize(weight, minimumScale: floor, minStep: minStep)
    weight.releasePages()
    return WeightLevels.Layer(
      levels: quantized.weight, scales: quantized.scale, finestScales: quantized.finestScale, bias: bias,
      paddingValue: paddingValue)
  }

  /// A bias in steps of input scale times weight scale, as int32.
  ///
  /// - Parameters:
  ///   - bias: the bias of each output channel, in real units.
  ///   - input: the quantisation of the map that is read.
  ///   - weightScale: the weight scale of each output channel.
  /// - Throws: `GraphError.constant` where a bias is out of range.
  package static func biasLevels(
    _ bias: [Double], input: QuantizationParameters, weightScale: [Float]
  ) throws(GraphError) -> Tensor {
    var levels: [Int32] = []
    for (channel, scale) in weightScale.enumerated() {
      let level = (bias[channel] / (Double(input.scale) * Double(scale))).rounded(.toNearestOrEven)
      guard let exact = Int32(exactly: level) else {
        throw .constant(role: "bias", problem: "of channel \(channel), \(bias[channel]), is out of range")
      }
      levels.append(exact)
    }
    return Tensor(levels)
  }

  /// `w (x / 255 - mean) / std + b` as weights and bias that apply to x.
  private static func fold(_ preprocessing: Preprocessing, _ weight: Tensor, _ bias: [Double]) -> (Tensor, [Double]) {
    let (mean, std) = (preprocessing.mean.map { Double($0) }, preprocessing.std.map { Double($0) })
    let perChannel = weight.elementCount / max(bias.count, 1)
    var bias = bias
    var folded = weight.elements(as: Float.self)
    for index in folded.indices {
      let (output, color) = (index / perChannel, index % 3)
      bias[output] -= Double(folded[index]) * mean[color] / std[color]
      folded[index] = Float(Double(folded[index]) / (255 * std[color]))
    }
    return (Tensor(folded, shape: weight.shape), bias)
  }
}
