import Graphs
import Operators
import Tensors

/// The operators that trunks other than ResNets have.
extension Int8Reference {
  /// "Elementwise": average pooling.
  package static func averagePooling(_ op: AveragePooling, _ input: Activation) -> (shape: Shape, levels: [UInt8]) {
    guard case .uint8(let levels) = input.elements, case .uint8(let p) = input.format else {
      fatalError("no uint8 map")
    }
    let map = input.shape
    let extent = WindowReference.extent(op.window, height: map.height, width: map.width)
    let shape: Shape = [map.batch, extent.height, extent.width, map.channels]
    var result: [UInt8] = []
    for position in 0..<shape.batch * shape.height * shape.width {
      let taps = WindowReference.taps(op.window, position: position, input: map, output: shape).compactMap { $0 }
      let padding = WindowReference.paddingTaps(op.window, position: position, input: map, output: shape)
      let zeros = op.countsPadding ? padding : 0
      for channel in 0..<map.channels {
        let sum = taps.reduce(zeros * Int(p.zeroPoint)) { $0 + Int(levels[$1 * map.channels + channel]) }
        result.append(UInt8((Float(sum) / Float(taps.count + zeros)).rounded(.toNearestOrEven)))
      }
    }
    return (shape, result)
  }

  /// "Elementwise": concatenation of maps of any format.
  package static func concatenation(_ inputs: [Activation], to format: ValueFormat) -> (
    shape: Shape, elements: Elements
  ) {
    let output = CornerReference.shape(inputs.map(\.shape), channels: inputs.reduce(0) { $0 + $1.shape.channels })
    if case .uint8WithRemainder = format { return (output, concatenationOfPlanes(inputs, output, format)) }
    var (floats, levels): ([Float], [UInt8]) = ([], [])
    let converted = inputs.map { $0.format == format ? $0.elements : requantize($0, to: format) }
    for position in 0..<output.batch * output.height * output.width {
      for (input, elements) in zip(inputs, converted) {
        let first = CornerReference.pixel(position, of: output, in: input.shape) * input.shape.channels
        switch elements {
        case .float(let values): floats += values[first..<first + input.shape.channels]
        case .uint8(let values): levels += values[first..<first + input.shape.channels]
        }
      }
    }
    return (output, format == .float32 ? .float(floats) : .uint8(levels))
  }

  /// The same with remainders: every input is rounded anew.
  private static func concatenationOfPlanes(
    _ inputs: [Activation], _ output: Shape, _ format: ValueFormat
  ) -> Elements {
    let converted = inputs.map { input -> [UInt8] in
      let scale = format.quantization?.scale ?? 1
      let reals = (0..<input.shape.elementCount).map { residual(input, $0, outputScale: scale) }
      guard case .uint8(let planes) = stored(reals, format, .none) else { fatalError("no uint8") }
      return planes
    }
    var (levels, rest): ([UInt8], [UInt8]) = ([], [])
    for position in 0..<output.batch * output.height * output.width {
      for (input, planes) in zip(inputs, converted) {
        let first = CornerReference.pixel(position, of: output, in: input.shape) * input.shape.channels
        let range: Range<Int> = first..<first + input.shape.channels
        let half: Int = planes.count / 2
        levels += planes[range]
        rest += planes[range.lowerBound + half..<range.upperBound + half]
      }
    }
    return .uint8(levels + rest)
  }

  /// ReLU and maximum pooling of levels with remainders, which are one number of 256 times the level plus the remainder.
  package static func selection(
    _ input: Activation, count: Int, _ select: (_ numbers: [Int], _ position: Int) -> Int
  ) -> Elements {
    guard case .uint8(let planes) = input.elements, let zeroPoint = input.format.quantization?.zeroPoint else {
      fatalError("no uint8")
    }
    let half = planes.count / 2
    let numbers = (0..<half).map { (index: Int) -> Int in
      let level = Int(planes[index]) - Int(zeroPoint)
      return 256 * level + Int(planes[half + index]) - 128
    }
    let selected = (0..<count).map { select(numbers, $0) }
    let levels = selected.map { ($0 + 128) >> 8 }
    return .uint8(
      levels.map { UInt8($0 + Int(zeroPoint)) } + zip(selected, levels).map { UInt8($0 - 256 * $1 + 128) })
  }

  /// "Elementwise": channel scaling of a uint8 map.
  package static func channelScaling(
    _ op: ChannelScaling, _ inputs: [Activation], to format: ValueFormat, weight: [Float]? = nil
  ) -> (shape: Shape, elements: Elements) {
    guard case .float(let factors) = inputs[1].elements else { fatalError("no channel scaling") }
    let (map, mapScale): ([Float], Float) =
      switch (inputs[0].elements, inputs[0].format) {
      case (.uint8(let levels), .uint8(let p)): (levels.map { Float(Int($0) - Int(p.zeroPoint)) }, p.scale)
      case (.float(let values), _): (values, 1)
      default: fatalError("no map")
      }
    let channels = inputs[0].shape.channels
    let output = CornerReference.shape(([inputs[0]] + inputs.dropFirst(2)).map(\.shape), channels: channels)
    let outputScale = format.quantization?.scale ?? 1
    var reals: [Float] = []
    for position in 0..<output.batch * output.height * output.width {
      let image = position / (output.height * output.width)
      let pixel = CornerReference.pixel(position, of: output, in: inputs[0].shape)
      for channel in 0..<channels {
        let weighted = factors[image * channels + channel] * (weight?[channel] ?? 1)
        let factor = weighted * ratio(mapScale, outputScale)
        var real = map[pixel * channels + channel] * factor
        if inputs.count > 2 {
          let at = CornerReference.pixel(position, of: output, in: inputs[2].shape) * channels + channel
          real = real + residual(inputs[2], at, outputScale: outputScale)
        }
        reals.append(real)
      }
    }
    return (output, stored(reals, format, op.activation))
  }
}
