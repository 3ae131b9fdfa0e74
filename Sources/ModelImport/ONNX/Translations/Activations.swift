import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let activations: [String: ONNXTranslation] = [
    "Relu": { translator, node throws(ImportError) in
      .activation(try translator.appendKeepingShape(ReLU(), node: node, try translator.activation(node, 0)))
    },
    "Sigmoid": function(.sigmoid), "HardSigmoid": hardSigmoid, "HardSwish": function(.hardSwish), "Swish": swish,
    "Tanh": hyperbolicTangent, "Erf": function(.erf), "Softplus": function(.softplus), "Mish": function(.mish),
    "Gelu": gelu, "LeakyRelu": leakyReLU, "PRelu": parametricReLU, "Elu": elu, "Selu": selu,
    "Clip": clip,
    "Max": { translator, node throws(ImportError) in
      let (value, bound) = try valueAndNumber(&translator, node)
      return try bounded(&translator, node, input: value, minimum: bound, maximum: .infinity)
    },
    "Min": { translator, node throws(ImportError) in
      let (value, bound) = try valueAndNumber(&translator, node)
      return try bounded(&translator, node, input: value, minimum: -.infinity, maximum: bound)
    },
    "Softmax": probabilities, "LogSoftmax": probabilities,
    "Dropout": dropout,
    "Identity": { translator, node throws(ImportError) in try translator.value(node, 0) },
    "Cast": cast,
    "CastLike": castLike,
  ]

  private static func function(_ function: ActivationFunction) -> ONNXTranslation {
    { translator, node throws(ImportError) in
      .activation(try translator.append(function, of: try translator.activation(node, 0), node: node))
    }
  }

  /// `min(max(alpha x + beta, 0), 1)`. The graph's hard sigmoid has the alpha of 1/6 and the beta of 1/2 that
  /// MobileNets use; others are expressed by scaling x first.
  private static let hardSigmoid: ONNXTranslation = { translator, node throws(ImportError) in
    let (alpha, beta) = (try translator.float(node, "alpha") ?? 0.2, try translator.float(node, "beta") ?? 0.5)
    guard alpha.isFinite, beta.isFinite else { throw translator.bad(node, "has an alpha or beta that is not finite") }
    let source = try translator.activation(node, 0)
    let isUsual = beta == 0.5 ? translator.isRounded(alpha, of: 1 / 6) : false
    let argument =
      isUsual
      ? source : try translator.appendScale(of: source, factor: 6 * alpha, offset: 6 * beta - 3, node: node)
    return .activation(try translator.append(.hardSigmoid, of: argument, node: node))
  }

  private static let gelu: ONNXTranslation = { translator, node throws(ImportError) in
    let form = try translator.text(node, "approximate", default: "none")
    guard let function = ["none": ActivationFunction.gelu, "tanh": .tanhGELU][form] else {
      throw translator.bad(node, "its attribute 'approximate' is '\(form)'")
    }
    return .activation(try translator.append(function, of: try translator.activation(node, 0), node: node))
  }

  /// The tangent of the cubic in GELU's approximation is a function of its own, which becomes part of the GELU.
  private static let hyperbolicTangent: ONNXTranslation = { translator, node throws(ImportError) in
    guard case .step(.polynomial(let base, let coefficients)) = try translator.value(node, 0) else {
      return .activation(try translator.append(.tanh, of: try translator.activation(node, 0), node: node))
    }
    guard translator.isGELUCubic(coefficients) else {
      throw translator.unsupported(node, "it is of a polynomial other than that of GELU's approximation")
    }
    return .activation(try translator.append(.tanhGELUGate, of: base, node: node))
  }

  private static let leakyReLU: ONNXTranslation = { translator, node throws(ImportError) in
    let slope = try translator.float(node, "alpha") ?? Double(Float(0.01))
    return try leaky(&translator, node, slopes: [slope])
  }

  private static let parametricReLU: ONNXTranslation = { translator, node throws(ImportError) in
    let source = try translator.activation(node, 0)
    guard let slopes = translator.channelValues(try translator.constant(node, 1), of: source) else {
      throw translator.unsupported(
        node, "its slopes '\(node.inputs[1])' are not one for each of \(source.channels) channels")
    }
    return try leaky(&translator, node, slopes: slopes)
  }

  /// A ReLU with one slope for all channels, or a slope for each.
  private static func leaky(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, slopes: [Double]
  ) throws(ImportError) -> ONNXValue {
    guard slopes.allSatisfy(\.isFinite), let first = slopes.first else {
      throw translator.bad(node, "has a slope that is not finite")
    }
    let source = try translator.activation(node, 0)
    guard slopes.allSatisfy({ $0 == first }) else {
      let slope = Tensor(slopes.map { Float($0) })
      return .activation(try translator.appendKeepingShape(PReLU(), node: node, source, constants: ["slope": slope]))
    }
    switch first {
    case 0: return .activation(try translator.rectify(source, node: node))
    case 1: return .activation(source)
    default: return .activation(try translator.append(.leakyReLU(slope: first), of: source, node: node))
    }
  }

  private static let elu: ONNXTranslation = { translator, node throws(ImportError) in
    let alpha = try translator.float(node, "alpha") ?? 1
    guard alpha > 0, alpha.isFinite else {
      throw translator.unsupported(node, "its alpha is \(alpha), not positive and finite")
    }
    return .activation(try translator.append(.elu(alpha: alpha), of: try translator.activation(node, 0), node: node))
  }

  /// `gamma elu(x)`; its parameters have the defaults of Klambauer et al. (arXiv 1706.02515).
  private static let selu: ONNXTranslation = { translator, node throws(ImportError) in
    let alpha = try translator.float(node, "alpha") ?? Double(Float(1.673_263_2))
    let gamma = try translator.float(node, "gamma") ?? Double(Float(1.050_701))
    guard alpha > 0, alpha.isFinite, gamma.isFinite else {
      throw translator.unsupported(node, "its alpha is \(alpha) and its gamma \(gamma)")
    }
    let source = try translator.activation(node, 0)
    let result = try translator.append(.elu(alpha: alpha), of: source, node: node)
    return .activation(try translator.appendScale(of: result, factor: gamma, node: node))
  }

  /// `x / (1 + exp(-alpha x))`.
  private static let swish: ONNXTranslation = { translator, node throws(ImportError) in
    let alpha = try translator.float(node, "alpha") ?? 1
    guard alpha == 1 else { throw translator.unsupported(node, "it has the alpha \(alpha), but quern supports only 1") }
    return .activation(try translator.append(.silu, of: try translator.activation(node, 0), node: node))
  }

  /// The largest float32. A clip with this bound, or one beyond it, clips nothing.
  private static let widest = Double(Float.greatestFiniteMagnitude)

  private static let clip: ONNXTranslation = { translator, node throws(ImportError) in
    // The bounds are attributes up to opset 10, and inputs from opset 11 on.
    let isByAttribute = translator.model.operatorSet < 11
    if isByAttribute, node.inputs.count > 1 { throw translator.bad(node, "has more than one input") }
    if !isByAttribute, let name = node.attributes.keys.min() {
      throw translator.bad(node, "has an attribute '\(name)', which its operator set takes as an input")
    }
    let low = isByAttribute ? try translator.float(node, "min") : try translator.scalar(node, 1)
    let high = isByAttribute ? try translator.float(node, "max") : try translator.scalar(node, 2)
    if let levels = try translator.clippedLevels(node, minimum: low, maximum: high) { return levels }
    return try bounded(&translator, node, input: 0, minimum: low ?? -.infinity, maximum: high ?? .infinity)
  }

  /// For a node with an activation and a constant number as inputs: the index of the activation, and the number.
  private static func valueAndNumber(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node
  ) throws(ImportError) -> (value: Int, bound: Double) {
    guard node.inputs.count == 2 else {
      throw translator.unsupported(
        node, "it has \(node.inputs.count) inputs, but quern supports only a value and a number")
    }
    try translator.checkKeepsShape(node)
    let number = try translator.value(node, 0).isConstant ? 0 : 1
    guard try translator.value(node, number).isConstant, let bound = try translator.scalar(node, number) else {
      throw translator.unsupported(node, "neither of its inputs is a constant number")
    }
    return (1 - number, bound)
  }

  /// `min(max(x, minimum), maximum)`: the guard of an L2 norm, the first step of GeM pooling, a ReLU, or a clip. A
  /// minimum above the maximum, which ONNX allows, is refused.
  private static func bounded(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, input: Int, minimum: Double, maximum: Double
  ) throws(ImportError) -> ONNXValue {
    guard !minimum.isNaN, !maximum.isNaN else { throw translator.bad(node, "has a bound that is not a number") }
    let value = try translator.value(node, input)
    let (low, high) = (minimum <= -widest ? -.infinity : minimum, maximum >= widest ? .infinity : maximum)
    if low == -.infinity, high == .infinity { return value }
    guard low < .infinity, high > -.infinity, low <= high else {
      throw translator.unsupported(node, "its bounds \(minimum) and \(maximum) leave a single value")
    }
    guard high == .infinity else {
      let source = try translator.activation(node, input)
      return .activation(try translator.clip(source, minimum: low, maximum: high, node: node))
    }
    if case .step(.norm(let base, let op, false, let shape)) = value, op.epsilon == 0 {
      // A norm is not negative.
      guard low > 0 else { return value }
      return .step(
        .norm(base, L2Normalization(epsilon: ONNXMath.decimal(low), rule: .floor), isReciprocal: false, shape: shape))
    }
    if case .step(.squareSum(let base, 0, let shape)) = value {
      // As TensorFlow guards the norm: the root of the larger one is the larger root.
      guard low > 0 else { return value }
      return .step(.flooredSquareSum(base, floor: ONNXMath.decimal(low), shape: shape))
    }
    let source = try translator.activation(node, input)
    if low == 0 { return .activation(try translator.rectify(source, node: node)) }
    return .step(.clipped(source, floor: ONNXMath.decimal(low)))
  }

  /// A softmax or log softmax over the channels of a vector. Before opset 13, these operators worked over all axes from
  /// the given one on.
  private static let probabilities: ONNXTranslation = { translator, node throws(ImportError) in
    if node.operatorType == "Softmax", translator.model.operatorSet >= 13,
      case .step(.view(let view)) = try translator.value(node, 0),
      let axis = ONNXShapes.axes([try translator.integer(node, "axis", default: -1)], rank: view.axes.count)?.first,
      let result = try branchSoftmax(&translator, node, view, axis: axis)
    {
      return result
    }
    let source = try translator.activation(node, 0)
    let rank = source.shape.rank
    let isFlattening = translator.model.operatorSet < 13
    let requested = try translator.integer(node, "axis", default: isFlattening ? 1 : -1)
    guard let axis = ONNXShapes.axes([requested], rank: rank)?.first else {
      throw translator.bad(node, "has an axis \(requested), but its input has \(rank) axes")
    }
    guard source.isRow, axis == source.channelAxis || isFlattening && (1..<source.channelAxis).contains(axis) else {
      throw translator.unsupported(node, "it is not over the elements of a vector")
    }
    return .step(.probabilities(source, operatorType: node.operatorType))
  }

  private static let dropout: ONNXTranslation = { translator, node throws(ImportError) in
    if translator.hasInput(node, 2), try translator.scalar(node, 2) != 0 {
      throw translator.unsupported(node, "it is in training mode; export the model after eval()")
    }
    return try translator.value(node, 0)
  }

  private static let cast: ONNXTranslation = { translator, node throws(ImportError) in
    // Floating-point casts do nothing, as all activations are float32 here.
    let type = try translator.integer(node, "to", default: 0)
    guard let name = [1: "float32", 10: "float16", 11: "float64", 16: "bfloat16"][type] else {
      if let levels = try translator.levelsKept(by: node, type: type) { return levels }
      throw translator.unsupported(node, "a cast to anything but floating-point numbers")
    }
    if type != 1 { translator.note("the model computes partly in \(name); quern computes in float32 throughout") }
    return try translator.value(node, 0)
  }

  /// A cast to the type of another value, which must be a floating-point one.
  private static let castLike: ONNXTranslation = { translator, node throws(ImportError) in
    let (value, like) = (try translator.value(node, 0), try translator.value(node, 1))
    var isReal = !translator.values.bytes.contains(node.inputs[1])
    if case .constant(let tensor) = like { isReal = tensor.elementType.isFloatingPoint }
    if case .step(.quantized) = like { isReal = false }
    guard isReal else { throw translator.unsupported(node, "a cast to anything but floating-point numbers") }
    if case .constant(let tensor) = like, tensor.elementType != .float32 {
      translator.note("the model computes partly in \(tensor.elementType); quern computes in float32 throughout")
    }
    guard case .constant(let tensor) = value, !tensor.elementType.isFloatingPoint else { return value }
    // An activation is float32 here, whatever its type in the model.
    let operands = ONNXFolding.Operands(
      node: node, inputs: [tensor], operatorSet: translator.model.operatorSet, budget: translator.foldings.budget)
    do throws(ONNXFolding.Failure) { return .constant(try ONNXFolding.cast(operands, to: .float32)) } catch {
      throw translator.bad(node, error.problem)
    }
  }
}
