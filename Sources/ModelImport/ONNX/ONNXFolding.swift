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
    func broadcast(_ array: ONNXArray, to shape: Shape, _ problem: @autoclosure () -> String) throws(Failure)
      -> [Double]
    {
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

    func array(_ index: Int) throws(Failure) -> ONNXArray {
      try claim(try tensor(index).shape)
      guard let array = ONNXArray(try tensor(index)) else {
        throw Failure("computes with \(try tensor(index).elementCount) constant elements; fold them when exporting")
      }
      return array
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
    "Add": binary(+), "Sub": binary(-), "Mul": binary(*), "Div": binary(/, truncates: true),
    "Pow": binary { pow($0, $1) }, "Min": variadic { min($0, $1) },
    "Max": variadic { max($0, $1) }, "Sum": variadic(+),
    "Equal": comparison { $0 == $1 }, "Less": comparison { $0 < $1 }, "Greater": comparison { $0 > $1 },
    "LessOrEqual": comparison { $0 <= $1 }, "GreaterOrEqual": comparison { $0 >= $1 },
    "And": comparison { $0 != 0 && $1 != 0 }, "Or": comparison { $0 != 0 || $1 != 0 },
    "Not": unary { $0 == 0 ? 1 : 0 },
    "Mod": { operands throws(Failure) in
      // With `fmod`, the result has the sign of the first input, as in C; without, that of the second.
      let isC = operands.integer("fmod") == 1
      return try combine(operands) {
        let remainder = $0.truncatingRemainder(dividingBy: $1)
        return isC || remainder == 0 || (remainder < 0) == ($1 < 0) ? remainder : remainder + $1
      }
    },
    "Exp": unary { exp($0) }, "Log": unary { log($0) }, "Relu": unary { max($0, 0) }, "Tanh": unary { tanh($0) },
    "Sigmoid": unary { 1 / (1 + exp(-$0)) }, "Softplus": unary { $0 > 30 ? $0 : log1p(exp($0)) },
    "Round": unary { $0.rounded(.toNearestOrEven) }, "Sign": unary { $0 == 0 ? 0 : $0 < 0 ? -1 : 1 },
    "Clip": { operands throws(Failure) in
      if let levels = try clippedLevels(operands) { return levels }
      var array = try operands.array(0)
      func bound(_ name: String, _ index: Int, _ none: Double) throws(Failure) -> Double {
        if case .float(let value)? = operands.node.attributes[name] { return Double(value) }
        return operands.has(index) ? try operands.array(index).values.first ?? none : none
      }
      let (low, high) = (try bound("min", 1, -.infinity), try bound("max", 2, .infinity))
      try operands.claim(array.shape)
      array.values = array.values.map { min(max($0, low), high) }
      return array.tensor
    },
    "Sqrt": unary { $0.squareRoot() }, "Reciprocal": unary { 1 / $0 }, "Neg": unary { -$0 },
    "Floor": unary { $0.rounded(.down) }, "Ceil": unary { $0.rounded(.up) }, "Abs": unary { abs($0) },
    "Identity": { operands throws(Failure) in try operands.tensor(0) },
    "Where": select,
  ]

  private static func unary(_ function: @escaping @Sendable (Double) -> Double) -> Folding {
    { operands throws(Failure) in
      var array = try operands.array(0)
      try operands.claim(array.shape)
      array.values = array.values.map(function)
      return array.tensor
    }
  }

  /// An operator of one or more inputs, which are combined from the first to the last.
  private static func variadic(_ function: @escaping @Sendable (Double, Double) -> Double) -> Folding {
    { operands throws(Failure) in
      var result = try operands.array(0)
      for index in operands.inputs.indices.dropFirst() {
        let next = try operands.array(index)
        let problem = "cannot combine constants of \(result.shape) and \(next.shape)"
        guard let shape = ONNXArray.broadcastShape(result.shape, next.shape) else { throw Failure(problem) }
        let left = try operands.broadcast(result, to: shape, problem)
        let right = try operands.broadcast(next, to: shape, problem)
        try operands.claim(shape)
        result = ONNXArray(type: result.type, shape: shape, values: zip(left, right).map(function))
      }
      return result.tensor
    }
  }

  /// An operator of two inputs.
  ///
  /// - Parameter truncates: whether results are rounded towards zero where the first input is of integers.
  private static func binary(
    _ function: @escaping @Sendable (Double, Double) -> Double, truncates: Bool = false
  ) -> Folding {
    { operands throws(Failure) in try combine(operands, truncates: truncates, function) }
  }

  /// An operator of two inputs whose results are 0 or 1.
  private static func comparison(_ function: @escaping @Sendable (Double, Double) -> Bool) -> Folding {
    { operands throws(Failure) in try combine(operands, type: .bool) { function($0, $1) ? 1 : 0 } }
  }

  /// - Parameter type: that of the result; `nil` for the type of the first input.
  private static func combine(
    _ operands: Operands, type: ElementType? = nil, truncates: Bool = false, _ function: (Double, Double) -> Double
  ) throws(Failure) -> Tensor {
    guard operands.inputs.count == 2 else { throw Failure("has \(operands.inputs.count) inputs, not 2") }
    let (a, b) = (try operands.array(0), try operands.array(1))
    let problem = "cannot combine constants of \(a.shape) and \(b.shape)"
    guard let shape = ONNXArray.broadcastShape(a.shape, b.shape) else { throw Failure(problem) }
    let left = try operands.broadcast(a, to: shape, problem)
    let right = try operands.broadcast(b, to: shape, problem)
    try operands.claim(shape)
    var values = zip(left, right).map(function)
    if truncates, !a.type.isFloatingPoint { values = values.map { $0.rounded(.towardZero) } }
    return ONNXArray(type: type ?? a.type, shape: shape, values: values).tensor
  }

  private static let select: Folding = { operands throws(Failure) in
    let (condition, a, b) = (try operands.array(0), try operands.array(1), try operands.array(2))
    let problem = "cannot combine constants of \(condition.shape), \(a.shape) and \(b.shape)"
    guard let pair = ONNXArray.broadcastShape(a.shape, b.shape),
      let shape = ONNXArray.broadcastShape(pair, condition.shape)
    else { throw Failure(problem) }
    let mask = try operands.broadcast(condition, to: shape, problem)
    let left = try operands.broadcast(a, to: shape, problem)
    let right = try operands.broadcast(b, to: shape, problem)
    try operands.claim(shape)
    let values = mask.indices.map { mask[$0] != 0 ? left[$0] : right[$0] }
    return ONNXArray(type: a.type, shape: shape, values: values).tensor
  }

  // MARK: Making constants

  private static let making: [String: Folding] = [
    "Constant": { operands throws(Failure) in
      let attributes = operands.node.attributes
      if case .tensor(let tensor)? = attributes["value"] { return tensor }
      if case .float(let value)? = attributes["value_float"] { return Tensor([value], shape: []) }
      if case .floats(let values)? = attributes["value_floats"] { return Tensor(values) }
      if case .int(let value)? = attributes["value_int"] { return Tensor([Int64(value)], shape: []) }
      if case .ints(let values)? = attributes["value_ints"] { return Tensor(values.map { Int64($0) }) }
      throw Failure("holds no number")
    },
    "ConstantOfShape": { operands throws(Failure) in
      let shape = Shape(try operands.array(0).integers)
      guard let count = shape.checkedElementCount, count <= ONNXArray.maximumCount, ONNXShapes.isPossible(shape) else {
        throw Failure("makes a constant of \(shape)")
      }
      var fill = ONNXArray(type: .float32, shape: [1], values: [0])
      if case .tensor(let tensor)? = operands.node.attributes["value"] {
        guard tensor.elementCount == 1, let array = ONNXArray(tensor) else {
          throw Failure("does not fill with a single value")
        }
        fill = array
      }
      try operands.budget.claim(count)
      let values = [Double](repeating: fill.values[0], count: count)
      return ONNXArray(type: fill.type, shape: shape, values: values).tensor
    },
    "Range": { operands throws(Failure) in
      let (start, limit, delta) = (try operands.array(0), try operands.array(1), try operands.array(2))
      guard let first = start.values.first, let end = limit.values.first, let step = delta.values.first, step != 0,
        ((end - first) / step).isFinite, (end - first) / step <= Double(ONNXArray.maximumCount)
      else { throw Failure("makes no valid range") }
      try operands.budget.claim(ONNXArray.integer(max(0, ((end - first) / step).rounded(.up))))
      let values = Array(stride(from: first, to: end, by: step))
      return ONNXArray(type: start.type, shape: [values.count], values: values).tensor
    },
    "Size": { operands throws(Failure) in
      ONNXArray(type: .int64, shape: [], values: [Double(try operands.tensor(0).elementCount)]).tensor
    },
    "Shape": { operands throws(Failure) in
      let dimensions = try operands.tensor(0).shape.dimensions
      return ONNXArray(integers: ONNXShapes.slice(dimensions, operands.node)).tensor
    },
  ]
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
