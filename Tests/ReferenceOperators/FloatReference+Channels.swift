import Glibc
import Graphs
import Operators
import Tensors

/// The operators that move channels and pixels, and those of the attention between channels.
extension FloatReference {
  static func channelOperators(
    _ op: any Operator, _ shape: Shape, _ x: [Double], _ constants: [String: Tensor]
  ) -> Result {
    switch op {
    case let op as ChannelSelection:
      let output = Shape(shape.dimensions.dropLast() + [op.channels.count])
      let values = (0..<output.elementCount).map { index in
        x[index / op.channels.count * shape.channels + op.channels[index % op.channels.count]]
      }
      return Result(shape: output, values: values, bounds: values.map { _ in 0 })
    case let op as Softmax:
      let values = x.indices.map { index -> Double in
        let (row, channel) = (index / shape.channels, index % shape.channels)
        let block = op.branches * op.stride
        let others = (0..<shape.channels).filter {
          $0 / block == channel / block && $0 % op.stride == channel % op.stride
        }
        return 1 / others.reduce(0) { $0 + exp(x[row * shape.channels + $1] - x[index]) }
      }
      return Result(shape: shape, values: values, bounds: values.map { 2 * u * $0 })
    case let op as ChannelConvolution:
      let weight = constants["weight"]!.elements(as: Float.self).map { Double($0) }
      let values = x.indices.map { index -> Double in
        weight.indices.reduce(0) { sum, tap in
          let channel = index % shape.channels + tap - op.before
          guard (0..<shape.channels).contains(channel) else { return sum }
          return sum + weight[tap] * x[index - index % shape.channels + channel]
        }
      }
      return Result(shape: shape, values: values, bounds: values.map { 2 * u * abs($0) + 1e-12 })
    case let op as ChannelResponse: return responses(op, shape, x)
    case let op as Resizing: return resizing(op, shape, x)
    default: fatalError("no operator of channels")
    }
  }

  /// Woo et al., arXiv 2301.00808, equations 1 and 2.
  private static func responses(_ op: ChannelResponse, _ shape: Shape, _ x: [Double]) -> Result {
    let pixels = shape.height * shape.width
    var result = Result(shape: [shape.batch, shape.channels], values: [], bounds: [])
    for image in 0..<shape.batch {
      let norms = (0..<shape.channels).map { channel in
        (0..<pixels).reduce(0) { $0 + pow(x[(image * pixels + $1) * shape.channels + channel], 2) }.squareRoot()
      }
      let mean = norms.reduce(0, +) / Double(shape.channels)
      result.values += norms.map { $0 / (mean + op.epsilon) }
    }
    result.bounds = result.values.map { u * $0 + 1e-12 }
    return result
  }

  private static func resizing(_ op: Resizing, _ shape: Shape, _ x: [Double]) -> Result {
    let output = ResizingReference.shape(op, shape)
    var result = Result(shape: output, values: [], bounds: [])
    for index in 0..<output.elementCount {
      let (value, magnitude) = ResizingReference.taps(op, index, shape, output).reduce((0, 0)) { sum, tap in
        (sum.0 + tap.weight * x[tap.index], sum.1 + abs(x[tap.index]))
      }
      result.values.append(value)
      result.bounds.append(op.interpolation == .bilinear ? 8 * u * magnitude : 0)
    }
    return result
  }
}

/// Resizing by ONNX's definition of `Resize`: the pixels that an element is computed from, and their weights.
enum ResizingReference {
  static func shape(_ op: Resizing, _ input: Shape) -> Shape {
    switch op.extent {
    case .factors(let height, let width):
      [input.batch, input.height * height, input.width * width, input.channels]
    case .size(let height, let width): [input.batch, height, width, input.channels]
    }
  }

  /// Positions along one axis with their weights; those of a bilinear mean in 1/4096 where `bits` is set.
  static func line(_ op: Resizing, _ index: Int, _ input: Int, _ output: Int, bits: Bool) -> [(Int, Double)] {
    let scale = Double(output) / Double(input)
    let x: Double =
      switch op.alignment {
      case .halfPixel: (Double(index) + 0.5) / scale - 0.5
      case .corners: output == 1 ? 0 : Double(index * (input - 1)) / Double(output - 1)
      case .asymmetric: Double(index * input) / Double(output)
      }
    func inside(_ position: Double) -> Int { min(max(Int(position), 0), input - 1) }
    switch op.interpolation {
    case .floor: return [(inside(x.rounded(.down)), 1)]
    case .nearest: return [(inside((x - 0.5).rounded(.up)), 1)]
    case .bilinear:
      // Positions outside are those at the edge.
      let kept = min(max(x, 0), Double(input - 1))
      var weight = kept - kept.rounded(.down)
      if bits { weight = (weight * 4096).rounded(.toNearestOrEven) / 4096 }
      return [(inside(kept), 1 - weight), (inside(kept + 1), weight)]
    }
  }

  static func taps(
    _ op: Resizing, _ index: Int, _ input: Shape, _ output: Shape, bits: Bool = false
  ) -> [(index: Int, weight: Double)] {
    let (pixel, channel) = (index / output.channels, index % output.channels)
    let (line, column) = (pixel / output.width, pixel % output.width)
    let rows = self.line(op, line % output.height, input.height, output.height, bits: bits)
    let columns = self.line(op, column, input.width, output.width, bits: bits)
    return rows.flatMap { row in
      columns.map { column in
        let position = (line / output.height * input.height + row.0) * input.width + column.0
        return (position * input.channels + channel, row.1 * column.1)
      }
    }
  }
}

extension Int8Reference {
  /// "Elementwise": resizing. Every product and sum is exact in double precision.
  package static func resizing(_ op: Resizing, _ input: Activation) -> (shape: Shape, levels: [UInt8]) {
    guard case .uint8(let levels) = input.elements else { fatalError("no uint8 map") }
    let output = ResizingReference.shape(op, input.shape)
    let result = (0..<output.elementCount).map { index in
      let taps = ResizingReference.taps(op, index, input.shape, output, bits: true)
      return UInt8(taps.reduce(0) { $0 + $1.weight * Double(levels[$1.index]) }.rounded(.toNearestOrEven))
    }
    return (output, result)
  }

  /// "Elementwise": a selection of channels in any format.
  package static func channelSelection(_ op: ChannelSelection, _ input: Activation) -> (
    shape: Shape, elements: Elements
  ) {
    let count = input.shape.channels
    let output = Shape(input.shape.dimensions.dropLast() + [op.channels.count])
    func selected<Element>(_ values: ArraySlice<Element>) -> [Element] {
      stride(from: 0, to: values.count, by: count).flatMap { pixel in
        op.channels.map { values[values.startIndex + pixel + $0] }
      }
    }
    switch input.elements {
    case .float(let values): return (output, .float(selected(values[...])))
    case .uint8(let planes):
      let size = input.shape.elementCount
      return (output, .uint8(stride(from: 0, to: planes.count, by: size).flatMap { selected(planes[$0..<$0 + size]) }))
    }
  }

  /// "Generalised-mean pooling": responses of the channels of a uint8 map.
  package static func responses(_ op: ChannelResponse, _ input: Activation) -> [Float] {
    guard case .uint8(let levels) = input.elements, let format = input.format.quantization else {
      fatalError("no uint8 map")
    }
    let (pixels, channels) = (input.shape.height * input.shape.width, input.shape.channels)
    return (0..<input.shape.batch).flatMap { image in
      let norms = (0..<channels).map { channel -> Double in
        var sum = 0
        for pixel in 0..<pixels {
          let level = Int(levels[(image * pixels + pixel) * channels + channel]) - Int(format.zeroPoint)
          sum += level * level
        }
        return Double(sum).squareRoot() * Double(format.scale)
      }
      let mean = norms.reduce(0, +) / Double(channels)
      return norms.map { Float($0 / (mean + op.epsilon)) }
    }
  }
}
