import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let reductions: [String: ONNXTranslation] = [
    "ReduceMean": { translator, node throws(ImportError) in try reduceMap(&translator, node, exponent: 1) },
    "ReduceMax": { translator, node throws(ImportError) in try reduceMap(&translator, node, exponent: .infinity) },
    "ReduceL2": { translator, node throws(ImportError) in
      if let norm = try response(translator, node, .norm) { return norm }
      let source = try translator.activation(node, 0)
      guard let shape = try shapeAlongRow(&translator, node, source) else {
        throw translator.unsupported(node, "it reduces no axis, and so takes the absolute value of each element")
      }
      return .step(.norm(source, L2Normalization(epsilon: 0), isReciprocal: false, shape: shape))
    },
    "ReduceSumSquare": { translator, node throws(ImportError) in
      if let squares = try response(translator, node, .squares) { return squares }
      let source = try translator.activation(node, 0)
      guard let shape = try shapeAlongRow(&translator, node, source) else {
        throw translator.unsupported(node, "it squares without a sum")
      }
      return .step(.squareSum(source, epsilon: 0, shape: shape))
    },
    "ReduceSum": { translator, node throws(ImportError) in
      if try axes(translator, node).isEmpty { return try translator.value(node, 0) }
      guard case .step(.power(let base, nil, 2)) = try translator.value(node, 0) else {
        if let sum = try branchSum(&translator, node) { return sum }
        throw translator.unsupported(node, "a sum that is neither of squares nor of branches")
      }
      if let squares = try response(translator, node, .squares) { return squares }
      guard let shape = try shapeAlongRow(&translator, node, base) else {
        throw translator.unsupported(node, "it sums over no axis")
      }
      return .step(.squareSum(base, epsilon: 0, shape: shape))
    },
    "LpNormalization": { translator, node throws(ImportError) in
      let source = try translator.activation(node, 0)
      let axis = try translator.integer(node, "axis", default: -1)
      guard source.isRow, try translator.integer(node, "p", default: 2) == 2,
        ONNXShapes.axes([axis], rank: source.shape.rank) == [source.channelAxis]
      else { throw translator.unsupported(node, "anything but the L2 norm of a vector") }
      // A vector of zeros stays one. The floor sees to that, and is below the norms of other vectors.
      let op = L2Normalization(epsilon: Double(Float.leastNormalMagnitude), rule: .floor)
      return .activation(try translator.appendKeepingShape(op, node: node, source))
    },
  ]

  /// The axes of a reduction. If none are listed, all are reduced, or none if `noop_with_empty_axes` is set.
  private static func axes(_ translator: ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> Set<Int> {
    let rank = try translator.value(node, 0).shape.rank
    let requested = try translator.integers(node, attribute: "axes", input: 1) ?? []
    if requested.isEmpty {
      return try translator.integer(node, "noop_with_empty_axes", default: 0) != 0 ? [] : Set(0..<rank)
    }
    guard let axes = ONNXShapes.axes(requested, rank: rank) else {
      throw translator.bad(node, "has the axes \(requested), but its input has \(rank) axes")
    }
    return axes
  }

  private static func keepsAxes(_ translator: ONNXTranslator, _ node: ONNXModel.Node) throws(ImportError) -> Bool {
    try translator.integer(node, "keepdims", default: 1) != 0
  }

  /// The squares of a map, or its norm, reduced over all of its pixels; `nil` for other inputs and axes.
  private static func response(
    _ translator: ONNXTranslator, _ node: ONNXModel.Node, _ kind: ONNXResponse.Kind
  ) throws(ImportError) -> ONNXValue? {
    let base: ONNXActivation
    switch try translator.value(node, 0) {
    case .activation(let map) where kind != .squares || node.operatorType == "ReduceSumSquare": base = map
    case .step(.power(let map, nil, 2)) where node.operatorType == "ReduceSum": base = map
    default: return nil
    }
    let (axes, keepsAxes) = (try axes(translator, node), try keepsAxes(translator, node))
    return ONNXResponse(of: base, kind, axes: axes, keepsAxes: keepsAxes).map { .step(.response($0)) }
  }

  /// A reduction over the height of maps, their width, or both.
  private static func reduceMap(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, exponent: Double
  ) throws(ImportError) -> ONNXValue {
    let (axes, keepsAxes) = (try axes(translator, node), try keepsAxes(translator, node))
    if axes.isEmpty { return try translator.value(node, 0) }
    if exponent == 1, let moment = try translator.channelMean(node, axes: axes, keepsAxes: keepsAxes) {
      return .step(.moment(moment))
    }
    if exponent == 1, case .step(.response(let norm)) = try translator.value(node, 0), keepsAxes,
      let mean = norm.averaged(over: axes)
    {
      return .step(.response(mean))
    }
    switch try translator.value(node, 0) {
    case .step(.view(let view)):
      if let pooled = try translator.pooled(view, exponent: exponent, axes: axes, keepsAxes: keepsAxes, node: node) {
        return translator.value(of: pooled)
      }
    case .step(.branches(let views, _)) where exponent == 1:
      if let pooled = try translator.pooledSum(of: views, axes: axes, keepsAxes: keepsAxes, node: node) {
        return pooled
      }
    default: break
    }
    let source = try reduced(&translator, node)
    if case .activation(let row) = source.value, row.isRow, let result = reduceRow(row, axes, keepsAxes) {
      return .activation(result)
    }
    guard translator.hasBatchAxis(source.base),
      let reduction = reduce(source, exponent: exponent, axes: axes, keepsAxes: keepsAxes)
    else {
      throw translator.unsupported(node, "a reduction that is not over the height and width of a map")
    }
    return .step(.reduced(reduction))
  }

  /// A sum over the axis of stacked or grouped branches; `nil` for other axes.
  private static func branchSum(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node
  ) throws(ImportError) -> ONNXValue? {
    let axes = try axes(translator, node)
    guard axes.count == 1, let axis = axes.first, let view = try translator.view(node, 0) else { return nil }
    return translator.branches(of: view, axis: axis, keepsAxis: try keepsAxes(translator, node))
  }

  /// A vector reduced over axes of extent 1, which changes only its shape.
  private static func reduceRow(_ row: ONNXActivation, _ axes: Set<Int>, _ keepsAxes: Bool) -> ONNXActivation? {
    guard !axes.contains(0), !axes.contains(row.channelAxis) else { return nil }
    if keepsAxes { return row }
    return row.reshapedRow(to: Shape(row.shape.dimensions.indices.filter { !axes.contains($0) }.map { row.shape[$0] }))
  }

  /// The shape of a reduction over the elements of each vector; `nil` where nothing is reduced.
  private static func shapeAlongRow(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ source: ONNXActivation
  ) throws(ImportError) -> Shape? {
    let axes = try axes(translator, node)
    if axes.isEmpty { return nil }
    guard source.isRow, axes.contains(source.channelAxis), !axes.contains(0) else {
      throw translator.unsupported(node, "a reduction that is not over the elements of a vector")
    }
    let kept = try keepsAxes(translator, node)
    return Shape(
      source.shape.dimensions.indices.filter { kept || !axes.contains($0) }.map {
        axes.contains($0) ? 1 : source.shape[$0]
      })
  }
}
