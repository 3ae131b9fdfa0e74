import Graphs
import Operators
import Tensors

/// Layer normalisation, PReLU and products.
extension Int8Reference {
  /// "Layer normalisation" of levels.
  package static func layerNormalization(
    _ op: LayerNormalization, _ input: Activation, constants: [String: Tensor], to format: ValueFormat
  ) -> Elements {
    guard case .uint8(let planes) = input.elements, let scale = input.format.quantization?.scale,
      let weight = constants["weight"]?.elements(as: Float.self), let bias = constants["bias"]?.elements(as: Float.self)
    else { fatalError("no layer normalisation of levels") }
    let (count, channels) = (input.shape.elementCount, input.shape.channels)
    let step = op.readsInputRemainder ? Double(scale) / 256 : Double(scale)
    let outputScale = format.quantization?.scale ?? 1
    var reals: [Float] = []
    for first in stride(from: 0, to: count, by: channels) {
      let values = (first..<first + channels).map { (index: Int) -> Int in
        op.readsInputRemainder ? 256 * Int(planes[index]) + Int(planes[count + index]) : Int(planes[index])
      }
      let sum = values.reduce(0, +)
      let squares = values.reduce(0) { $0 + $1 * $1 }
      let mean = Float(Double(sum) / Double(channels))
      let spread = Double(channels * squares - sum * sum)
      let variance = spread / (Double(channels) * Double(channels)) * step * step
      let factor = Float(step / (variance + op.epsilon).squareRoot())
      for (channel, value) in values.enumerated() {
        let normalized = (Float(value) - mean) * factor
        let product = normalized * ratio(weight[channel], outputScale)
        reals.append(product + ratio(bias[channel], outputScale))
      }
    }
    return stored(reals, format, .none)
  }

  /// "Elementwise": the product of two uint8 maps, or of a map and a factor for each pixel.
  package static func multiplication(
    _ a: Activation, _ b: Activation, to format: ValueFormat
  ) -> (shape: Shape, elements: Elements) {
    guard case .uint8(let left) = a.elements, case .uint8(let right) = b.elements, let p = a.format.quantization,
      let q = b.format.quantization, let y = format.quantization
    else { fatalError("no product of levels") }
    let output = CornerReference.shape([a.shape, b.shape], channels: a.shape.channels)
    let product = p.scale * q.scale
    let multiplier = ratio(product, y.scale)
    var reals: [Float] = []
    for position in 0..<output.batch * output.height * output.width {
      let (inA, inB) = (
        CornerReference.pixel(position, of: output, in: a.shape),
        CornerReference.pixel(position, of: output, in: b.shape)
      )
      for channel in 0..<output.channels {
        let x = Float(Int(left[inA * output.channels + channel]) - Int(p.zeroPoint))
        let factor = right[b.shape.channels == 1 ? inB : inB * output.channels + channel]
        let scaled = x * multiplier
        reals.append(scaled * Float(Int(factor) - Int(q.zeroPoint)))
      }
    }
    return (output, stored(reals, format, .none))
  }

  /// "Elementwise": PReLU of levels.
  package static func parametricReLU(_ input: Activation, slope: Tensor, to format: ValueFormat) -> Elements {
    guard case .uint8(let planes) = input.elements, let x = input.format.quantization, let y = format.quantization
    else { fatalError("no PReLU of levels") }
    let slopes = slope.elements(as: Float.self)
    let positive = ratio(x.scale, y.scale)
    let reals = (0..<input.shape.elementCount).map { index -> Float in
      let negative = slopes[index % slopes.count] * positive
      return Float(Int(planes[index]) - Int(x.zeroPoint)) * (planes[index] > x.zeroPoint ? positive : negative)
    }
    return stored(reals, format, .none)
  }
}
