import Glibc
import Graphs
import Operators
import Tensors

/// The operators that trunks other than ResNets have.
extension FloatReference {
  static func moreOperators(_ op: any Operator, _ inputs: [(shape: Shape, values: [Double])]) -> Result {
    let (shape, x) = (inputs[0].shape, inputs[0].values)
    switch op {
    case let op as AveragePooling: return averagePooling(op, shape, x)
    case is Concatenation: return concatenation(inputs)
    case let op as ZeroPadding:
      let m = op.margins
      let output: Shape = [
        shape.batch, shape.height + m.top + m.bottom, shape.width + m.left + m.right, shape.channels,
      ]
      return moved(x, shape, output) { y, x in (y - m.top, x - m.left) }
    case let op as EdgePadding:
      let m = op.margins
      let output: Shape = [
        shape.batch, shape.height + m.top + m.bottom, shape.width + m.left + m.right, shape.channels,
      ]
      // The positions of a period of the mirrored line, or the nearest position.
      func source(_ position: Int, _ extent: Int) -> Int {
        if op.rule == .replicate { return position < 0 ? 0 : position >= extent ? extent - 1 : position }
        let line = Array(0..<extent) + Array((0..<extent).reversed().dropFirst().dropLast())
        return line[(position % line.count + line.count) % line.count]
      }
      return moved(x, shape, output) { y, x in (source(y - m.top, shape.height), source(x - m.left, shape.width)) }
    case let op as Cropping:
      let m = op.margins
      let output: Shape = [
        shape.batch, shape.height - m.top - m.bottom, shape.width - m.left - m.right, shape.channels,
      ]
      return moved(x, shape, output) { y, x in (y + m.top, x + m.left) }
    case is Sigmoid:
      let values = x.map { 1 / (1 + exp(-$0)) }
      return Result(shape: shape, values: values, bounds: values.map { 6 * u * $0 })
    case let op as Nonlinearity:
      // A rounding, where the argument is exact.
      let values = x.map { ActivationReference.value(op.function, $0) }
      return Result(shape: shape, values: values, bounds: values.map { 1.01 * u * abs($0) })
    case let op as ChannelScaling: return channelScaling(op, inputs)
    default: fatalError("no reference for \(type(of: op).wireName)")
    }
  }

  /// Each output pixel from the input pixel that `source` names, zero where there is none.
  private static func moved(
    _ x: [Double], _ input: Shape, _ output: Shape, _ source: (Int, Int) -> (Int, Int)
  ) -> Result {
    var values: [Double] = []
    for image in 0..<output.batch {
      for y in 0..<output.height {
        for column in 0..<output.width {
          let (row, from) = source(y, column)
          for channel in 0..<output.channels {
            let isInside = (0..<input.height).contains(row) && (0..<input.width).contains(from)
            values.append(
              isInside ? x[((image * input.height + row) * input.width + from) * input.channels + channel] : 0)
          }
        }
      }
    }
    return Result(shape: output, values: values, bounds: values.map { _ in 0 })
  }

  private static func averagePooling(_ op: AveragePooling, _ input: Shape, _ x: [Double]) -> Result {
    let extent = WindowReference.extent(op.window, height: input.height, width: input.width)
    let shape: Shape = [input.batch, extent.height, extent.width, input.channels]
    var result = Result(shape: shape, values: [], bounds: [])
    for position in 0..<shape.batch * shape.height * shape.width {
      let taps = WindowReference.taps(op.window, position: position, input: input, output: shape).compactMap { $0 }
      let padding = WindowReference.paddingTaps(op.window, position: position, input: input, output: shape)
      let count = Double(taps.count + (op.countsPadding ? padding : 0))
      for channel in 0..<input.channels {
        let values = taps.map { x[$0 * input.channels + channel] }
        result.values.append(values.reduce(0, +) / count)
        result.bounds.append(Double(taps.count + 2) * u * values.reduce(0) { $0 + abs($1) } / count)
      }
    }
    return result
  }

  private static func concatenation(_ inputs: [(shape: Shape, values: [Double])]) -> Result {
    let output = CornerReference.shape(inputs.map(\.shape), channels: inputs.reduce(0) { $0 + $1.shape.channels })
    var values: [Double] = []
    for position in 0..<output.batch * output.height * output.width {
      for (shape, x) in inputs {
        let first = CornerReference.pixel(position, of: output, in: shape) * shape.channels
        values += x[first..<first + shape.channels]
      }
    }
    return Result(shape: output, values: values, bounds: values.map { _ in 0 })
  }

  private static func channelScaling(
    _ op: ChannelScaling, _ inputs: [(shape: Shape, values: [Double])]
  ) -> Result {
    let maps = inputs.count > 2 ? [inputs[0].shape, inputs[2].shape] : [inputs[0].shape]
    let channels = inputs[0].shape.channels
    let output = CornerReference.shape(maps, channels: channels)
    let map = CornerReference.cropped(inputs[0].values, inputs[0].shape, to: output)
    let residual = inputs.count > 2 ? CornerReference.cropped(inputs[2].values, inputs[2].shape, to: output) : nil
    var result = Result(shape: output, values: [], bounds: [])
    for index in map.indices {
      let image = index / (output.height * output.width * channels)
      let product = map[index] * inputs[1].values[image * channels + index % channels]
      let sum = product + (residual?[index] ?? 0)
      result.values.append(ActivationReference.value(op.activation, sum))
      result.bounds.append(3 * u * (abs(product) + abs(residual?[index] ?? 0)))
    }
    return result
  }
}
