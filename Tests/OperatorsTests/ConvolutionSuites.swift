import Graphs
import Operators
import ReferenceOperators
import Tensors

/// Random convolutions.
enum ConvolutionSuites {
  enum Kind { case any, depthwise, pointwise, first, winograd }

  /// An operator, its input's shape, its weight's and its output's.
  struct Geometry {
    var op: Convolution
    var input: Shape
    var weight: Shape
    var output: Shape
  }

  static func geometry(_ random: inout SplitMix64, _ kind: Kind) -> Geometry {
    while true {
      var window = Suites.window(&random, kernels: [1, 2, 3, 5], padding: 0...3)
      var groups = random.pick([1, 1, 1, 2, 3])
      var (inputs, outputs) = (random.int(1...20), random.int(1...20))
      switch kind {
      case .any:
        // Sometimes deep and wide enough that threads split the output channels.
        if random.chance(0.2) { (groups, inputs, outputs) = (1, random.int(60...130), random.int(120...260)) }
      case .depthwise: (groups, inputs, outputs) = (random.int(2...70), 1, 1)
      case .pointwise:
        window = Window(1)
        if random.chance(0.5) { (inputs, outputs) = (random.int(1...70), random.int(1...200)) }
      case .first:
        (groups, inputs) = (1, random.pick([3, 3, 3, 1, 2, 4]))
        (window.dilationHeight, window.dilationWidth) = (1, 1)
      case .winograd:
        window = Window(3)
        (window.top, window.left) = (random.int(-2...2), random.int(-2...2))
        (window.bottom, window.right) = (random.int(-2...2), random.int(-2...2))
        (groups, inputs) = (1, random.int(32...(random.chance(0.1) ? 300 : 80)))
        outputs = random.int(32...(random.chance(0.3) ? 300 : 80))
      }
      if random.chance(0.1), window.dilationWidth == 1, kind != .winograd { window = Window(7, stride: 2, padding: 3) }
      if random.chance(0.15), window.dilationHeight == 1, window.dilationWidth == 1, kind != .winograd {
        window.ceilMode = false
        window.padLikeTensorFlow()
      }
      let large = random.chance(kind == .winograd ? 0.5 : 0.1)
      let map: Shape = [
        random.int(1...3), random.int(1...(large ? 24 : 11)), random.int(1...(large ? 24 : 11)), inputs * groups,
      ]
      let extent = WindowReference.extent(window, height: map.height, width: map.width)
      guard extent.height > 0, extent.width > 0 else { continue }
      let op = Convolution(
        window: window, groups: groups, activation: random.pick(ActivationFunction.examples.filter(\.fitsEpilogues)))
      let weight: Shape = [outputs * groups, window.height, window.width, inputs]
      let output: Shape = [map.batch, extent.height, extent.width, outputs * groups]
      let most = kind == .winograd ? 12_000_000 : 3_000_000
      guard output.batch * output.height * output.width * weight.elementCount < most else { continue }
      return Geometry(op: op, input: map, weight: weight, output: output)
    }
  }

  static func float(_ random: inout SplitMix64) throws -> Problem {
    try float(&random, random.pick([.any, .depthwise, .pointwise, .first]))
  }

  static func float(_ random: inout SplitMix64, _ kind: Kind) throws -> Problem {
    let geometry = geometry(&random, kind)
    var inputs = [Activation.random(geometry.input, .float32, &random)]
    if random.chance(0.4) {
      inputs.append(Activation.random(residualShape(geometry.output, &random), .float32, &random))
    }
    var constants = ["weight": Tensor(random.floats(geometry.weight.elementCount), shape: geometry.weight)]
    if random.chance(0.6) { constants["bias"] = Tensor(random.floats(geometry.weight[0])) }
    return try Problem(float: geometry.op, inputs, constants: constants)
  }

  static func int8(_ random: inout SplitMix64, _ kind: Kind, readsRemainders: Bool = false) -> Problem {
    var geometry = geometry(&random, kind)
    geometry.op.readsInputRemainder = readsRemainders
    let (weight, channels) = (geometry.weight, geometry.weight[0])
    let isFirst = kind == .first && random.chance(0.7)
    var format = isFirst ? pixels : Suites.uint8(&random)
    if readsRemainders, let parameters = format.quantization { format = .uint8WithRemainder(parameters) }
    var inputs = [Activation.random(geometry.input, format, &random)]
    var constants = ["weight": Tensor(random.weights(weight.elementCount), shape: weight)]
    if random.chance(0.15) {
      // The largest sums there are.
      inputs[0].elements = .uint8([UInt8](repeating: 255, count: inputs[0].elements.count))
      constants["weight"] = Tensor(
        [Int8](repeating: random.pick([127, -127]), count: weight.elementCount), shape: weight)
    }
    constants["weight_scale"] = Tensor(random.floats(channels, 0.0005...0.02))
    if random.chance(0.7) {
      let bias = (0..<channels).map { _ in Int32.random(in: -100_000...100_000, using: &random) }
      constants["bias"] = Tensor(bias)
    }
    if isFirst { constants["padding_value"] = Tensor(random.bytes(weight[3])) }

    // A scale that puts typical sums in the middle of the levels.
    let spread = Float(weight.elementCount / channels).squareRoot() * 74 * 60 * 0.01 * inputScale(inputs[0].format) / 60
    let isFloat = random.chance(0.25)
    let output: ValueFormat =
      isFloat ? .float32 : Suites.withRemainder(Suites.uint8(&random, scale: spread * 0.3...spread * 3), &random)
    if random.chance(0.4) {
      let format: ValueFormat =
        isFloat && !readsRemainders && random.chance(0.5)
        ? .float32 : Suites.withRemainder(Suites.uint8(&random, scale: spread * 0.3...spread * 3), &random)
      inputs.append(Activation.random(residualShape(geometry.output, &random), format, &random))
    }
    let expected = Int8Reference.convolution(geometry.op, inputs, outputFormat: output, constants: constants)
    return Problem(
      geometry.op, inputs, outputFormat: output, constants: constants, shape: expected.shape, exactly: expected.elements
    )
  }

  /// A residual of the output's shape, or one that is larger or smaller.
  private static func residualShape(_ output: Shape, _ random: inout SplitMix64) -> Shape {
    if random.chance(0.7) { return output }
    return [
      output.batch, max(1, output.height + random.int(-2...2)), max(1, output.width + random.int(-2...2)),
      output.channels,
    ]
  }

  private static let pixels = ValueFormat.uint8(QuantizationParameters(scale: 1, zeroPoint: 0))

  private static func inputScale(_ format: ValueFormat) -> Float {
    format.quantization?.scale ?? 1
  }
}
