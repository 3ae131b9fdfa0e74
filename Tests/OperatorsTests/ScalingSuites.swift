import Graphs
import Operators
import ReferenceOperators
import Tensors

/// Random problems for layer normalisation, PReLU and products of maps.
enum ScalingSuites {
  static let all: [(name: String, operatorName: String, make: @Sendable (inout SplitMix64) throws -> Problem)] = [
    ("layer normalisation, float", LayerNormalization.wireName, floatLayerNormalization),
    (
      "layer normalisation, int8", LayerNormalization.wireName,
      { int8LayerNormalization(&$0, readsRemainders: false) }
    ),
    (
      "layer normalisation, 16 bits", LayerNormalization.wireName,
      { int8LayerNormalization(&$0, readsRemainders: true) }
    ),
    ("multiplication, float", Multiplication.wireName, floatMultiplication),
    ("multiplication, int8", Multiplication.wireName, int8Multiplication),
    ("PReLU, float", PReLU.wireName, floatPReLU),
    ("PReLU, int8", PReLU.wireName, int8PReLU),
  ]

  private static func mapOrRow(_ random: inout SplitMix64) -> Shape {
    random.chance(0.3) ? [random.int(1...3), Suites.channels(&random)] : Suites.map(&random)
  }

  // MARK: - Layer normalisation

  private static func constants(_ channels: Int, _ random: inout SplitMix64) -> [String: Tensor] {
    ["weight": Tensor(random.floats(channels, -2...2)), "bias": Tensor(random.floats(channels))]
  }

  private static func floatLayerNormalization(_ random: inout SplitMix64) throws -> Problem {
    let shape = mapOrRow(&random)
    var input = Activation.random(shape, .float32, &random)
    // Means that are large beside the deviations, too.
    let (spread, shift): (Float, Float) = random.pick([(1, 0), (100, 0), (0.01, 1)])
    if let values = input.elements.floats { input.elements = .float(values.map { $0 * spread + shift }) }
    return try Problem(
      float: LayerNormalization(epsilon: random.pick([1e-6, 1e-5, 1e-3])), [input],
      constants: constants(shape.channels, &random))
  }

  private static func int8LayerNormalization(_ random: inout SplitMix64, readsRemainders: Bool) -> Problem {
    let given = Suites.uint8(&random)
    var from = Suites.withRemainder(given, &random)
    if readsRemainders, let parameters = given.quantization { from = .uint8WithRemainder(parameters) }
    let input = Activation.random(mapOrRow(&random), from, &random)
    let format = random.chance(0.2) ? .float32 : Suites.withRemainder(Suites.uint8(&random), &random)
    // Without an epsilon, values that are all equal have no result, of which only the level is specified.
    var op = LayerNormalization(epsilon: random.pick(format == .float32 ? [1e-6, 0.1] : [0, 1e-6, 0.1]))
    op.readsInputRemainder = readsRemainders
    let constants = constants(input.shape.channels, &random)
    return Problem(
      op, [input], outputFormat: format, constants: constants, shape: input.shape,
      exactly: Int8Reference.layerNormalization(op, input, constants: constants, to: format))
  }

  // MARK: - Products

  /// Two maps of one number of channels, or a map and a factor for each pixel; sometimes of different sizes.
  private static func factors(_ random: inout SplitMix64) -> [Shape] {
    var shapes = MapSuites.corners(&random, 2)
    if random.chance(0.4) { shapes[1] = [shapes[1].batch, shapes[1].height, shapes[1].width, 1] }
    return shapes
  }

  private static func floatMultiplication(_ random: inout SplitMix64) throws -> Problem {
    let row: Shape = [random.int(1...3), Suites.channels(&random)]
    let shapes = random.chance(0.2) ? [row, row] : factors(&random)
    return try Problem(float: Multiplication(), shapes.map { Activation.random($0, .float32, &random) })
  }

  private static func int8Multiplication(_ random: inout SplitMix64) -> Problem {
    let inputs = factors(&random).map {
      Activation.random($0, Suites.withRemainder(Suites.uint8(&random), &random), &random)
    }
    let format = Suites.uint8(&random)
    let result = Int8Reference.multiplication(inputs[0], inputs[1], to: format)
    return Problem(Multiplication(), inputs, outputFormat: format, shape: result.shape, exactly: result.elements)
  }

  // MARK: - PReLU

  private static func floatPReLU(_ random: inout SplitMix64) throws -> Problem {
    let shape = mapOrRow(&random)
    return try Problem(
      float: PReLU(), [Activation.random(shape, .float32, &random)],
      constants: ["slope": Tensor(random.floats(shape.channels, -0.5...1.5))])
  }

  private static func int8PReLU(_ random: inout SplitMix64) -> Problem {
    let input = Activation.random(mapOrRow(&random), Suites.withRemainder(Suites.uint8(&random), &random), &random)
    let (slope, format) = (Tensor(random.floats(input.shape.channels, -0.5...1.5)), Suites.uint8(&random))
    return Problem(
      PReLU(), [input], outputFormat: format, constants: ["slope": slope], shape: input.shape,
      exactly: Int8Reference.parametricReLU(input, slope: slope, to: format))
  }
}
