import Graphs

// How operators store activation functions as attributes: by name, with the parameters that a function has.

extension ActivationFunction {
  /// The name that packages store. Never reuse or rename one.
  package var name: String {
    switch self {
    case .none: "none"
    case .relu: "relu"
    case .clip: "clip"
    case .leakyReLU: "leaky_relu"
    case .elu: "elu"
    case .hardSigmoid: "hard_sigmoid"
    case .hardSwish: "hard_swish"
    case .sigmoid: "sigmoid"
    case .silu: "silu"
    case .gelu: "gelu"
    case .tanhGELU: "gelu_tanh"
    case .tanhGELUGate: "gelu_tanh_gate"
    case .mish: "mish"
    case .softplus: "softplus"
    case .tanh: "tanh"
    case .erf: "erf"
    }
  }

  /// Reads an attribute that names a function, and the attributes of the function's parameters.
  ///
  /// - Parameters:
  ///   - attribute: The name of the attribute.
  ///   - inEpilogue: Whether the function must be one that epilogues apply, or one that they do not.
  /// - Throws: `GraphError.attribute` where an attribute is missing, out of range, or names no such function.
  init(_ attributes: Attributes, _ attribute: String, inEpilogue: Bool) throws(GraphError) {
    let name = try attributes.string(attribute)
    let candidates = Self.examples.filter { $0.fitsEpilogues == inEpilogue }
    guard let kind = candidates.first(where: { $0.name == name }) else {
      let names = candidates.map { "'\($0.name)'" }
      let distinct = names.indices.filter { names.firstIndex(of: names[$0]) == $0 }.map { names[$0] }
      throw .attribute(name: attribute, expected: distinct.joined(separator: inEpilogue ? " or " : ", "))
    }
    switch kind {
    case .clip: self = .clip(try ClipBounds(attributes: attributes))
    case .leakyReLU:
      let slope = try attributes.float("slope")
      guard slope.isFinite, slope != 0 else { throw .attribute(name: "slope", expected: "a finite number, not 0") }
      self = .leakyReLU(slope: slope)
    case .elu:
      let alpha = try attributes.float("alpha")
      guard alpha > 0, alpha.isFinite else { throw .attribute(name: "alpha", expected: "a positive finite number") }
      self = .elu(alpha: alpha)
    default: self = kind
    }
  }

  /// The attributes that `init(_:_:inEpilogue:)` reads.
  ///
  /// - Parameter attribute: The name of the attribute that names the function.
  func attributes(_ attribute: String) -> Attributes {
    var result: Attributes = [attribute: .string(name)]
    switch self {
    case .clip(let minimum, let maximum):
      if minimum > -.infinity { result["minimum"] = .float(minimum) }
      if maximum < .infinity { result["maximum"] = .float(maximum) }
    case .leakyReLU(let slope): result["slope"] = .float(slope)
    case .elu(let alpha): result["alpha"] = .float(alpha)
    default: break
    }
    return result
  }

  /// The clip with valid bounds.
  static func clip(_ bounds: ClipBounds) -> ActivationFunction {
    .clip(minimum: bounds.minimum, maximum: bounds.maximum)
  }
}

/// The bounds of a clip.
struct ClipBounds: Hashable, Sendable {
  /// The lower bound; minus infinity where there is none.
  let minimum: Double
  /// The upper bound; infinity where there is none.
  let maximum: Double

  /// - Throws: `GraphError.attribute` where a bound is NaN or the minimum is above the maximum.
  init(minimum: Double, maximum: Double) throws(GraphError) {
    guard !maximum.isNaN, maximum > -.infinity else {
      throw .attribute(name: "maximum", expected: "a number, or infinity")
    }
    guard minimum <= maximum, minimum < .infinity else {
      throw .attribute(name: "minimum", expected: "at most the maximum")
    }
    (self.minimum, self.maximum) = (minimum, maximum)
  }

  /// Reads the attributes `minimum` and `maximum`, which are absent where there is no bound.
  ///
  /// - Throws: `GraphError.attribute` where a bound is no number or the minimum is above the maximum.
  init(attributes: Attributes) throws(GraphError) {
    try self.init(
      minimum: attributes["minimum"] == nil ? -.infinity : try attributes.float("minimum"),
      maximum: attributes["maximum"] == nil ? .infinity : try attributes.float("maximum"))
  }
}
