import Checkpoints
import Glibc
import Tensors

/// Constant folding: evaluates the operators with which exporters compute shapes, paddings and exponents while the
/// model is read.
enum ONNXFolding {
  /// Why a node cannot be evaluated.
  struct Failure: Error {
    /// Continues the node's name: "has no shape".
    let problem: String
    init(_ problem: String) { self.problem = problem }
  }

  /// Evaluates a node; `nil` where it must be translated instead.
  typealias Folding = @Sendable (Operands) throws(Failure) -> Tensor?

  /// The foldings by operator type.
  static let all: [String: Folding] = [elementwise, casting, moving, making, reducing, quantizing].reduce(into: [:]) {
    $0.merge($1) { first, _ in first }
  }

  /// A node whose inputs are all constant.
  struct Operands {
    let node: ONNXModel.Node
    /// `nil` for optional inputs that are omitted.
    let inputs: [Tensor?]
    let operatorSet: Int
    let budget: ONNXFoldingBudget

    /// Asks for the memory and the time of elements before they are computed.
    func claim(_ shape: Shape) throws(Failure) {
      guard ONNXShapes.isPossible(shape), let count = shape.checkedElementCount else {
        throw Failure("computes the impossible shape \(shape)")
      }
      try budget.claim(count)
    }

    /// An array after broadcasting to a larger shape.
    func broadcast<Element>(
      _ array: ONNXElements<Element>, to shape: Shape, _ problem: @autoclosure () -> String
    ) throws(Failure) -> [Element] {
      // An array that has as many elements is not copied.
      if shape.checkedElementCount != array.values.count { try claim(shape) }
      guard let values = array.broadcast(to: shape, allowing: ONNXArray.maximumOperandCount) else {
        throw Failure(problem())
      }
      return values
    }

    func has(_ index: Int) -> Bool { index < inputs.count && inputs[index] != nil }

    func tensor(_ index: Int) throws(Failure) -> Tensor {
      guard index < inputs.count, let tensor = inputs[index] else { throw Failure("has no input number \(index + 1)") }
      guard ONNXShapes.isPossible(tensor.shape) else {
        throw Failure("computes with the impossible shape \(tensor.shape)")
      }
      return tensor
    }

    /// An input whose elements are read, with the memory and the time for them.
    func elements(_ index: Int) throws(Failure) -> Tensor {
      let tensor = try tensor(index)
      try claim(tensor.shape)
      guard tensor.elementCount <= ONNXArray.maximumOperandCount else {
        throw Failure("computes with \(tensor.elementCount) constant elements; fold them when exporting")
      }
      return tensor
    }

    func array(_ index: Int) throws(Failure) -> ONNXArray {
      let tensor = try elements(index)
      guard let array = ONNXArray(tensor) else { throw Failure("computes with \(tensor.elementCount) elements") }
      return array
    }

    /// An input whose integers, if it has any, a Double holds exactly.
    func exactArray(_ index: Int) throws(Failure) -> ONNXArray {
      let array = try array(index)
      guard array.type.isFloatingPoint || array.values.allSatisfy({ abs($0) < 0x1p53 }) else {
        throw Failure("computes with integers beyond 2^53")
      }
      return array
    }

    /// An input of integers or truth values.
    func integerArray(_ index: Int) throws(Failure) -> ONNXIntegers {
      let tensor = try elements(index)
      guard let array = ONNXIntegers(tensor) else {
        throw Failure(
          tensor.elementType.isFloatingPoint
            ? "is not defined for \(tensor.elementType)" : "computes with integers that an int64 does not hold")
      }
      return array
    }

    /// The type of inputs, which ONNX requires to be the same. Results of half precision are float32 here.
    func commonType(_ indices: some Sequence<Int>) throws(Failure) -> ElementType {
      var common: ElementType?
      for index in indices {
        let type = try tensor(index).elementType
        guard let other = common, other != type else {
          common = type
          continue
        }
        guard other.isFloatingPoint, type.isFloatingPoint else {
          throw Failure("combines constants of \(other) and \(type)")
        }
        common = other == .float64 || type == .float64 ? .float64 : .float32
      }
      guard let result = common else { throw Failure("has no inputs") }
      return result
    }

    /// A list of integers from an attribute or, in later operator sets, an input; `nil` where it is omitted.
    func integers(_ attribute: String, input: Int) throws(Failure) -> [Int]? {
      if case .ints(let list)? = node.attributes[attribute] { return list }
      return has(input) ? try array(input).integers : nil
    }

    func integer(_ attribute: String) -> Int? {
      if case .int(let value)? = node.attributes[attribute] { return value }
      return nil
    }

    /// An axis from 0; negative ones count from the end.
    func axis(_ axis: Int, rank: Int) throws(Failure) -> Int {
      guard axis >= -rank, axis < rank else { throw Failure("has an axis \(axis), but its input has \(rank) axes") }
      return axis < 0 ? axis + rank : axis
    }
  }

  // MARK: Elementwise

  private static let elementwise: [String: Folding] = [
    "Add": binary({ $0 + $1 }, { $0 &+ $1 }), "Sub": binary({ $0 - $1 }, { $0 &- $1 }),
    "Mul": binary({ $0 * $1 }, { $0 &* $1 }),
    "Div": divide, "Mod": modulus, "Pow": power,
    "Min": variadic({ smaller($0, $1) }, { min($0, $1) }), "Max": variadic({ larger($0, $1) }, { max($0, $1) }),
    "Sum": variadic({ $0 + $1 }, { $0 &+ $1 }),
    "Equal": comparison({ $0 == $1 }, { $0 == $1 }), "Less": comparison({ $0 < $1 }, { $0 < $1 }),
    "Greater": comparison({ $0 > $1 }, { $0 > $1 }), "LessOrEqual": comparison({ $0 <= $1 }, { $0 <= $1 }),
    "GreaterOrEqual": comparison({ $0 >= $1 }, { $0 >= $1 }),
    "And": comparison({ $0 != 0 && $1 != 0 }, { $0 != 0 && $1 != 0 }),
    "Or": comparison({ $0 != 0 || $1 != 0 }, { $0 != 0 || $1 != 0 }),
    "Not": unary({ $0 == 0 ? 1 : 0 }, { $0 == 0 ? 1 : 0 }),
    "Abs": unary({ abs($0) }, { $0 < 0 ? 0 &- $0 : $0 }), "Neg": unary({ -$0 }, { 0 &- $0 }),
    "Relu": unary({ $0 < 0 ? 0 : $0 }, { max($0, 0) }),
    "Sign": unary({ $0.isNaN ? $0 : $0 == 0 ? 0 : $0 < 0 ? -1 : 1 }, { $0.signum() }),
    "Exp": unary({ exp($0) }), "Log": unary({ log($0) }), "Tanh": unary({ tanh($0) }),
    "Sigmoid": unary({ 1 / (1 + exp(-$0)) }), "Softplus": unary({ $0 > 30 ? $0 : log1p(exp($0)) }),
    "Sqrt": unary({ $0.squareRoot() }), "Reciprocal": unary({ 1 / $0 }), "Floor": unary({ $0.rounded(.down) }),
    "Ceil": unary({ $0.rounded(.up) }), "Round": unary({ $0.rounded(.toNearestOrEven) }),
    "Clip": clip, "Identity": { operands throws(Failure) in try operands.tensor(0) }, "Where": select,
  ]

  /// The smaller number; NaN where one is NaN.
  private static func smaller(_ a: Double, _ b: Double) -> Double { a.isNaN ? a : b.isNaN ? b : min(a, b) }

  /// The larger number; NaN where one is NaN.
  private static func larger(_ a: Double, _ b: Double) -> Double { a.isNaN ? a : b.isNaN ? b : max(a, b) }

  /// An operator of one input.
  ///
  /// - Parameter integer: its result for integers; `nil` for operators that ONNX defines only for real numbers.
  private static func unary(
    _ real: @escaping @Sendable (Double) -> Double, _ integer: (@Sendable (Int) -> Int)? = nil
  ) -> Folding {
    { operands throws(Failure) in
      let type = try operands.tensor(0).elementType
      if let integer, !type.isFloatingPoint {
        var array = try operands.integerArray(0)
        try operands.claim(array.shape)
        array.values = array.values.map(integer)
        return array.tensor
      }
      guard type.isFloatingPoint else { throw Failure("is not defined for \(type)") }
      var array = try operands.array(0)
      try operands.claim(array.shape)
      array.values = array.values.map(real)
      return array.tensor
    }
  }

  /// An operator of one or more inputs, which are combined from the first to the last.
  private static func variadic(
    _ real: @escaping @Sendable (Double, Double) -> Double, _ integer: @escaping @Sendable (Int, Int) -> Int
  ) -> Folding {
    { operands throws(Failure) in
      let type = try operands.commonType(operands.inputs.indices)
      guard type.isFloatingPoint else {
        var result = try operands.integerArray(0)
        for index in operands.inputs.indices.dropFirst() {
          let (shape, left, right) = try pair(operands, result, try operands.integerArray(index))
          // High bits are lost at each step.
          let step = ONNXIntegers(type: type, shape: shape, values: zip(left, right).map { integer($0, $1) })
          guard let kept = ONNXIntegers(step.tensor) else {
            throw Failure("computes integers that an int64 does not hold")
          }
          result = kept
        }
        return result.tensor
      }
      var result = try operands.array(0)
      result.type = type
      for index in operands.inputs.indices.dropFirst() {
        let (shape, left, right) = try pair(operands, result, try operands.array(index))
        let values = zip(left, right).map { type == .float64 ? real($0, $1) : Double(Float(real($0, $1))) }
        result = ONNXArray(type: type, shape: shape, values: values)
      }
      return result.tensor
    }
  }

  /// An operator of two inputs, whose results for integers lose the bits that their type does not hold.
  private static func binary(
    _ real: @escaping @Sendable (Double, Double) -> Double, _ integer: @escaping @Sendable (Int, Int) -> Int
  ) -> Folding {
    { operands throws(Failure) in try combine(operands, real: real, integer: { integer($0, $1) }) }
  }

  /// An operator of two inputs whose results are 0 or 1.
  private static func comparison(
    _ real: @escaping @Sendable (Double, Double) -> Bool, _ integer: @escaping @Sendable (Int, Int) -> Bool
  ) -> Folding {
    { operands throws(Failure) in
      try combine(
        operands, type: .bool, real: { real($0, $1) ? 1 : 0 }, integer: { integer($0, $1) ? 1 : 0 })
    }
  }

  /// - Parameters:
  ///   - type: that of the result; `nil` for the type of the inputs.
  ///   - wraps: whether results for integers lose the bits that their type does not hold; otherwise such results are
  ///     refused.
  ///   - integer: the result for integers; `nil` where ONNX does not define it.
  private static func combine(
    _ operands: Operands, type: ElementType? = nil, wraps: Bool = true, real: (Double, Double) -> Double,
    integer: (Int, Int) -> Int?
  ) throws(Failure) -> Tensor {
    guard operands.inputs.count == 2 else { throw Failure("has \(operands.inputs.count) inputs, not 2") }
    let common = try operands.commonType(0..<2)
    if common.isFloatingPoint {
      let (shape, left, right) = try pair(operands, try operands.array(0), try operands.array(1))
      return ONNXArray(type: type ?? common, shape: shape, values: zip(left, right).map { real($0, $1) }).tensor
    }
    let (shape, left, right) = try pair(operands, try operands.integerArray(0), try operands.integerArray(1))
    let bounds = ONNXIntegers.bounds(of: common)
    var values: [Int] = []
    values.reserveCapacity(left.count)
    for (a, b) in zip(left, right) {
      guard let value = integer(a, b), wraps || bounds.contains(value) else {
        throw Failure("computes with \(a) and \(b), for which ONNX defines no result of \(common)")
      }
      values.append(value)
    }
    return ONNXIntegers(type: type ?? common, shape: shape, values: values).tensor
  }

  /// Two arrays after broadcasting to their common shape, with the memory and the time for a result of that shape.
  private static func pair<Element>(
    _ operands: Operands, _ a: ONNXElements<Element>, _ b: ONNXElements<Element>
  ) throws(Failure) -> (shape: Shape, left: [Element], right: [Element]) {
    let problem = "cannot combine constants of \(a.shape) and \(b.shape)"
    guard let shape = ONNXArray.broadcastShape(a.shape, b.shape) else { throw Failure(problem) }
    let left = try operands.broadcast(a, to: shape, problem)
    let right = try operands.broadcast(b, to: shape, problem)
    try operands.claim(shape)
    return (shape, left, right)
  }

  /// A quotient, rounded towards zero where it is an integer. ONNX does not define integers over zero.
  private static let divide: Folding = { operands throws(Failure) in
    try combine(
      operands, wraps: false, real: { $0 / $1 },
      integer: { dividend, divisor in
        let (quotient, overflow) = dividend.dividedReportingOverflow(by: divisor)
        return overflow ? nil : quotient
      })
  }

  /// A remainder. With `fmod`, it has the sign of the first input, as in C; without, that of the second.
  private static let modulus: Folding = { operands throws(Failure) in
    let isC = operands.integer("fmod") == 1
    let type = try operands.tensor(0).elementType
    guard isC || !type.isFloatingPoint else { throw Failure("takes the remainder of real numbers without fmod") }
    return try combine(
      operands, real: { $0.truncatingRemainder(dividingBy: $1) },
      integer: { dividend, divisor in
        guard divisor != 0 else { return nil }
        let remainder = dividend.remainderReportingOverflow(dividingBy: divisor).partialValue
        return isC || remainder == 0 || (remainder < 0) == (divisor < 0) ? remainder : remainder + divisor
      })
  }

  /// A power, which has the type of the base. ONNX Runtime raises integers in double precision, too.
  private static let power: Folding = { operands throws(Failure) in
    guard operands.inputs.count == 2 else { throw Failure("has \(operands.inputs.count) inputs, not 2") }
    let type = try operands.tensor(0).elementType
    let (shape, left, right) = try pair(operands, try operands.exactArray(0), try operands.exactArray(1))
    var values = zip(left, right).map { pow($0, $1) }
    if !type.isFloatingPoint {
      let bounds = ONNXIntegers.bounds(of: type)
      values = values.map { $0.rounded(.towardZero) }
      guard values.allSatisfy({ abs($0) < 0x1p53 && bounds.contains(Int($0)) }) else {
        throw Failure("computes a power that \(type) does not hold, or one beyond 2^53")
      }
    }
    return ONNXArray(type: type, shape: shape, values: values).tensor
  }

  /// `min(max(x, low), high)`. The bounds are attributes up to opset 10, and inputs from opset 11 on.
  private static let clip: Folding = { operands throws(Failure) in
    let isByAttribute = operands.operatorSet < 11
    if !isByAttribute, let name = operands.node.attributes.keys.min() {
      throw Failure("has an attribute '\(name)', which its operator set takes as an input")
    }
    if let levels = try clippedLevels(operands) { return levels }
    let type = try operands.commonType(operands.inputs.indices.filter { operands.has($0) })
    guard type.isFloatingPoint else {
      var array = try operands.integerArray(0)
      let low = operands.has(1) ? try operands.integerArray(1).single() : Int.min
      let high = operands.has(2) ? try operands.integerArray(2).single() : Int.max
      try operands.claim(array.shape)
      array.values = array.values.map { min(max($0, low), high) }
      return array.tensor
    }
    var array = try operands.array(0)
    func bound(_ name: String, _ index: Int) throws(Failure) -> Double? {
      if isByAttribute, case .float(let value)? = operands.node.attributes[name] { return Double(value) }
      return operands.has(index) ? try operands.array(index).single() : nil
    }
    let (low, high) = (try bound("min", 1) ?? -.infinity, try bound("max", 2) ?? .infinity)
    guard !low.isNaN, !high.isNaN else { throw Failure("has a bound that is not a number") }
    try operands.claim(array.shape)
    array.values = array.values.map { $0.isNaN ? $0 : min(max($0, low), high) }
    return array.tensor
  }

  private static let select: Folding = { operands throws(Failure) in
    let condition = try operands.array(0)
    let parts = try operands.unified(1..<3)
    let problem = "cannot combine constants of \(condition.shape), \(parts[0].shape) and \(parts[1].shape)"
    guard let both = ONNXArray.broadcastShape(parts[0].shape, parts[1].shape),
      let shape = ONNXArray.broadcastShape(both, condition.shape)
    else { throw Failure(problem) }
    let mask = try operands.broadcast(condition, to: shape, problem)
    let left = try operands.broadcast(ONNXIntegers(positionsIn: parts[0].shape), to: shape, problem)
    let right = try operands.broadcast(ONNXIntegers(positionsIn: parts[1].shape), to: shape, problem)
    try operands.claim(shape)
    let first = parts[0].elementCount
    return try elements(of: parts, at: mask.indices.map { mask[$0] != 0 ? left[$0] : first + right[$0] }, shape: shape)
  }
}

/// Numbers in ONNX models.
enum ONNXMath {
  /// The shortest decimal that rounds to the same float32, such as 1e-5 for 9.99999974e-06; `value` itself where it is
  /// not a float32.
  static func decimal(_ value: Double) -> Double {
    let float = Float(value)
    return Double(float) == value ? Double("\(float)") ?? value : value
  }
}
