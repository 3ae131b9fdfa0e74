import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let power: ONNXTranslation = { translator, node throws(ImportError) in
    try translator.checkKeepsShape(node)
    let exponents = ONNXArray(try translator.constant(node, 1))?.values ?? []
    guard let exponent = exponents.first else { throw translator.bad(node, "has no exponent") }
    guard exponents.allSatisfy({ $0 == exponent }) else { return try raiseChannels(&translator, node) }
    return try raise(
      &translator, node, to: exponent, tolerance: tolerance(of: try translator.constant(node, 1).elementType))
  }

  /// The relative error allowed where a root is taken for the inverse of a power: that of two numbers which are rounded
  /// to a type of floating-point numbers.
  private static func tolerance(of type: ElementType) -> Double {
    switch type {
    case .float16: 1e-3
    case .bfloat16: 8e-3
    default: inverseTolerance
    }
  }

  /// The relative error allowed where a root is taken for the inverse of a power, and the model stores them in float32.
  private static let inverseTolerance = 1e-6

  /// A power with an exponent for each channel: a step of GeM pooling.
  private static func raiseChannels(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node
  ) throws(ImportError) -> ONNXValue {
    func exponents(of activation: ONNXActivation) throws(ImportError) -> [Double] {
      guard let values = translator.channelValues(try translator.constant(node, 1), of: activation) else {
        throw translator.unsupported(node, "it has neither a single exponent nor one for each channel")
      }
      return values
    }
    if case .step(.reduced(let reduction)) = try translator.value(node, 0), let powers = reduction.exponents,
      reduction.openAxis == nil
    {
      let mean = ONNXActivation(
        value: reduction.base.value, shape: reduction.shape, isRow: true, channelAxis: reduction.channelAxis)
      let roots = try exponents(of: mean)
      guard zip(roots, powers).allSatisfy({ abs($0 * $1 - 1) <= inverseTolerance }) else {
        throw translator.unsupported(node, "its roots are not those of the powers, which is not GeM pooling")
      }
      return .activation(try translator.pool(reduction, exponents: powers, node: node))
    }
    if case .step(.clipped(let base, let floor)) = try translator.value(node, 0) {
      return .step(.powers(base, floor: floor, exponents: try exponents(of: base)))
    }
    let base = try translator.activation(node, 0)
    return .step(.powers(base, floor: nil, exponents: try exponents(of: base)))
  }

  /// A power: a step of GeM pooling or of an L2 norm.
  ///
  /// - Parameter tolerance: the relative error allowed where a root is taken for the inverse of a power.
  static func raise(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, to exponent: Double, tolerance: Double
  ) throws(ImportError) -> ONNXValue {
    let value = try translator.value(node, 0)
    switch value {
    case .step(.reduced(let reduction)) where reduction.exponent.isFinite && reduction.openAxis == nil:
      if abs(exponent * reduction.exponent - 1) <= tolerance {
        if abs(exponent * reduction.exponent - 1) > inverseTolerance {
          translator.note("the exponents of GeM pooling are rounded; quern takes the root for the inverse of the power")
        }
        return .activation(try translator.pool(reduction, exponent: reduction.exponent, node: node))
      }
      if reduction.exponent == 1 { break }
      throw translator.unsupported(
        node, "a mean of powers of \(reduction.exponent) with a root of \(exponent), which is not GeM pooling")
    case .step(.moment(let moment)):
      if let result = moment.raised(to: exponent) { return .step(.moment(result)) }
    case .step(.response(let response)) where response.kind == .squares && exponent == 0.5:
      return .step(.response(response.with(.norm)))
    case .step(.squareSum(let base, let epsilon, let shape)) where exponent == 0.5 || exponent == -0.5:
      let op = L2Normalization(epsilon: epsilon, rule: epsilon == 0 ? .added : .insideRoot)
      return .step(.norm(base, op, isReciprocal: exponent < 0, shape: shape))
    case .step(.flooredSquareSum(let base, let floor, let shape)) where exponent == 0.5 || exponent == -0.5:
      let op = L2Normalization(epsilon: ONNXMath.decimal(Double(Float(floor.squareRoot()))), rule: .floor)
      return .step(.norm(base, op, isReciprocal: exponent < 0, shape: shape))
    case .constant: throw translator.unsupported(node, "its base is constant")
    default: if exponent == 1 { return value }
    }
    if case .step(.clipped(let base, let floor)) = value {
      return .step(.power(base, floor: floor, exponent: exponent))
    }
    return .step(.power(try translator.activation(node, 0), floor: nil, exponent: exponent))
  }
}
