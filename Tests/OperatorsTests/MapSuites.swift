import Graphs
import Operators
import ReferenceOperators
import Tensors

/// Random problems for the operators that trunks other than ResNets have.
enum MapSuites {
  static let all: [(name: String, operatorName: String, make: @Sendable (inout SplitMix64) throws -> Problem)] = [
    ("average pooling, float", AveragePooling.wireName, floatAveragePooling),
    ("average pooling, int8", AveragePooling.wireName, int8AveragePooling),
    ("channel scaling, float", ChannelScaling.wireName, floatChannelScaling),
    ("channel scaling, int8", ChannelScaling.wireName, int8ChannelScaling),
    ("concatenation, float", Concatenation.wireName, floatConcatenation),
    ("concatenation, int8", Concatenation.wireName, int8Concatenation),
    ("cropping, float", Cropping.wireName, { try moving(&$0, crops: true, int8: false) }),
    ("cropping, int8", Cropping.wireName, { try moving(&$0, crops: true, int8: true) }),
    ("edge padding, float", EdgePadding.wireName, { try repeating(&$0, int8: false) }),
    ("edge padding, int8", EdgePadding.wireName, { try repeating(&$0, int8: true) }),
    ("fake quantisation", FakeQuantization.wireName, fakeQuantization),
    ("nonlinearity, float", Nonlinearity.wireName, floatNonlinearity),
    ("nonlinearity, int8", Nonlinearity.wireName, { int8Nonlinearity(&$0, readsRemainders: false) }),
    ("nonlinearity, 16 bits", Nonlinearity.wireName, { int8Nonlinearity(&$0, readsRemainders: true) }),
    ("sigmoid", Sigmoid.wireName, sigmoid),
    ("zero padding, float", ZeroPadding.wireName, { try moving(&$0, crops: false, int8: false) }),
    ("zero padding, int8", ZeroPadding.wireName, { try moving(&$0, crops: false, int8: true) }),
  ]

  /// Shapes of one batch and one number of channels; sometimes of different sizes.
  static func corners(_ random: inout SplitMix64, _ count: Int) -> [Shape] {
    let first = Suites.map(&random)
    let differ = random.chance(0.4)
    return (0..<count).map { index in
      index == 0 || !differ ? first : [first.batch, random.int(1...13), random.int(1...13), first.channels]
    }
  }

  /// Levels of 8 and of 16 bits, with one scale or one for each channel.
  private static func fakeQuantization(_ random: inout SplitMix64) throws -> Problem {
    let levels = random.pick([0...255, -128...127, 0...65535, -7...8])
    let op = try FakeQuantization(
      scale: Float.random(in: 0.001...0.1, using: &random),
      zeroPoint: Int.random(in: levels, using: &random), levels: levels)
    let input = Activation.random(Suites.map(&random), .float32, &random)
    let channels = input.shape.channels
    let factors = random.chance(0.4) ? (0..<channels).map { _ in Float.random(in: 0.5...2, using: &random) } : []
    let constants = factors.isEmpty ? [:] : ["channel_scale": Tensor(factors)]
    guard case .float(let values) = input.elements else { fatalError("no floats") }
    let expected = values.enumerated().map { index, value -> Float in
      let scale = factors.isEmpty ? op.scale : factors[index % channels] * op.scale
      let steps = min(max((value / scale).rounded(.toNearestOrEven), -262144), 262144)
      let level = min(max(Int(steps) + op.zeroPoint, levels.lowerBound), levels.upperBound)
      return scale * Float(level - op.zeroPoint)
    }
    return Problem(
      op, [input], outputFormat: .float32, constants: constants, shape: input.shape, exactly: .float(expected))
  }

  private static func floatAveragePooling(_ random: inout SplitMix64) throws -> Problem {
    let shape = Suites.map(&random)
    let op = AveragePooling(
      window: Suites.poolingWindow(&random, shape), countsPadding: random.chance(0.5))
    return try Problem(float: op, [Activation.random(shape, .float32, &random)])
  }

  private static func int8AveragePooling(_ random: inout SplitMix64) -> Problem {
    let (shape, format) = (Suites.map(&random), Suites.uint8(&random))
    let op = AveragePooling(
      window: Suites.poolingWindow(&random, shape), countsPadding: random.chance(0.5))
    let input = Activation.random(shape, format, &random)
    let result = Int8Reference.averagePooling(op, input)
    return Problem(op, [input], outputFormat: format, shape: result.shape, exactly: .uint8(result.levels))
  }

  private static func floatChannelScaling(_ random: inout SplitMix64) throws -> Problem {
    let maps = corners(&random, 2)
    var inputs = [
      Activation.random(maps[0], .float32, &random),
      Activation.random([maps[0].batch, maps[0].channels], .float32, &random),
    ]
    if random.chance(0.6) { inputs.append(Activation.random(maps[1], .float32, &random)) }
    return try Problem(
      float: ChannelScaling(activation: random.pick(ActivationFunction.examples.filter(\.fitsEpilogues))), inputs)
  }

  private static func int8ChannelScaling(_ random: inout SplitMix64) -> Problem {
    let maps = corners(&random, 2)
    var inputs = [
      Activation.random(maps[0], random.chance(0.4) ? .float32 : Suites.uint8(&random), &random),
      Activation.random([maps[0].batch, maps[0].channels], .float32, &random),
    ]
    if random.chance(0.6) {
      inputs.append(Activation.random(maps[1], Suites.withRemainder(Suites.uint8(&random), &random), &random))
    }
    let op = ChannelScaling(activation: random.pick(ActivationFunction.examples.filter(\.fitsEpilogues)))
    // With neither a uint8 input nor a uint8 output it is the float operator.
    let isInt8 = inputs[0].format != .float32 || inputs.count > 2
    let format = isInt8 && random.chance(0.3) ? .float32 : Suites.withRemainder(Suites.uint8(&random), &random)
    let result = Int8Reference.channelScaling(op, inputs, to: format)
    return Problem(op, inputs, outputFormat: format, shape: result.shape, exactly: result.elements)
  }

  private static func floatConcatenation(_ random: inout SplitMix64) throws -> Problem {
    let inputs = corners(&random, random.int(1...6)).map { shape in
      Activation.random(
        [shape.batch, shape.height, shape.width, Suites.channels(&random)], .float32, &random)
    }
    return try Problem(float: Concatenation(), inputs)
  }

  private static func int8Concatenation(_ random: inout SplitMix64) -> Problem {
    let format = random.chance(0.2) ? .float32 : Suites.withRemainder(Suites.uint8(&random), &random)
    let keepsRemainders = format != .float32 && !format.isPlainUInt8
    let inputs = corners(&random, random.int(1...6)).map { shape in
      let other = Suites.uint8(&random)
      return Activation.random(
        [shape.batch, shape.height, shape.width, Suites.channels(&random)],
        random.chance(0.3) ? format : keepsRemainders ? Suites.withRemainder(other, &random) : other, &random)
    }
    let result = Int8Reference.concatenation(inputs, to: format)
    return Problem(Concatenation(), inputs, outputFormat: format, shape: result.shape, exactly: result.elements)
  }

  private static func sigmoid(_ random: inout SplitMix64) throws -> Problem {
    var input = Activation.random([random.int(1...3), Suites.channels(&random)], .float32, &random)
    if random.chance(0.3), let values = input.elements.floats { input.elements = .float(values.map { $0 * 40 }) }
    return try Problem(float: Sigmoid(), [input])
  }

  private static func floatNonlinearity(_ random: inout SplitMix64) throws -> Problem {
    let shape = random.chance(0.3) ? [random.int(1...3), Suites.channels(&random)] : Suites.map(&random)
    var input = Activation.random(shape, .float32, &random)
    let spread: Float = random.pick([1, 3, 40])
    if let values = input.elements.floats { input.elements = .float(values.map { $0 * spread }) }
    return try Problem(float: Nonlinearity(random.pick(Nonlinearity.functions)), [input])
  }

  private static func int8Nonlinearity(_ random: inout SplitMix64, readsRemainders: Bool) -> Problem {
    var op = Nonlinearity(random.pick(Nonlinearity.functions))
    op.readsInputRemainder = readsRemainders
    // Inputs on both sides of where the functions bend, outputs that saturate or not.
    let given = Suites.uint8(&random, scale: 0.005...0.2)
    var from = Suites.withRemainder(given, &random)
    if readsRemainders, let parameters = given.quantization { from = .uint8WithRemainder(parameters) }
    let input = Activation.random(Suites.map(&random), from, &random)
    let format = random.chance(0.2) ? .float32 : Suites.withRemainder(Suites.uint8(&random), &random)
    return Problem(
      op, [input], outputFormat: format, shape: input.shape,
      exactly: ActivationReference.nonlinearity(op, input, to: format))
  }

  private static func repeating(_ random: inout SplitMix64, int8: Bool) throws -> Problem {
    let shape = Suites.map(&random)
    let rule: EdgePadding.Rule = random.chance(0.5) ? .reflect : .replicate
    func margin(_ extent: Int) -> Int { random.int(0...(rule == .reflect ? min(3, extent - 1) : 3)) }
    let op = EdgePadding(
      MapMargins(
        top: margin(shape.height), left: margin(shape.width), bottom: margin(shape.height), right: margin(shape.width)),
      rule: rule)
    guard int8 else { return try Problem(float: op, [Activation.random(shape, .float32, &random)]) }
    let format = Suites.uint8(&random)
    let input = Activation.random(shape, format, &random)
    guard case .uint8(let levels) = input.elements else { fatalError("no uint8") }
    let result = try FloatReference.evaluate(op, [(shape, levels.map { Double($0) })], constants: [:])
    return Problem(
      op, [input], outputFormat: format, shape: result.shape, exactly: .uint8(result.values.map { UInt8($0) }))
  }

  /// Padding or cropping; on uint8 zero is the zero point.
  private static func moving(_ random: inout SplitMix64, crops: Bool, int8: Bool) throws -> Problem {
    let margins = MapMargins(
      top: random.int(0...3), left: random.int(0...2), bottom: random.int(0...2), right: random.int(0...3))
    var shape = Suites.map(&random)
    if crops {
      shape = [
        shape.batch, shape.height + margins.top + margins.bottom, shape.width + margins.left + margins.right,
        shape.channels,
      ]
    }
    let op: any RunnableOperator = crops ? Cropping(margins) : ZeroPadding(margins)
    guard int8 else { return try Problem(float: op, [Activation.random(shape, .float32, &random)]) }
    let format = Suites.uint8(&random)
    let input = Activation.random(shape, format, &random)
    guard case .uint8(let levels) = input.elements, case .uint8(let p) = format else { fatalError("no uint8") }
    // The reference moves what stands above the zero point.
    let centred = levels.map { Double(Int($0) - Int(p.zeroPoint)) }
    let result = try FloatReference.evaluate(op, [(shape, centred)], constants: [:])
    return Problem(
      op, [input], outputFormat: format, shape: result.shape,
      exactly: .uint8(result.values.map { UInt8(Int($0) + Int(p.zeroPoint)) }))
  }
}
