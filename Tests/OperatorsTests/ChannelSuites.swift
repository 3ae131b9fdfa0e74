import Graphs
import Operators
import ReferenceOperators
import Tensors

/// Random problems for the operators that move channels and pixels, and those of the attention between channels.
enum ChannelSuites {
  static let all: [(name: String, operatorName: String, make: @Sendable (inout SplitMix64) throws -> Problem)] = [
    ("channel convolution", ChannelConvolution.wireName, channelConvolution),
    ("channel response, float", ChannelResponse.wireName, { try channelResponse(&$0, int8: false) }),
    ("channel response, int8", ChannelResponse.wireName, { try channelResponse(&$0, int8: true) }),
    ("channel selection, float", ChannelSelection.wireName, { try channelSelection(&$0, int8: false) }),
    ("channel selection, int8", ChannelSelection.wireName, { try channelSelection(&$0, int8: true) }),
    ("resizing, float", Resizing.wireName, { try resizing(&$0, int8: false) }),
    ("resizing, int8", Resizing.wireName, { try resizing(&$0, int8: true) }),
    ("softmax", Softmax.wireName, softmax),
  ]

  /// A part of the channels, a shuffle, or any channels.
  static func selection(_ count: Int, _ random: inout SplitMix64) throws -> ChannelSelection {
    switch random.int(0...2) {
    case 0:
      let first = random.int(0...count - 1)
      return try ChannelSelection(Array(first...random.int(first...count - 1)))
    case 1:
      let groups = (1...count).filter { count % $0 == 0 }
      let depth = random.pick(groups)
      return try ChannelSelection((0..<count).map { $0 % depth * (count / depth) + $0 / depth })
    default: return try ChannelSelection((0..<random.int(1...50)).map { _ in random.int(0...count - 1) })
    }
  }

  private static func channelSelection(_ random: inout SplitMix64, int8: Bool) throws -> Problem {
    let shape = !int8 && random.chance(0.3) ? [random.int(1...3), Suites.channels(&random)] : Suites.map(&random)
    let op = try selection(shape.channels, &random)
    let format = int8 ? Suites.withRemainder(Suites.uint8(&random), &random) : .float32
    let input = Activation.random(shape, format, &random)
    if !int8 { return try Problem(float: op, [input]) }
    let result = Int8Reference.channelSelection(op, input)
    return Problem(op, [input], outputFormat: format, shape: result.shape, exactly: result.elements)
  }

  private static func resizing(_ random: inout SplitMix64, int8: Bool) throws -> Problem {
    let extent: Resizing.Extent =
      random.chance(0.6)
      ? .factors(height: random.int(1...4), width: random.int(1...4))
      : .size(height: random.int(1...20), width: random.int(1...20))
    let op = try Resizing(
      random.pick(Resizing.Interpolation.allCases), alignment: random.pick(Resizing.Alignment.allCases), extent: extent)
    let format = int8 ? Suites.uint8(&random) : .float32
    let input = Activation.random(Suites.map(&random), format, &random)
    if !int8 { return try Problem(float: op, [input]) }
    let result = Int8Reference.resizing(op, input)
    return Problem(op, [input], outputFormat: format, shape: result.shape, exactly: .uint8(result.levels))
  }

  private static func channelResponse(_ random: inout SplitMix64, int8: Bool) throws -> Problem {
    let op = ChannelResponse(epsilon: random.pick([1e-6, 0.1]))
    let shape = Suites.map(&random)
    let format = int8 ? Suites.uint8(&random) : .float32
    var input = Activation.random(shape, format, &random)
    guard int8 else {
      // Maps of zeros, too.
      if random.chance(0.1), let values = input.elements.floats { input.elements = .float(values.map { _ in 0 }) }
      return try Problem(float: op, [input])
    }
    return Problem(
      op, [input], outputFormat: .float32, shape: [shape.batch, shape.channels],
      exactly: .float(Int8Reference.responses(op, input)))
  }

  private static func softmax(_ random: inout SplitMix64) throws -> Problem {
    let op = try Softmax(branches: random.int(1...4), stride: random.int(1...20))
    var input = Activation.random(
      [random.int(1...3), op.branches * op.stride * random.int(1...3)], .float32, &random)
    if random.chance(0.3), let values = input.elements.floats { input.elements = .float(values.map { $0 * 20 }) }
    return try Problem(float: op, [input])
  }

  private static func channelConvolution(_ random: inout SplitMix64) throws -> Problem {
    let before = random.int(0...4)
    let weight = random.floats(before + random.int(1...5))
    let input = Activation.random([random.int(1...3), Suites.channels(&random)], .float32, &random)
    return try Problem(float: try ChannelConvolution(before: before), [input], constants: ["weight": Tensor(weight)])
  }
}
