import Tensors

/// What an operator is, without how it runs: attributes, the shape rule and the quantisation rule.
///
/// The `Operators` module holds one file for each conforming type, with its evaluation, and the catalogue that maps wire
/// names to types.
package protocol Operator: Sendable {
  /// The name packages store. Never reuse or rename one.
  static var wireName: String { get }

  /// Reads the attributes of the portable form; the inverse of `attributes`.
  init(attributes: Attributes) throws(GraphError)
  var attributes: Attributes { get }

  /// How many activations the operator takes.
  static var arity: ClosedRange<Int> { get }

  /// The output's shape for the inputs' shapes, NHWC or NC.
  ///
  /// - Throws: `GraphError.shape`, `.constant`, or `.inputSize` where the feature map got too small.
  func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape

  /// What quantisation makes of the operator and its output.
  var quantizationRule: QuantizationRule { get }

  /// Which inputs it reads with their remainders, where they have one: those it adds to something, and those it is told to.
  func readsRemainder(ofInput slot: Int) -> Bool

  /// How its output comes to have remainders.
  static var remainderRule: RemainderRule { get }

  /// What becomes of a factor on a channel of an input. An operator that says nothing only works unscaled.
  func channelRule(ofInput slot: Int) -> ChannelRule

  /// Whether the constants `weight` (axis 0) and `bias` can be multiplied by a factor for each channel of the output.
  static var weighsOutputChannels: Bool { get }

  /// The operator with its first input read with remainders, where its traits say that it can be.
  func readingRemainder() -> any Operator

  /// The properties by which operators differ beyond the rules above. An operator that says nothing has the default ones.
  func traits(constants: [String: Tensor]) -> OperatorTraits

  /// Multiply-accumulates for one evaluation; 0 where they do not dominate.
  func multiplyAccumulates(inputs: [Shape], constants: [String: Tensor]) -> Int

  /// Whether the output is a map or a row for each image.
  static var outputLayout: OutputLayout { get }

  /// A number that no element of the output is below, if none of input i is below `bounds[i]`. An operator that says nothing
  /// promises nothing.
  func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double
}

extension Operator {
  package func readsRemainder(ofInput slot: Int) -> Bool { false }
  package static var remainderRule: RemainderRule { .never }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .fixed }
  package static var weighsOutputChannels: Bool { false }
  package static var outputLayout: OutputLayout { .sameAsInput }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { -.infinity }

  package func readingRemainder() -> any Operator { self }

  /// An operator that only moves values does so in float as in levels.
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.followsFloat = quantizationRule == .sameAsInput
    return traits
  }

  package func multiplyAccumulates(inputs: [Shape], constants: [String: Tensor]) -> Int { 0 }

  /// The attributes' printed form, "stride=2,2 activation=relu".
  package var attributeSummary: String {
    attributes.sorted.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
  }
}

/// How the elements of an operator's output are arranged.
package enum OutputLayout: Hashable, Sendable {
  /// Maps of maps, rows of rows.
  case sameAsInput
  /// [N, H, W, C]
  case maps
  /// [N, C]
  case rows
}

extension Graph {
  /// The values that have one vector an image, [N, C]; all others are maps.
  package var rows: Set<ValueID> {
    var result: Set<ValueID> = []
    for node in nodes {
      switch type(of: node.op).outputLayout {
      case .rows: result.insert(node.output)
      case .sameAsInput: if let first = node.inputs.first, result.contains(first) { result.insert(node.output) }
      case .maps: break
      }
    }
    return result
  }
}

/// How an operator is treated by quantisation.
package enum QuantizationRule: Hashable, Sendable {
  /// Runs on uint8 activations with int8 weights; its output gets a range of its own from calibration.
  case ownRange
  /// Only moves or selects values: the output has the scale and zero point of the input, exactly.
  case sameAsInput
  /// Runs in float on whatever the input is; the output is float.
  case float
  /// Float activations with int8 weights of one scale per output channel; the output is float.
  case floatWithInt8Weights
}

/// How an operator's output comes to have remainders.
package enum RemainderRule: Hashable, Sendable {
  /// It has none.
  case never
  /// The operator rounds real values, and can keep what is left over.
  case made
  /// It can have them, and the operator then reads those of its inputs.
  case passedOn
}

extension Graph {
  /// Whether a node reads an input with its remainders, where it has any.
  package func readsRemainder(_ node: Node, ofInput slot: Int) -> Bool {
    if node.op.readsRemainder(ofInput: slot) { return true }
    guard type(of: node.op).remainderRule == .passedOn, case .uint8WithRemainder = format(of: node.output) else {
      return false
    }
    return true
  }
}
