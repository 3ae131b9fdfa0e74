import Glibc
import Graphs
import Operators
import Tensors

/// The int8 arithmetic of formats/package.md, written from the document alone: sums in Int64, every float step one
/// operation on Float.
package enum Int8Reference {
  /// "Requantisation", last two lines.
  package static func level(_ real: Float, zeroPoint: UInt8, low: Int64, high: Int64 = 255) -> UInt8 {
    var value: Float = real > -65536 ? real : -65536
    value = value < 65536 ? value : 65536
    var q = Int64(value.rounded(.toNearestOrEven)) + Int64(zeroPoint)
    q = q > low ? q : low
    return UInt8(q < high ? q : high)
  }

  /// What rounding `real` to `q` leaves over ("Remainders"), as it is held: plus 128.
  static func remainder(_ real: Float, _ q: UInt8, zeroPoint: UInt8, low: Int64, high: Int64) -> UInt8 {
    let (least, greatest) = (Float(low - Int64(zeroPoint)), Float(high - Int64(zeroPoint)))
    var value: Float = real > least ? real : least
    value = value < greatest ? value : greatest
    let rest = (value - Float(Int64(q) - Int64(zeroPoint))) * 256
    return UInt8(min(Int64(rest.rounded(.toNearestOrEven)), 127) + 128)
  }

  /// Real values in steps of `format`'s scale (in real units for float32) in that format, within the bounds of an epilogue's
  /// activation function.
  static func stored(_ reals: [Float], _ format: ValueFormat, _ activation: ActivationFunction) -> Elements {
    guard let y = format.quantization else {
      return .float(reals.map { Float(ActivationReference.value(activation, Double($0))) })
    }
    let (low, high) = levelBounds(activation, y)
    let levels = reals.map { level($0, zeroPoint: y.zeroPoint, low: low, high: high) }
    if case .uint8 = format { return .uint8(levels) }
    return .uint8(
      levels + zip(reals, levels).map { remainder($0, $1, zeroPoint: y.zeroPoint, low: low, high: high) })
  }

  /// "Requantisation": the levels that an epilogue's activation function allows.
  private static func levelBounds(
    _ activation: ActivationFunction, _ format: QuantizationParameters
  ) -> (low: Int64, high: Int64) {
    func level(_ bound: Double) -> Int64 {
      if bound == -.infinity { return 0 }
      if bound == .infinity { return 255 }
      let steps = (Float(bound) / format.scale).rounded(.toNearestOrEven)
      return min(max(Int64(min(max(steps, -1000), 1000)) + Int64(format.zeroPoint), 0), 255)
    }
    switch activation {
    case .none: return (0, 255)
    case .relu: return (Int64(format.zeroPoint), 255)
    case .clip(let minimum, let maximum): return (level(minimum), level(maximum))
    default: fatalError("no function of an epilogue")
    }
  }

  /// One f32 division.
  static func ratio(_ a: Float, _ b: Float) -> Float { a / b }

  package static func convolution(
    _ op: Convolution, _ inputs: [Activation], outputFormat: ValueFormat, constants: [String: Tensor]
  ) -> (shape: Shape, elements: Elements) {
    guard let x = inputs[0].format.quantization, case .uint8(let planes) = inputs[0].elements,
      let weight = constants["weight"]
    else { fatalError("no int8 convolution") }
    let count = inputs[0].shape.elementCount
    let (levels, rest) = (planes[..<count], op.readsInputRemainder ? planes[count...] : [])
    let (w, window, input) = (weight.elements(as: Int8.self), op.window, inputs[0].shape)
    let scales = constants["weight_scale"]!.elements(as: Float.self)
    let bias = constants["bias"]?.elements(as: Int32.self)
    let padding = constants["padding_value"]?.elements(as: UInt8.self)
    let (outputs, depth) = (weight.shape[0], weight.shape[3])
    let extent = WindowReference.extent(window, height: input.height, width: input.width)
    var shape: Shape = [input.batch, extent.height, extent.width, outputs]
    if inputs.count > 1 { shape = CornerReference.shape([shape, inputs[1].shape], channels: outputs) }
    let outputScale = outputFormat.quantization?.scale ?? 1
    var reals: [Float] = []
    for position in 0..<shape.batch * shape.height * shape.width {
      let taps = WindowReference.taps(window, position: position, input: input, output: shape)
      for n in 0..<outputs {
        let group = n / (outputs / op.groups)
        var sum = Int64(bias?[n] ?? 0)
        var remainderSum = Int64(0)
        for (tap, pixel) in taps.enumerated() {
          for k in 0..<depth {
            let channel = group * depth + k
            let level =
              pixel.map { levels[$0 * input.channels + channel] } ?? padding?[channel] ?? x.zeroPoint
            let product = Int64(w[(n * taps.count + tap) * depth + k])
            sum += (Int64(level) - Int64(x.zeroPoint)) * product
            if let pixel, !rest.isEmpty {
              remainderSum += (Int64(rest[count + pixel * input.channels + channel]) - 128) * product
            }
          }
        }
        let accumulator = Int32(truncatingIfNeeded: sum)
        let pixel = inputs.count > 1 ? CornerReference.pixel(position, of: shape, in: inputs[1].shape) : position
        let at = pixel * outputs + n
        let multiplier = x.scale * scales[n] / outputScale
        var real = Float(accumulator) * multiplier
        if op.readsInputRemainder { real = real + Float(Int32(remainderSum)) * (multiplier / 256) }
        if inputs.count > 1 { real = real + residual(inputs[1], at, outputScale: outputScale) }
        reals.append(real)
      }
    }
    return (shape, stored(reals, outputFormat, op.activation))
  }

  static func residual(_ activation: Activation, _ index: Int, outputScale: Float) -> Float {
    switch (activation.elements, activation.format) {
    case (.float(let values), _): return values[index]
    case (.uint8(let levels), .uint8(let r)):
      return Float(Int(levels[index]) - Int(r.zeroPoint)) * ratio(r.scale, outputScale)
    case (.uint8(let planes), .uint8WithRemainder(let r)):
      let rest = Int(planes[planes.count / 2 + index]) - 128
      return Float(256 * (Int(planes[index]) - Int(r.zeroPoint)) + rest) * (ratio(r.scale, outputScale) / 256)
    default: fatalError("no residual")
    }
  }

  /// "Elementwise": addition of uint8 maps.
  package static func addition(_ op: Addition, _ a: Activation, _ b: Activation, to format: ValueFormat) -> Elements {
    let output = CornerReference.shape([a.shape, b.shape], channels: a.shape.channels)
    let outputScale = format.quantization?.scale ?? 1
    var reals: [Float] = []
    for position in 0..<output.batch * output.height * output.width {
      let (inA, inB) = (
        CornerReference.pixel(position, of: output, in: a.shape),
        CornerReference.pixel(position, of: output, in: b.shape)
      )
      for channel in 0..<output.channels {
        reals.append(
          residual(a, inA * output.channels + channel, outputScale: outputScale)
            + residual(b, inB * output.channels + channel, outputScale: outputScale))
      }
    }
    return stored(reals, format, op.activation)
  }

  /// "Elementwise": the four forms of requantize.
  package static func requantize(_ input: Activation, to format: ValueFormat) -> Elements {
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

  /// The same where the input's remainders are read, or the output has some.
  package static func requantize(_ input: Activation, to format: ValueFormat, readsRemainder: Bool) -> Elements {
    let count = input.shape.elementCount
    var given = input
    if !readsRemainder, case .uint8(let planes) = input.elements {
      given = Activation(
        shape: input.shape, format: input.format.withoutRemainder, elements: .uint8(Array(planes[..<count])))
      if format == format.withoutRemainder { return requantize(given, to: format) }
    }
    let scale = format.quantization?.scale ?? 1
    let reals = (0..<count).map { index -> Float in
      if case .float(let values) = given.elements { return values[index] / scale }
      return residual(given, index, outputScale: scale)
    }
    return stored(reals, format, .none)
  }

  /// "Generalised-mean pooling" of a uint8 map, with an exponent for each channel.
  package static func pooling(_ op: ChannelwiseMeanPooling, _ input: Activation, exponents: [Float]) -> [Float] {
    guard case .uint8(let levels) = input.elements, case .uint8(let p) = input.format else {
      fatalError("no uint8 map")
    }
    let shape = input.shape
    let pixels = shape.height * shape.width
    var result: [Float] = []
    for image in 0..<shape.batch {
      for channel in 0..<shape.channels {
        var sum: Float = 0
        for pixel in 0..<pixels {
          let level = Int(levels[(image * pixels + pixel) * shape.channels + channel])
          let real = p.scale * Float(level - Int(p.zeroPoint))
          sum = sum + powf(real > Float(op.floor) ? real : Float(op.floor), exponents[channel])
        }
        result.append(powf(sum / Float(pixels), 1 / exponents[channel]))
      }
    }
    return result
  }

  /// "Generalised-mean pooling" of a uint8 map.
  package static func pooling(_ op: GeneralizedMeanPooling, _ input: Activation) -> [Float] {
    guard case .uint8(let levels) = input.elements, case .uint8(let p) = input.format else {
      fatalError("no uint8 map")
    }
    let exponent = op.exponent
    let table: [Float] = (0...255).map { q in
      let real = p.scale * Float(q - Int(p.zeroPoint))
      if (exponent == 1 || exponent == .infinity) && op.customFloor == nil { return real }
      let floor = Float(op.customFloor ?? 1e-6)
      let raised = real > floor ? real : floor
      if exponent == 1 || exponent == .infinity { return raised }
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
        } else if exponent == 1, op.customFloor == nil {
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
  package static func linear(_ rows: [Float], constants: [String: Tensor]) -> [Float] {
    guard let weight = constants["weight"] else { fatalError("no weight") }
    let (outputs, inputs, w) = (weight.shape[0], weight.shape[1], weight.elements(as: Int8.self))
    let scale = constants["weight_scale"]!.elements(as: Float.self)
    let bias = constants["bias"]?.elements(as: Float.self) ?? [Float](repeating: 0, count: outputs)
    var result: [Float] = []
    for row in 0..<rows.count / inputs {
      for n in 0..<outputs {
        var sum = 0.0
        for k in 0..<inputs { sum += Double(rows[row * inputs + k]) * Double(w[n * inputs + k]) }
        result.append(Float(Double(bias[n]).addingProduct(sum, Double(scale[n]))))
      }
    }
    return result
  }
}
