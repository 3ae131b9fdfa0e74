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
    "Neg": { translator, node throws(ImportError) in
      try affine(&translator, node, value: 0, constant: nil, factor: { _ in -1 }, offset: { _ in 0 })
    },
    "Sqrt": { translator, node throws(ImportError) in try raise(&translator, node, to: 0.5, tolerance: 0) },
    "Reciprocal": { translator, node throws(ImportError) in try invert(&translator, node, 0) },
  ]

  private static func add(_ translator: inout ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> ONNXValue {
    try translator.checkKeepsShape(node)
    let (a, b) = (try translator.value(node, 0), try translator.value(node, 1))
    if let sum = try translator.polynomialSum(node) { return sum }
    if let sum = try translator.variancePlusEpsilon(node) { return sum }
    if a.isConstant || b.isConstant {
      let (other, constant) = a.isConstant ? (1, 0) : (0, 1)
      if let guarded = try addEpsilon(&translator, node, value: other, constant: constant) { return guarded }
      return try affine(&translator, node, value: other, constant: constant, factor: { _ in 1 }, offset: { $0 })
    }
    let (left, right) = (try translator.activation(node, 0), try translator.activation(node, 1))
    if translator.haveMergedPixels(left, right) {
      let sum = try translator.append(Addition(), node: node, inputs: [left, right])
      return .activation(sum.with(shape: left.shape, channelAxis: left.channelAxis))
    }
    guard left.isRow || right.isRow else {
      let maps = try translator.maps(node)
      let sum = try translator.append(Addition(), node: node, inputs: maps)
      return .activation(translator.arranged(sum, as: maps[0]))
    }
    if left.isRow, right.isRow, left.shape == right.shape, left.channelAxis == right.channelAxis {
      let sum = try translator.append(Addition(), node: node, inputs: [left, right])
      return .activation(sum.with(shape: left.shape, channelAxis: left.channelAxis))
    }
    // The sum of a vector and a map of one pixel.
    guard left.shape == right.shape, left.channelAxis == right.channelAxis else {
      throw translator.unsupported(node, "the sum of \(left.shape) and \(right.shape)")
    }
    let maps = [try translator.map(node, 0), try translator.map(node, 1)]
    let sum = try translator.append(Addition(), node: node, inputs: maps)
    return .activation(translator.arranged(sum, as: maps[0]))
  }

  /// Adding the epsilon of an L2 norm, of the sum of squares under its root, or of the mean of the norms of channels;
  /// `nil` for other additions.
  private static func addEpsilon(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, value: Int, constant: Int
  ) throws(ImportError) -> ONNXValue? {
    guard let number = ONNXArray(try translator.constant(node, constant)), number.values.count == 1,
      number.values[0] >= 0
    else { return nil }
    let epsilon = ONNXMath.decimal(number.values[0])
    switch try translator.value(node, value) {
    case .step(.norm(let base, let op, false, let shape)) where op.epsilon == 0:
      return .step(.norm(base, L2Normalization(epsilon: epsilon, rule: .added), isReciprocal: false, shape: shape))
    case .step(.response(let mean)) where mean.kind == .mean:
      return .step(.response(mean.with(epsilon: mean.epsilon + epsilon)))
    case .step(.squareSum(let base, 0, let shape)):
      return .step(.squareSum(base, epsilon: epsilon, shape: shape))
    default: return nil
    }
  }

  private static let subtract: ONNXTranslation = { translator, node throws(ImportError) in
    try translator.checkKeepsShape(node)
    if let centred = try translator.centred(node) { return centred }
    if try translator.value(node, 1).isConstant {
      return try affine(&translator, node, value: 0, constant: 1, factor: { _ in 1 }, offset: { -$0 })
    }
    guard try translator.value(node, 0).isConstant else {
      throw translator.unsupported(node, "the difference of two activations")
    }
    return try affine(&translator, node, value: 1, constant: 0, factor: { _ in -1 }, offset: { $0 })
  }

  private static let multiply: ONNXTranslation = { translator, node throws(ImportError) in
    guard node.inputs.count == 2 else { throw translator.bad(node, "has \(node.inputs.count) inputs, not 2") }
    try translator.checkKeepsShape(node)
    let (a, b) = (try translator.value(node, 0), try translator.value(node, 1))
    if let product = try translator.polynomialProduct(node) { return product }
    if let product = try translator.normalizedProduct(node) { return product }
    if node.inputs[0] == node.inputs[1], !a.isConstant { return try raise(&translator, node, to: 2, tolerance: 0) }
    for (norm, other) in [(a, 1), (b, 0)] {
      if case .step(.norm(let base, let op, true, let shape)) = norm {
        return try normalize(&translator, node, value: other, base: base, op, normShape: shape)
      }
    }
    guard a.isConstant || b.isConstant else {
      if let scaled = try translator.scaledView(node) { return scaled }
      if !a.isExpanded, !b.isExpanded, let gated = try translator.gated(node) { return .activation(gated) }
      return try scale(&translator, node)
    }
    let (other, constant) = a.isConstant ? (1, 0) : (0, 1)
    return try affine(&translator, node, value: other, constant: constant, factor: { $0 }, offset: { _ in 0 })
  }

  /// The product of a map and a factor for each channel, the last step of squeeze-and-excitation; of a map and a factor
  /// for each pixel, as in spatial attention; or of two maps or vectors.
  private static func scale(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node
  ) throws(ImportError) -> ONNXValue {
    let shape = try translator.value(node, 0).shape
    var operands: [ONNXActivation] = []
    for index in 0..<2 {
      if case .step(.expanded(let row, let expanded)) = try translator.value(node, index), expanded == shape,
        case let other = try translator.value(node, 1 - index), other.shape == shape, !other.isExpanded
      {
        operands.append(row)
      } else {
        operands.append(try translator.activation(node, index))
      }
    }
    let (a, b) = (operands[0], operands[1])
    if a.isRow == b.isRow { return try product(&translator, node, a, b) }
    let (map, factors) = a.isRow ? (b, a) : (a, b)
    guard map.isMap, factors.isRow, factors.shape.rank == 4, factors.channelAxis == map.channelAxis,
      factors.channels == map.channels
    else { throw translator.unsupported(node, "the product of \(a.shape) and \(b.shape)") }
    let product = try translator.append(ChannelScaling(), node: node, inputs: [map, factors])
    return .activation(product.with(shape: map.shape, channelAxis: map.channelAxis))
  }

  /// The product of two maps, or of two vectors, element by element.
  private static func product(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ a: ONNXActivation, _ b: ONNXActivation
  ) throws(ImportError) -> ONNXValue {
    if a.isRow && a.shape == b.shape && a.channelAxis == b.channelAxis || translator.haveMergedPixels(a, b) {
      let product = try translator.append(Multiplication(), node: node, inputs: [a, b])
      return .activation(product.with(shape: a.shape, channelAxis: a.channelAxis))
    }
    guard a.isMap, b.isMap, a.channelAxis == b.channelAxis, a.height == b.height, a.width == b.width,
      a.channels == b.channels || a.channels == 1 || b.channels == 1
    else { throw translator.unsupported(node, "the product of \(a.shape) and \(b.shape)") }
    let maps = b.channels > a.channels ? [b, a] : [a, b]
    let product = try translator.append(Multiplication(), node: node, inputs: maps)
    return .activation(translator.arranged(product, as: maps[0]))
  }

  private static let divide: ONNXTranslation = { translator, node throws(ImportError) in
    try translator.checkKeepsShape(node)
    if let normalized = try translator.normalizedQuotient(node) { return normalized }
    if let responses = try translator.responseQuotient(node) { return responses }
    if case .step(.moment) = try translator.value(node, 1), try translator.value(node, 0).isConstant,
      try translator.scalar(node, 0) == 1
    {
      return try invert(&translator, node, 1)
    }
    if case .step(.norm(let base, let op, false, let shape)) = try translator.value(node, 1) {
      if try translator.value(node, 0).isConstant {
        guard try translator.scalar(node, 0) == 1 else {
          throw translator.unsupported(node, "a number over an L2 norm")
        }
        return try invert(&translator, node, 1)
      }
      return try normalize(&translator, node, value: 0, base: base, op, normShape: shape)
    }
    guard try translator.value(node, 1).isConstant else {
      throw translator.unsupported(node, "the quotient of two activations")
    }
    return try affine(&translator, node, value: 0, constant: 1, factor: { 1 / $0 }, offset: { _ in 0 })
  }

  /// `1 / x` of an L2 norm.
  private static func invert(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ input: Int
  ) throws(ImportError) -> ONNXValue {
    if case .step(.moment(let moment)) = try translator.value(node, input), let inverse = moment.raised(to: -1) {
      return .step(.moment(inverse))
    }
    guard case .step(.norm(let base, let op, false, let shape)) = try translator.value(node, input) else {
      throw translator.unsupported(node, "the reciprocal of anything but an L2 norm")
    }
    return .step(.norm(base, op, isReciprocal: true, shape: shape))
  }

  /// A vector divided by its norm.
  private static func normalize(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, value: Int, base: ONNXActivation,
    _ op: L2Normalization, normShape: Shape
  ) throws(ImportError) -> ONNXValue {
    let source = try translator.activation(node, value)
    guard source.isRow, source.value == base.value else {
      throw translator.unsupported(node, "it divides one vector by the norm of another")
    }
    // Of several images, each must be divided by its own norm.
    let isAligned =
      normShape.dimensions.allSatisfy { $0 == 1 }
      || normShape.rank == source.shape.rank && normShape[0] == source.shape[0]
    guard isAligned, ONNXArray.broadcastShape(source.shape, normShape) == source.shape else {
      throw translator.unsupported(node, "it divides \(source.shape) by a norm of \(normShape)")
    }
    return .activation(try translator.appendKeepingShape(op, node: node, source))
  }

  // MARK: Constants for each channel

  /// `x * factor + offset`, where both come from a constant with one value for each channel. It becomes a batch norm,
  /// or a `Centering` where only an offset is added to a vector.
  ///
  /// - Parameters:
  ///   - value: the index of the input x.
  ///   - constant: the index of the input with the constant; `nil` stands for the constant 1.
  ///   - factor: the factor for a value of the constant.
  ///   - offset: the offset for a value of the constant.
  private static func affine(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, value: Int, constant: Int?, factor: (Double) -> Double,
    offset: (Double) -> Double
  ) throws(ImportError) -> ONNXValue {
    if let constant, case .step(.view(let view)) = try translator.value(node, value),
      view.base.value == translator.graph.input,
      let number = ONNXArray(try translator.constant(node, constant)), number.values.count == 1,
      number.shape.rank <= view.axes.count
    {
      // Colours that are normalised one by one are put together again by a concatenation.
      return .step(.view(view.scaled(by: factor(number.values[0]), offset: offset(number.values[0]))))
    }
    let source = try translator.activation(node, value)
    var channels = [Double](repeating: 1, count: source.channels)
    if let constant {
      guard let values = translator.channelValues(try translator.constant(node, constant), of: source) else {
        throw translator.unsupported(
          node,
          "its constant '\(node.inputs[constant])' does not have one value for each of \(source.channels) channels")
      }
      channels = values
    }
    let (factors, offsets) = (channels.map(factor), channels.map(offset))
    if factors.allSatisfy({ $0 == 1 }), offsets.allSatisfy({ $0 == 0 }) { return .activation(source) }
    if offsets.allSatisfy({ $0 == 0 }), let factor = factors.first, factors.allSatisfy({ $0 == factor }),
      let unscaled = translator.undoingScale(of: source, by: factor)
    {
      return .activation(unscaled)
    }
    if source.isRow, factors.allSatisfy({ $0 == 1 }) {
      let mean = Tensor(offsets.map { Float(-$0) })
      return .activation(try translator.appendKeepingShape(Centering(), node: node, source, constants: ["mean": mean]))
    }
    return .activation(try translator.appendScale(of: source, factors: factors, offsets: offsets, node: node))
  }
}

extension ONNXTranslator {
  /// Checks that an operator which combines a value and a constant element by element leaves the value's shape as it
  /// is: a constant with more axes, or with longer ones, repeats the value, which no operator of the graph does.
  ///
  /// - Throws: `ImportError.unsupportedOperator` where the shape changes; nothing for other nodes.
  func checkKeepsShape(_ node: ONNXModel.Node) throws(ImportError) {
    guard node.inputs.count == 2 else { return }
    let (a, b) = (try value(node, 0), try value(node, 1))
    guard a.isConstant != b.isConstant else { return }
    let (shape, constant) = a.isConstant ? (b.shape, a.shape) : (a.shape, b.shape)
    // What cannot be broadcast at all is refused where it is read.
    guard let result = ONNXArray.broadcastShape(shape, constant), result != shape else { return }
    throw unsupported(node, "its constant of \(constant) repeats its input of \(shape) to \(result)")
  }

  /// Whether two activations are maps of one size whose pixels are merged into the same axes in the model.
  func haveMergedPixels(_ a: ONNXActivation, _ b: ONNXActivation) -> Bool {
    !a.isRow && !b.isRow && !a.isMap && a.shape == b.shape && a.channelAxis == b.channelAxis
      && shapes[a.value] == shapes[b.value]
  }

  /// The values of a constant for each channel of an activation; `nil` where it varies along other axes.
  func channelValues(_ constant: Tensor, of activation: ONNXActivation) -> [Double]? {
    guard let array = ONNXArray(constant), !array.values.isEmpty, array.shape.rank <= activation.shape.rank else {
      return nil
    }
    let channels = activation.channels
    if array.values.count == 1 { return [Double](repeating: array.values[0], count: channels) }
    // Broadcasting aligns shapes at the last axis.
    let axis = array.shape.rank - (activation.shape.rank - activation.channelAxis)
    guard axis >= 0, array.shape[axis] == channels, array.values.count == channels else { return nil }
    return array.values
  }

  /// A map with the channels on axis 1, with its axes rearranged as those of another map.
  func arranged(_ map: ONNXActivation, as other: ONNXActivation) -> ONNXActivation {
    guard other.channelAxis == 3 else { return map }
    return map.with(shape: [map.shape[0], map.shape[2], map.shape[3], map.shape[1]], channelAxis: 3)
  }
}
