import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let arithmetic: [String: ONNXTranslation] = [
    "Add": { translator, node throws(ImportError) in try add(&translator, node) },
    "Sum": { translator, node throws(ImportError) in
      if node.inputs.count == 1 { return try translator.value(node, 0) }
      guard node.inputs.count == 2 else { throw translator.unsupported(node, "a sum of \(node.inputs.count)") }
      return try add(&translator, node)
    },
    "Sub": subtract, "Mul": multiply, "Div": divide, "Pow": power,
    "Sqrt": { translator, node throws(ImportError) in try raise(&translator, node, to: 0.5) },
  ]

  private static func isConstant(_ value: ONNXValue) -> Bool {
    if case .constant = value { true } else { false }
  }

  private static func add(_ translator: inout ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> ONNXValue {
    let (a, b) = (try translator.value(node, 0), try translator.value(node, 1))
    if isConstant(a) || isConstant(b) {
      let (other, constant) = isConstant(a) ? (1, 0) : (0, 1)
      if case .step(.norm(let base, 0, let shape)) = try translator.value(node, other),
        let epsilon = try translator.scalar(node, constant), (0...1e-3).contains(epsilon)
      {
        return .step(.norm(base, epsilon: ONNXMath.decimal(epsilon), shape: shape))
      }
      return try affine(&translator, node, value: other, constant: constant, factor: { _ in 1 }, offset: { $0 })
    }
    guard a.shape.rank == b.shape.rank, a.shape.rank == 4 else {
      let (left, right) = (try translator.row(node, 0), try translator.row(node, 1))
      return .activation(try translator.append(Addition(), node: node, inputs: [left, right]).with(shape: left.shape))
    }
    return .activation(try translator.append(Addition(), node: node, inputs: try translator.maps(node)))
  }

  private static let subtract: ONNXTranslation = { translator, node throws(ImportError) in
    if isConstant(try translator.value(node, 1)) {
      return try affine(&translator, node, value: 0, constant: 1, factor: { _ in 1 }, offset: { -$0 })
    }
    guard isConstant(try translator.value(node, 0)) else {
      throw translator.unsupported(node, "the difference of two activations")
    }
    return try affine(&translator, node, value: 1, constant: 0, factor: { _ in -1 }, offset: { $0 })
  }

  private static let multiply: ONNXTranslation = { translator, node throws(ImportError) in
    if node.inputs.count == 2, node.inputs[0] == node.inputs[1] { return try raise(&translator, node, to: 2) }
    let (a, b) = (try translator.value(node, 0), try translator.value(node, 1))
    guard isConstant(a) || isConstant(b) else { return try scale(&translator, node) }
    let (other, constant) = isConstant(a) ? (1, 0) : (0, 1)
    return try affine(&translator, node, value: other, constant: constant, factor: { $0 }, offset: { _ in 0 })
  }

  /// A map times a factor for each channel, the last step of squeeze-and-excitation.
  private static func scale(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node
  ) throws(ImportError) -> ONNXValue {
    let (a, b) = (try translator.activation(node, 0), try translator.activation(node, 1))
    let (map, factors) = a.isRow ? (b, a) : (a, b)
    guard !map.isRow, factors.isRow, factors.shape.rank == 4, factors.channels == map.channels else {
      throw translator.unsupported(node, "the product of \(a.shape) and \(b.shape)")
    }
    return .activation(try translator.append(ChannelScaling(), node: node, inputs: [map, factors]))
  }

  private static let divide: ONNXTranslation = { translator, node throws(ImportError) in
    if case .step(.norm(let base, let epsilon, _)) = try translator.value(node, 1) {
      let source = try translator.row(node, 0)
      guard source.value == base.value else {
        throw translator.unsupported(node, "it divides one vector by the norm of another")
      }
      let output = try translator.append(L2Normalization(epsilon: epsilon), node: node, inputs: [source])
      return .activation(output.with(shape: source.shape))
    }
    guard isConstant(try translator.value(node, 1)) else {
      throw translator.unsupported(node, "the quotient of two activations")
    }
    return try affine(&translator, node, value: 0, constant: 1, factor: { 1 / $0 }, offset: { _ in 0 })
  }

  private static let power: ONNXTranslation = { translator, node throws(ImportError) in
    guard let exponent = try translator.scalar(node, 1) else { throw translator.bad(node, "has no exponent") }
    return try raise(&translator, node, to: exponent)
  }

  private static func raise(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, to exponent: Double
  ) throws(ImportError) -> ONNXValue {
    switch try translator.value(node, 0) {
    case .step(.clipped(let base, let floor)): return .step(.power(base, floor: floor, exponent: exponent))
    case .step(.meanPower(let base, let floor, let p, let shape)):
      return try ONNXGeM.pool(
        &translator, node, base: base, floor: floor, exponent: p, root: exponent, shape: shape)
    case .step(.squareSum(let base, let shape)) where exponent == 0.5:
      return .step(.norm(base, epsilon: 0, shape: shape))
    default:
      return .step(.power(try translator.activation(node, 0), floor: nil, exponent: exponent))
    }
  }

  // MARK: Constants for each channel

  /// `x * factor + offset`, where both come from a constant that has one value for each channel: a batch norm on a map,
  /// a bias or a centering on a vector.
  private static func affine(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, value: Int, constant: Int, factor: (Double) -> Double,
    offset: (Double) -> Double
  ) throws(ImportError) -> ONNXValue {
    let source = try translator.activation(node, value)
    guard let channels = channelValues(try translator.constant(node, constant), of: source) else {
      throw translator.unsupported(
        node, "its constant '\(node.inputs[constant])' has not one value for each of \(source.channels) channels")
    }
    let (factors, offsets) = (channels.map(factor), channels.map(offset))
    if factors.allSatisfy({ $0 == 1 }), offsets.allSatisfy({ $0 == 0 }) { return .activation(source) }
    if source.isRow, factors.allSatisfy({ $0 == 1 }) {
      return .activation(try shift(&translator, node, source, by: offsets, isOnlyReader: value))
    }
    let count = source.channels
    let constants = [
      "scale": Tensor(factors.map { Float($0) }), "shift": Tensor(offsets.map { Float($0) }),
      "mean": Tensor([Float](repeating: 0, count: count)), "variance": Tensor([Float](repeating: 1, count: count)),
    ]
    let output = try translator.append(
      BatchNormalization(epsilon: 0), node: node, inputs: [source], constants: constants)
    return .activation(output.with(shape: source.shape))
  }

  /// The bias of the linear layer that makes the vector, where nothing else reads it; else a centering.
  private static func shift(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ source: ONNXActivation, by offsets: [Double],
    isOnlyReader input: Int
  ) throws(ImportError) -> ONNXActivation {
    if let producer = translator.producer(of: source), producer.op is Linear, producer.constants["bias"] == nil,
      translator.isOnlyReader(node, of: input)
    {
      translator.setBias(Tensor(offsets.map { Float($0) }), of: source)
      return source
    }
    let mean = Tensor(offsets.map { Float(-$0) })
    return try translator.append(Centering(), node: node, inputs: [source], constants: ["mean": mean])
      .with(shape: source.shape)
  }

  private static func channelValues(_ constant: Tensor, of activation: ONNXActivation) -> [Double]? {
    guard let array = ONNXArray(constant), !array.values.isEmpty else { return nil }
    let channels = activation.channels
    if array.values.count == 1 { return [Double](repeating: array.values[0], count: channels) }
    // Shapes align at the last axis; the channels are the activation's second.
    let axis = array.shape.rank - (activation.shape.rank - 1)
    guard axis >= 0, array.shape[axis] == channels, array.values.count == channels else { return nil }
    return array.values
  }
}
