import Checkpoints
import Graphs
import Operators
import Tensors

/// How translations add nodes to the graph.
extension ONNXTranslator {
  /// The largest extent of a value. Lists of a number for each channel are made for some operators.
  private static let maximumExtent = 1 << 20

  /// Appends a node to the graph and checks it against the shapes of its inputs.
  ///
  /// - Returns: its output, with the channels on axis 1.
  /// - Throws: `ImportError.badNode` where its attributes, inputs or constants do not fit, or there are too many.
  mutating func append(
    _ op: any Operator, node: ONNXModel.Node, inputs: [ONNXActivation], constants: [String: Tensor] = [:]
  ) throws(ImportError) -> ONNXActivation {
    guard graph.nodes.count < Graph.nodeLimit else {
      throw bad(node, "is one node too many: a network may have at most \(Graph.nodeLimit)")
    }
    try checkArity(type(of: op).arity, inputs.count, node)
    try claim(constants, node)
    let shape: Shape
    do throws(GraphError) {
      try OperatorCatalogue.checkAttributes(of: op)
      shape = try op.outputShape(inputs: inputs.map { shapes[$0.value] ?? [] }, constants: constants)
    } catch { throw bad(node, "\(error)") }
    guard shape.dimensions.allSatisfy({ $0 <= Self.maximumExtent }) else {
      throw bad(node, "its result is \(shape), and no axis may have more than \(Self.maximumExtent) elements")
    }
    let output = graph.append(op, name: uniqueName(node), inputs: inputs.map(\.value), constants: constants)
    shapes[output] = shape
    producers[output] = graph.nodes.count - 1
    lowerBounds[output] = op.lowerBound(ofInputs: inputs.map(lowerBound), constants: constants)
    if op is Centering { recordScale(of: output) }
    guard shape.rank == 4 else { return ONNXActivation(value: output, shape: shape, isRow: true) }
    return ONNXActivation(
      value: output, shape: [shape.batch, shape.channels, shape.height, shape.width], isRow: false)
  }

  /// Checks a number of inputs.
  ///
  /// - Throws: `ImportError.badNode` where the operator does not take as many.
  func checkArity(_ arity: ClosedRange<Int>, _ count: Int, _ node: ONNXModel.Node) throws(ImportError) {
    guard arity.contains(count) else {
      throw bad(node, "has \(count) inputs, and quern reads \(arity.lowerBound) to \(arity.upperBound)")
    }
  }

  /// Appends an operator that keeps the shape and the order of axes of its input.
  mutating func appendKeepingShape(
    _ op: any Operator, node: ONNXModel.Node, _ input: ONNXActivation, constants: [String: Tensor] = [:]
  ) throws(ImportError) -> ONNXActivation {
    try append(op, node: node, inputs: [input], constants: constants)
      .with(shape: input.shape, channelAxis: input.channelAxis)
  }

  private mutating func uniqueName(_ node: ONNXModel.Node) -> String {
    let given = node.name.isEmpty ? node.outputs.first ?? "\(node.operatorType)_\(node.index)" : node.name
    let base = Self.shortened(given)
    var name = base
    var number = nameNumbers[base] ?? 1
    while !names.insert(name).inserted {
      number += 1
      name = "\(base)_\(number)"
    }
    nameNumbers[base] = number
    return name
  }

  /// The end of a name, which tells layers apart, where converters have joined the names of many.
  static func shortened(_ name: String) -> String {
    guard name.utf8.count > nameLimit else { return name }
    return "…" + String(decoding: name.utf8.suffix(nameLimit).drop { $0 & 0xC0 == 0x80 }, as: UTF8.self)
  }

  /// The bytes of a name that are kept: packages limit each, and all together.
  private static var nameLimit: Int { 192 }

  /// A number that no element of a value is less than.
  func lowerBound(_ activation: ONNXActivation) -> Double { lowerBounds[activation.value] ?? -.infinity }

  /// `min(max(x, minimum), maximum)`, without bounds that `x` is known to be within.
  mutating func clip(
    _ base: ONNXActivation, minimum: Double, maximum: Double, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    let minimum = lowerBound(base) >= minimum ? -Double.infinity : minimum
    if minimum == -.infinity, maximum == .infinity { return base }
    if minimum == 0, maximum == .infinity { return try rectify(base, node: node) }
    let clip: Clip
    do throws(GraphError) { clip = try Clip(minimum: minimum, maximum: maximum) } catch { throw bad(node, "\(error)") }
    return try appendKeepingShape(clip, node: node, base)
  }

  /// `max(x, 0)`. All uses of the same value share a node.
  mutating func rectify(_ base: ONNXActivation, node: ONNXModel.Node) throws(ImportError) -> ONNXActivation {
    if let cached = rectified[base.value] { return cached.with(shape: base.shape, channelAxis: base.channelAxis) }
    let result = try appendKeepingShape(ReLU(), node: node, base)
    rectified[base.value] = result
    return result
  }

  /// GeM pooling in place of a reduction. Equal poolings share a node.
  ///
  /// - Parameter exponent: that of the power and of its root.
  mutating func pool(
    _ reduction: ONNXReduction, exponent: Double, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    try pool(reduction.base, exponent: exponent, floor: reduction.floor, node: node)
      .with(shape: reduction.shape, channelAxis: reduction.channelAxis)
  }

  /// GeM pooling with an exponent for each channel in place of a reduction.
  mutating func pool(
    _ reduction: ONNXReduction, exponents: [Double], node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    let pooling: ChannelwiseMeanPooling
    do throws(GraphError) { pooling = try ChannelwiseMeanPooling(floor: reduction.floor ?? 0) } catch {
      throw bad(node, "\(error)")
    }
    // As for `GeneralizedMeanPooling`: the floor removes negative values anyway.
    let base = reduction.base
    let map = lowerBound(base) < 0 ? try rectify(base, node: node) : base
    return try append(
      pooling, node: node, inputs: [map], constants: ["exponent": Tensor(exponents.map { Float($0) })]
    ).with(shape: reduction.shape, channelAxis: reduction.channelAxis)
  }

  /// GeM pooling of a map to rows [N, C]. Equal poolings share a node.
  ///
  /// - Parameter floor: the number to which smaller values are raised; `nil` where none is.
  mutating func pool(
    _ base: ONNXActivation, exponent: Double, floor: Double?, appendsOne: Bool = false, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    let key = PoolingKey(base: base.value, exponent: exponent, floor: floor, appendsOne: appendsOne)
    if let cached = poolings[key] { return cached }
    var pooling = GeneralizedMeanPooling(exponent: exponent, appendsOne: appendsOne)
    // Models in half precision round the floor of 1e-6 up.
    let tolerance = [.float16, .bfloat16].contains(weightType) ? 0.05 : ONNXGate.roundingError
    let isDefault =
      pooling.floor.map { usual in floor.map { abs($0 - usual) <= tolerance * usual } ?? false } ?? (floor == nil)
    if !isDefault { pooling.customFloor = floor ?? 0 }
    // Where the floor removes negative values, a ReLU before it changes nothing, and the map needs no sign when
    // quantised.
    let isRectified = (pooling.floor ?? -1) >= 0 && lowerBound(base) < 0
    let map = isRectified ? try rectify(base, node: node) : base
    let pooled = try append(pooling, node: node, inputs: [map])
    poolings[key] = pooled
    return pooled
  }

  /// The node that computes a value; `nil` for the image.
  func producer(of activation: ONNXActivation) -> Node? {
    producers[activation.value].map { graph.nodes[$0] }
  }
}
