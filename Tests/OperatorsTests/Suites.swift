import Graphs
import Operators
import ReferenceOperators
import Tensors

/// Random problems for every operator, by name; a name begins with the operator's wire name. An operator without a suite
/// fails a test.
enum Suites {
  static let all: [(name: String, operatorName: String, make: @Sendable (inout SplitMix64) throws -> Problem)] =
    [
      ("addition, float", Addition.wireName, floatAddition),
      ("addition, int8", Addition.wireName, int8Addition),
      ("batch normalisation", BatchNormalization.wireName, batchNormalization),
      ("centering", Centering.wireName, centering),
      ("clip, float", Clip.wireName, floatClip),
      ("clip, int8", Clip.wireName, int8Clip),
      ("convolution, float", Convolution.wireName, { try ConvolutionSuites.float(&$0) }),
      ("convolution, Winograd", Convolution.wireName, { try ConvolutionSuites.float(&$0, .winograd) }),
      ("convolution, int8", Convolution.wireName, { ConvolutionSuites.int8(&$0, .any) }),
      ("convolution, int8 depthwise", Convolution.wireName, { ConvolutionSuites.int8(&$0, .depthwise) }),
      ("convolution, int8 pointwise", Convolution.wireName, { ConvolutionSuites.int8(&$0, .pointwise) }),
      ("convolution, 16 bits", Convolution.wireName, { ConvolutionSuites.int8(&$0, .any, readsRemainders: true) }),
      (
        "convolution, 16 bits depthwise", Convolution.wireName,
        { ConvolutionSuites.int8(&$0, .depthwise, readsRemainders: true) }
      ),
      (
        "convolution, 16 bits pointwise", Convolution.wireName,
        { ConvolutionSuites.int8(&$0, .pointwise, readsRemainders: true) }
      ),
      ("convolution, int8 first", Convolution.wireName, { ConvolutionSuites.int8(&$0, .first) }),
      ("GeM pooling, float", GeneralizedMeanPooling.wireName, floatPooling),
      ("GeM pooling, int8", GeneralizedMeanPooling.wireName, int8Pooling),
      ("channelwise GeM pooling, float", ChannelwiseMeanPooling.wireName, floatChannelwisePooling),
      ("channelwise GeM pooling, int8", ChannelwiseMeanPooling.wireName, int8ChannelwisePooling),
      ("L2 normalisation", L2Normalization.wireName, l2Normalization),
      ("linear, float", Linear.wireName, floatLinear),
      ("linear, int8 weights", Linear.wireName, int8Linear),
      ("max pooling, float", MaxPooling.wireName, floatMaxPooling),
      ("max pooling, int8", MaxPooling.wireName, int8MaxPooling),
      ("ReLU, float", ReLU.wireName, floatReLU),
      ("ReLU, int8", ReLU.wireName, int8ReLU),
      ("single pixel map", SinglePixelMap.wireName, singlePixelMap),
      ("requantize", Requantize.wireName, requantize),
      ("requantize, 16 bits", Requantize.wireName, requantizePlanes),
    ] + MapSuites.all + ChannelSuites.all + ScalingSuites.all

  static func make(_ name: String, seed: Int) throws -> Problem {
    guard let index = all.firstIndex(where: { $0.name == name }) else { throw UnknownSuite(name: name) }
    var random = SplitMix64(seed: UInt64(index * 100_003 + seed))
    return try all[index].make(&random)
  }

  struct UnknownSuite: Error { let name: String }

  // MARK: - Shapes and formats

  static func channels(_ random: inout SplitMix64) -> Int {
    random.chance(0.3) ? random.pick([1, 15, 16, 17, 31, 32, 33, 64, 65, 100]) : random.int(1...40)
  }

  static func map(_ random: inout SplitMix64) -> Shape {
    [random.int(1...3), random.int(1...13), random.int(1...13), channels(&random)]
  }

  static func uint8(_ random: inout SplitMix64, scale: ClosedRange<Float> = 0.001...0.1) -> ValueFormat {
    let zeroPoint = random.chance(0.3) ? random.pick([0, 255, 128]) : UInt8.random(in: 0...255, using: &random)
    return .uint8(QuantizationParameters(scale: Float.random(in: scale, using: &random), zeroPoint: zeroPoint))
  }

  /// The format, at times with remainders.
  static func withRemainder(_ format: ValueFormat, _ random: inout SplitMix64) -> ValueFormat {
    guard random.chance(0.4), let parameters = format.quantization else { return format }
    return .uint8WithRemainder(parameters)
  }

  static func window(_ random: inout SplitMix64, kernels: [Int], padding: ClosedRange<Int>) -> Window {
    var window = Window(height: random.pick(kernels), width: random.pick(kernels))
    (window.strideHeight, window.strideWidth) = (random.int(1...3), random.int(1...3))
    (window.top, window.bottom) = (random.int(padding), random.int(padding))
    (window.left, window.right) = (random.int(padding), random.int(padding))
    if random.chance(0.3) { (window.dilationHeight, window.dilationWidth) = (random.int(1...2), random.int(1...3)) }
    window.ceilMode = random.chance(0.3)
    // Windows that begin or end inside the map.
    if random.chance(0.1) { window.top = random.int(-2...0) }
    if random.chance(0.1) { window.left = random.int(-2...0) }
    if random.chance(0.1) { window.bottom = random.int(-2...0) }
    return window
  }

  // MARK: - Elementwise

  private static func floatAddition(_ random: inout SplitMix64) throws -> Problem {
    let inputs = MapSuites.corners(&random, 2).map { Activation.random($0, .float32, &random) }
    return try Problem(
      float: Addition(activation: random.pick(ActivationFunction.examples.filter(\.fitsEpilogues))), inputs)
  }

  private static func int8Addition(_ random: inout SplitMix64) -> Problem {
    let shapes = MapSuites.corners(&random, 2)
    let (a, b) = (
      Activation.random(shapes[0], withRemainder(uint8(&random), &random), &random),
      Activation.random(shapes[1], withRemainder(uint8(&random), &random), &random)
    )
    let shape = CornerReference.shape(shapes, channels: shapes[0].channels)
    let op = Addition(activation: random.pick(ActivationFunction.examples.filter(\.fitsEpilogues)))
    let format = withRemainder(uint8(&random, scale: random.pick([0.001...0.1, 1e-30...1e-29])), &random)
    return Problem(
      op, [a, b], outputFormat: format, shape: shape, exactly: Int8Reference.addition(op, a, b, to: format))
  }

  /// A minimum, a maximum, or both.
  private static func clip(_ random: inout SplitMix64) throws -> Clip {
    let (low, high) = (
      Double(Float.random(in: -2...0.5, using: &random)), Double(Float.random(in: 0.5...6, using: &random))
    )
    return switch random.int(0...2) {
    case 0: try Clip(minimum: low)
    case 1: try Clip(maximum: high)
    default: try Clip(minimum: low, maximum: high)
    }
  }

  private static func floatClip(_ random: inout SplitMix64) throws -> Problem {
    try Problem(float: try clip(&random), [Activation.random(map(&random), .float32, &random)])
  }

  /// The bounds are rounded to levels as values are.
  private static func int8Clip(_ random: inout SplitMix64) throws -> Problem {
    let (op, format) = (try clip(&random), uint8(&random))
    let input = Activation.random(map(&random), format, &random)
    guard case .uint8(let levels) = input.elements, case .uint8(let p) = format else { fatalError("no uint8") }
    func level(_ bound: Double, missing: Int) -> Int {
      guard bound.isFinite else { return missing }
      let rounded = Int((Float(bound) / p.scale).rounded(.toNearestOrEven)) + Int(p.zeroPoint)
      return min(max(rounded, 0), 255)
    }
    let (low, high) = (level(op.minimum, missing: 0), level(op.maximum, missing: 255))
    return Problem(
      op, [input], outputFormat: format, shape: input.shape,
      exactly: .uint8(levels.map { UInt8(min(max(Int($0), low), high)) }))
  }

  private static func singlePixelMap(_ random: inout SplitMix64) throws -> Problem {
    try Problem(float: SinglePixelMap(), [Activation.random(rows(&random), .float32, &random)])
  }

  private static func floatReLU(_ random: inout SplitMix64) throws -> Problem {
    try Problem(float: ReLU(), [Activation.random(map(&random), .float32, &random)])
  }

  private static func int8ReLU(_ random: inout SplitMix64) -> Problem {
    let format = withRemainder(uint8(&random), &random)
    let input = Activation.random(map(&random), format, &random)
    if case .uint8WithRemainder = format {
      let elements = Int8Reference.selection(input, count: input.shape.elementCount) { max($0[$1], 0) }
      return Problem(ReLU(), [input], outputFormat: format, shape: input.shape, exactly: elements)
    }
    guard case .uint8(let levels) = input.elements, case .uint8(let p) = format else { fatalError("no uint8") }
    return Problem(
      ReLU(), [input], outputFormat: format, shape: input.shape,
      exactly: .uint8(levels.map { $0 > p.zeroPoint ? $0 : p.zeroPoint }))
  }

  private static func requantize(_ random: inout SplitMix64) -> Problem {
    let (from, to) = random.pick([
      (ValueFormat.float32, uint8(&random)), (uint8(&random), .float32), (uint8(&random), uint8(&random)),
      (.float32, .float32),
    ])
    let input = Activation.random(map(&random), from, &random)
    return Problem(
      Requantize(), [input], outputFormat: to, shape: input.shape, exactly: Int8Reference.requantize(input, to: to))
  }

  /// From, to, or between values with remainders.
  private static func requantizePlanes(_ random: inout SplitMix64) -> Problem {
    func planes() -> ValueFormat { .uint8WithRemainder(uint8(&random).quantization!) }
    let (from, to, reads) = random.pick([
      (ValueFormat.float32, planes(), false), (planes(), .float32, true), (planes(), planes(), true),
      (uint8(&random), planes(), false), (planes(), uint8(&random), true), (planes(), planes(), false),
      (planes(), .float32, false), (planes(), uint8(&random), false),
    ])
    let input = Activation.random(map(&random), from, &random)
    return Problem(
      Requantize(readsInputRemainder: reads), [input], outputFormat: to, shape: input.shape,
      exactly: Int8Reference.requantize(input, to: to, readsRemainder: reads))
  }

  private static func batchNormalization(_ random: inout SplitMix64) throws -> Problem {
    let shape = random.chance(0.2) ? [2, channels(&random)] : map(&random)
    let c = shape.channels
    return try Problem(
      float: BatchNormalization(epsilon: random.pick([0, 1e-5, 1e-3])), [Activation.random(shape, .float32, &random)],
      constants: [
        "scale": Tensor(random.floats(c, -2...2)), "shift": Tensor(random.floats(c)), "mean": Tensor(random.floats(c)),
        "variance": Tensor(random.floats(c, 0.01...3)),
      ])
  }

  // MARK: - Rows

  private static func rows(_ random: inout SplitMix64) -> Shape { [random.int(1...3), channels(&random)] }

  private static func centering(_ random: inout SplitMix64) throws -> Problem {
    let shape = rows(&random)
    return try Problem(
      float: Centering(), [Activation.random(shape, .float32, &random)],
      constants: ["mean": Tensor(random.floats(shape.channels))])
  }

  private static func l2Normalization(_ random: inout SplitMix64) throws -> Problem {
    try Problem(
      float: L2Normalization(
        epsilon: random.pick([1e-6, 0, 0.1, 3]), rule: random.pick(L2Normalization.EpsilonRule.allCases)),
      [Activation.random(rows(&random), .float32, &random)])
  }

  private static func floatLinear(_ random: inout SplitMix64) throws -> Problem {
    let (shape, outputs) = (rows(&random), channels(&random))
    var constants = ["weight": Tensor(random.floats(outputs * shape.channels), shape: [outputs, shape.channels])]
    if random.chance(0.5) { constants["bias"] = Tensor(random.floats(outputs)) }
    return try Problem(float: Linear(), [Activation.random(shape, .float32, &random)], constants: constants)
  }

  private static func int8Linear(_ random: inout SplitMix64) -> Problem {
    let (shape, outputs) = (rows(&random), channels(&random))
    let input = Activation.random(shape, .float32, &random)
    var constants = [
      "weight": Tensor(random.weights(outputs * shape.channels), shape: [outputs, shape.channels]),
      "weight_scale": Tensor(random.floats(outputs, 0.0001...0.1)),
    ]
    if random.chance(0.5) { constants["bias"] = Tensor(random.floats(outputs)) }
    return Problem(
      Linear(), [input], outputFormat: .float32, constants: constants, shape: [shape.batch, outputs],
      exactly: .float(Int8Reference.linear(input.elements.floats ?? [], constants: constants)))
  }

  // MARK: - Pooling

  private static func poolingOperator(_ random: inout SplitMix64) -> GeneralizedMeanPooling {
    GeneralizedMeanPooling(
      exponent: random.pick([1, 1.7, 2, 3, .infinity]), customFloor: random.chance(0.3) ? random.pick([0, 0.25]) : nil,
      appendsOne: random.chance(0.4))
  }

  private static func floatPooling(_ random: inout SplitMix64) throws -> Problem {
    try Problem(float: poolingOperator(&random), [Activation.random(map(&random), .float32, &random)])
  }

  private static func int8Pooling(_ random: inout SplitMix64) -> Problem {
    let op = poolingOperator(&random)
    let input = Activation.random(map(&random), uint8(&random), &random)
    return Problem(
      op, [input], outputFormat: .float32, shape: [input.shape.batch, input.shape.channels + (op.appendsOne ? 1 : 0)],
      exactly: .float(Int8Reference.pooling(op, input)))
  }

  private static func floatChannelwisePooling(_ random: inout SplitMix64) throws -> Problem {
    let shape = map(&random)
    return try Problem(
      float: ChannelwiseMeanPooling(floor: random.pick([0, 1e-6, 0.25])), [Activation.random(shape, .float32, &random)],
      constants: ["exponent": Tensor(random.floats(shape.channels, 0.5...4))])
  }

  private static func int8ChannelwisePooling(_ random: inout SplitMix64) throws -> Problem {
    let op = try ChannelwiseMeanPooling(floor: random.pick([0, 1e-6, 0.25]))
    let input = Activation.random(map(&random), uint8(&random), &random)
    let exponents = random.floats(input.shape.channels, 0.5...4)
    return Problem(
      op, [input], outputFormat: .float32, constants: ["exponent": Tensor(exponents)],
      shape: [input.shape.batch, input.shape.channels],
      exactly: .float(Int8Reference.pooling(op, input, exponents: exponents)))
  }

  /// A window with padding smaller than itself that meets the map at every position.
  static func poolingWindow(_ random: inout SplitMix64, _ map: Shape) -> Window {
    while true {
      let window = window(&random, kernels: [1, 2, 3, 5], padding: 0...2)
      guard max(window.top, window.bottom) < window.height, max(window.left, window.right) < window.width else {
        continue
      }
      let extent = WindowReference.extent(window, height: map.height, width: map.width)
      guard extent.height > 0, extent.width > 0 else { continue }
      let output: Shape = [1, extent.height, extent.width, 1]
      if (0..<output.elementCount).allSatisfy({
        WindowReference.taps(window, position: $0, input: map, output: output).contains { $0 != nil }
      }) {
        return window
      }
    }
  }

  private static func floatMaxPooling(_ random: inout SplitMix64) throws -> Problem {
    let shape = map(&random)
    return try Problem(
      float: MaxPooling(window: poolingWindow(&random, shape)), [Activation.random(shape, .float32, &random)])
  }

  private static func int8MaxPooling(_ random: inout SplitMix64) throws -> Problem {
    let (shape, format) = (map(&random), withRemainder(uint8(&random), &random))
    let op = MaxPooling(window: poolingWindow(&random, shape))
    let input = Activation.random(shape, format, &random)
    if case .uint8WithRemainder = format {
      let extent = WindowReference.extent(op.window, height: shape.height, width: shape.width)
      let output: Shape = [shape.batch, extent.height, extent.width, shape.channels]
      let elements = Int8Reference.selection(input, count: output.elementCount) { numbers, index in
        let (pixel, channel) = (index / shape.channels, index % shape.channels)
        return WindowReference.taps(op.window, position: pixel, input: shape, output: output)
          .compactMap { $0.map { numbers[$0 * shape.channels + channel] } }.max() ?? 0
      }
      return Problem(op, [input], outputFormat: format, shape: output, exactly: elements)
    }
    guard case .uint8(let levels) = input.elements else { fatalError("no uint8") }
    let result = try FloatReference.evaluate(op, [(shape, levels.map { Double($0) })], constants: [:])
    return Problem(
      op, [input], outputFormat: format, shape: result.shape, exactly: .uint8(result.values.map { UInt8($0) }))
  }
}
