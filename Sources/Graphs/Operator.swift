import Tensors

/// An operator's definition, without its evaluation: attributes, shape rule, quantisation rule, and traits.
///
/// The `Operators` module has one file for each conforming type, with its evaluation, and the catalogue that maps wire
/// names to types.
package protocol Operator: Sendable {
  /// The name that packages store. Never reuse or rename one.
  static var wireName: String { get }

  /// Reads the attributes of the portable form; the inverse of `attributes`.
  ///
  /// - Throws: `GraphError.attribute` where one is missing, of another type, or out of range.
  init(attributes: Attributes) throws(GraphError)
  /// The attributes in the portable form, from which `init(attributes:)` makes an equal operator.
  var attributes: Attributes { get }

  /// The numbers of inputs that the operator can take.
  static var arity: ClosedRange<Int> { get }

  /// The output's shape for the inputs' shapes, NHWC or NC.
  ///
  /// - Throws: `GraphError.shape` or `.constant` where they do not fit the operator, or `.inputSize` where a feature
  ///   map is too small or too large.
  func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape

  /// How quantisation treats the operator and its output.
  var quantizationRule: QuantizationRule { get }

  /// Whether an input is read with its remainders, where it has them: inputs that are added to something, and those of
  /// an operator with 16-bit input. By default, none.
  func readsRemainder(ofInput slot: Int) -> Bool

  /// Whether the output can have remainders, and where they come from. By default, it has none.
  static var remainderRule: RemainderRule { get }

  /// How a factor on a channel of an input changes the output. By default, channels cannot be scaled.
  func channelRule(ofInput slot: Int) -> ChannelRule

  /// Whether multiplying the constants `weight` (along axis 0) and `bias` by a factor for each output channel
  /// multiplies the channels of the output. By default, false.
  var hasOutputChannelWeights: Bool { get }

  /// The operator with 16-bit input: its first input is read with remainders. It is the operator itself where
  /// `OperatorTraits.canReadRemainder` is false.
  func readingRemainder() -> any Operator

  /// The properties in which operators differ beyond the rules above. `OperatorTraits` documents the defaults.
  func traits(constants: [String: Tensor]) -> OperatorTraits

  /// The number of multiply-accumulates of one evaluation; 0 where they do not dominate its cost.
  func multiplyAccumulates(inputs: [Shape], constants: [String: Tensor]) -> Int

  /// Whether the output has a map or a row for each image. By default, it is laid out as the first input.
  static var outputLayout: OutputLayout { get }

  /// A lower bound of all elements of the output, given lower bounds of the elements of each input. By default, minus
  /// infinity.
  func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double

  /// How far the results are the same bits wherever they are computed. By default, they are specified.
  ///
  /// - Parameters:
  ///   - inputs: the format of each input.
  ///   - constants: the node's constants. Only their types and shapes are read.
  func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility
}

extension Operator {
  package func readsRemainder(ofInput slot: Int) -> Bool { false }
  package static var remainderRule: RemainderRule { .never }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .fixed }
  package var hasOutputChannelWeights: Bool { false }
  package static var outputLayout: OutputLayout { .sameAsInput }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { -.infinity }

  package func readingRemainder() -> any Operator { self }

  package func reproducibility(inputs: [ValueFormat], constants: [String: Tensor]) -> Reproducibility { .specified }

  /// An operator that only moves or selects values does the same to floats and to levels.
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.followsFloat = quantizationRule == .sameAsInput
    traits.commutesWithRounding = quantizationRule == .sameAsInput
    return traits
  }

  package func multiplyAccumulates(inputs: [Shape], constants: [String: Tensor]) -> Int { 0 }

  /// The attributes in printed form, such as "stride=[2,2] activation=relu".
  package var attributeSummary: String {
    attributes.sorted.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
  }
}

/// How the elements of an operator's output are arranged.
package enum OutputLayout: Hashable, Sendable {
  /// Maps for maps, rows for rows.
  case sameAsInput
  /// [N, H, W, C].
  case maps
  /// [N, C].
  case rows
}

extension Graph {
  /// The values with one vector per image, [N, C]; all others are maps.
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

/// How quantisation treats an operator.
package enum QuantizationRule: Hashable, Sendable {
  /// Runs on uint8 activations, with int8 weights where it has weights; calibration chooses the range of its output.
  case calibratedRange
  /// Only moves or selects values: the output has exactly the scale and zero point of the input.
  case sameAsInput
  /// Computes in float32; the output is float32.
  case float
  /// Computes on float32 activations with int8 weights that have one scale per output channel; the output is float32.
  case floatWithInt8Weights
}

/// Whether an operator's output can have remainders, and where they come from.
package enum RemainderRule: Hashable, Sendable {
  /// The output has none.
  case never
  /// The operator rounds real values, and can store the remainders of this rounding.
  case made
  /// The operator can pass on the remainders of its inputs; where its output has remainders, it reads those of its
  /// inputs.
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
