import Glibc
import Graphs
import Operators
import Tensors

/// The int8 arithmetic of formats/package.md, written from the document alone: sums in Int64, every float step one
/// operation on Float.
public enum Int8Reference {
  /// "Requantisation", last two lines.
  public static func level(_ real: Float, zeroPoint: UInt8, low: Int64) -> UInt8 {
    var value: Float = real > -65536 ? real : -65536
    value = value < 65536 ? value : 65536
    var q = Int64(value.rounded(.toNearestOrEven)) + Int64(zeroPoint)
    q = q > low ? q : low
    return UInt8(q < 255 ? q : 255)
  }

  /// One f32 division.
  static func ratio(_ a: Float, _ b: Float) -> Float { a / b }

  public static func convolution(
    _ op: Convolution, _ inputs: [Activation], outputFormat: ValueFormat, constants: [String: Tensor]
  ) -> (shape: Shape, elements: Elements) {
    guard case .uint8(let x) = inputs[0].format, case .uint8(let levels) = inputs[0].elements,
      let weight = constants["weight"]
    else { fatalError("no int8 convolution") }
    let (w, window, input) = (weight.elements(as: Int8.self), op.window, inputs[0].shape)
    let scales = constants["weight_scale"]!.elements(as: Float.self)
    let bias = constants["bias"]?.elements(as: Int32.self)
    let padding = constants["padding_value"]?.elements(as: UInt8.self)
    let (outputs, depth) = (weight.shape[0], weight.shape[3])
    let extent = WindowReference.extent(window, height: input.height, width: input.width)
    var shape: Shape = [input.batch, extent.height, extent.width, outputs]
    if inputs.count > 1 { shape = CornerReference.shape([shape, inputs[1].shape], channels: outputs) }
    var (floats, bytes): ([Float], [UInt8]) = ([], [])
    for position in 0..<shape.batch * shape.height * shape.width {
      let taps = WindowReference.taps(window, position: position, input: input, output: shape)
      for n in 0..<outputs {
        let group = n / (outputs / op.groups)
        var sum = Int64(bias?[n] ?? 0)
        for (tap, pixel) in taps.enumerated() {
          for k in 0..<depth {
            let channel = group * depth + k
            let level =
              pixel.map { levels[$0 * input.channels + channel] } ?? padding?[channel] ?? x.zeroPoint
            sum += (Int64(level) - Int64(x.zeroPoint)) * Int64(w[(n * taps.count + tap) * depth + k])
          }
        }
        let accumulator = Int32(truncatingIfNeeded: sum)
        let pixel = inputs.count > 1 ? CornerReference.pixel(position, of: shape, in: inputs[1].shape) : position
        let at = pixel * outputs + n
        switch outputFormat {
        case .float32:
          var real = Float(accumulator) * (x.scale * scales[n])
          if inputs.count > 1 { real = real + residual(inputs[1], at, outputScale: 1) }
          floats.append(op.activation == .relu ? (real > 0 ? real : 0) : real)
        case .uint8(let y):
          var real = Float(accumulator) * (x.scale * scales[n] / y.scale)
          if inputs.count > 1 { real = real + residual(inputs[1], at, outputScale: y.scale) }
          bytes.append(
            level(real, zeroPoint: y.zeroPoint, low: op.activation == .relu ? Int64(y.zeroPoint) : 0))
        }
      }
    }
    return (shape, outputFormat == .float32 ? .float(floats) : .uint8(bytes))
  }

  static func residual(_ activation: Activation, _ index: Int, outputScale: Float) -> Float {
    switch (activation.elements, activation.format) {
    case (.float(let values), _): return values[index]
    case (.uint8(let levels), .uint8(let r)):
      return Float(Int(levels[index]) - Int(r.zeroPoint)) * ratio(r.scale, outputScale)
    default: fatalError("no residual")
    }
  }

  /// "Elementwise": addition of uint8 maps.
  public static func addition(
    _ op: Addition, _ a: Activation, _ b: Activation, output y: QuantizationParameters
  ) -> [UInt8] {
    guard case (.uint8(let p), .uint8(let q)) = (a.format, b.format),
      case (.uint8(let first), .uint8(let second)) = (a.elements, b.elements)
    else { fatalError("no int8 addition") }
    let output = CornerReference.shape([a.shape, b.shape], channels: a.shape.channels)
    return zip(
      CornerReference.cropped(first, a.shape, to: output), CornerReference.cropped(second, b.shape, to: output)
    ).map { a, b in
      let left = Float(Int(a) - Int(p.zeroPoint)) * ratio(p.scale, y.scale)
      let right = Float(Int(b) - Int(q.zeroPoint)) * ratio(q.scale, y.scale)
      return level(left + right, zeroPoint: y.zeroPoint, low: op.activation == .relu ? Int64(y.zeroPoint) : 0)
    }
  }

  /// "Elementwise": the four forms of requantize.
  public static func requantize(_ input: Activation, to format: ValueFormat) -> Elements {
    switch (input.elements, input.format, format) {
    case (.float(let x), _, .float32): .float(x)
    case (.float(let x), _, .uint8(let y)):
      .uint8(x.map { level($0 / y.scale, zeroPoint: y.zeroPoint, low: 0) })
    case (.uint8(let q), .uint8(let p), .float32):
      .float(q.map { p.scale * Float(Int($0) - Int(p.zeroPoint)) })
    case (.uint8(let q), .uint8(let p), .uint8(let y)):
      .uint8(
        q.map {
          level(Float(Int($0) - Int(p.zeroPoint)) * ratio(p.scale, y.scale), zeroPoint: y.zeroPoint, low: 0)
        })
    default: fatalError("no requantisation")
    }
  }

  /// "Generalised-mean pooling" of a uint8 map.
  public static func pooling(_ op: GeneralizedMeanPooling, _ input: Activation) -> [Float] {
    guard case .uint8(let levels) = input.elements, case .uint8(let p) = input.format else {
      fatalError("no uint8 map")
    }
    let exponent = op.exponent
    let table: [Float] = (0...255).map { q in
      let real = p.scale * Float(q - Int(p.zeroPoint))
      if exponent == 1 || exponent == .infinity { return real }
      let raised = real > 1e-6 ? real : 1e-6
      if exponent == 2 { return raised * raised }
      if exponent == 3 { return raised * raised * raised }
      return powf(raised, Float(exponent))
    }
    let shape = input.shape
    let pixels = shape.height * shape.width
    var result: [Float] = []
    for image in 0..<shape.batch {
      for channel in 0..<shape.channels {
        let values = (0..<pixels).map { table[Int(levels[(image * pixels + $0) * shape.channels + channel])] }
        if exponent == .infinity {
          result.append(values.max() ?? 0)
        } else if exponent == 1 {
          let centred = (0..<pixels).reduce(0) {
            $0 + Int(levels[(image * pixels + $1) * shape.channels + channel]) - Int(p.zeroPoint)
          }
          result.append(p.scale * (Float(centred) / Float(pixels)))
        } else {
          var sum: Float = 0
          for value in values { sum = sum + value }
          let mean = sum / Float(pixels)
          result.append(powf(mean, Float(1 / exponent)))
        }
      }
      if op.appendsOne { result.append(1) }
    }
    return result
  }

  /// "Linear layers": float rows with int8 weights.
  public static func linear(_ rows: [Float], constants: [String: Tensor]) -> [Float] {
    guard let weight = constants["weight"] else { fatalError("no weight") }
    let (outputs, inputs, w) = (weight.shape[0], weight.shape[1], weight.elements(as: Int8.self))
    let scale = constants["weight_scale"]!.elements(as: Float.self)
    let bias = constants["bias"]?.elements(as: Float.self) ?? [Float](repeating: 0, count: outputs)
    var result: [Float] = []
    for row in 0..<rows.count / inputs {
      for n in 0..<outputs {
        var sum: Float = 0
        for k in 0..<inputs { sum = sum.addingProduct(rows[row * inputs + k], Float(w[n * inputs + k])) }
        result.append(bias[n].addingProduct(sum, scale[n]))
      }
    }
    return result
  }
}
