import Graphs
import Operators
import Tensors

/// Layer normalisation, PReLU and products.
extension FloatReference {
  /// Over the channels of each pixel or row (Ba et al., arXiv 1607.06450, section 3).
  static func layerNormalization(
    _ op: LayerNormalization, _ shape: Shape, _ x: [Double], _ constants: [String: Tensor]
  ) -> Result {
    let weight = constants["weight"]!.elements(as: Float.self).map { Double($0) }
    let bias = constants["bias"]!.elements(as: Float.self).map { Double($0) }
    let channels = shape.channels
    var result = Result(shape: shape, values: [], bounds: [])
    for first in stride(from: 0, to: x.count, by: channels) {
      let row = x[first..<first + channels]
      let mean = row.reduce(0, +) / Double(channels)
      let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
      let deviation = (variance + op.epsilon).squareRoot()
      for (channel, value) in row.enumerated() {
        let normalized = (value - mean) / deviation * weight[channel]
        result.values.append(normalized + bias[channel])
        // Roundings of the mean, the difference, the factor, two products and the sum.
        let meanError = abs(mean) / deviation * abs(weight[channel])
        result.bounds.append(1.01 * u * (meanError + 5 * abs(normalized) + abs(bias[channel])))
      }
    }
    return result
  }

  /// He et al., arXiv 1502.01852, equation 1.
  static func parametricReLU(_ shape: Shape, _ x: [Double], slopes: [Double]) -> Result {
    let values = x.indices.map { max(0, x[$0]) + slopes[$0 % slopes.count] * min(0, x[$0]) }
    return Result(shape: shape, values: values, bounds: values.map { abs($0) * u })
  }

  /// Element by element, or with a factor for each pixel.
  static func product(_ inputs: [(shape: Shape, values: [Double])]) -> Result {
    let output = CornerReference.shape(inputs.map(\.shape), channels: inputs[0].shape.channels)
    let (a, b) = (inputs[0], inputs[1])
    let left = CornerReference.cropped(a.values, a.shape, to: output)
    var factorShape = output
    factorShape.dimensions[output.rank - 1] = b.shape.channels
    let right = CornerReference.cropped(b.values, b.shape, to: factorShape)
    let perFactor = output.channels / b.shape.channels
    let values = left.indices.map { left[$0] * right[$0 / perFactor] }
    return Result(shape: output, values: values, bounds: values.map { abs($0) * u })
  }
}
