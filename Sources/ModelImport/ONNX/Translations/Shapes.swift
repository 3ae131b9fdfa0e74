import Checkpoints
import Graphs
import Operators
import Tensors

extension ONNXTranslations {
  /// Operators that change the shape or the order of axes of a value. Graphs have no nodes for reshapes and
  /// transpositions: translations only keep track of the shape in the model.
  static let shapes: [String: ONNXTranslation] = [
    "Shape": { translator, node throws(ImportError) in
      let dimensions = try translator.value(node, 0).shape.dimensions
      return .constant(ONNXArray(integers: ONNXShapes.slice(dimensions, node)).tensor)
    },
    "Flatten": { translator, node throws(ImportError) in
      let axis = try translator.integer(node, "axis", default: 1)
      return try reshape(&translator, node, ONNXShapes.flatten(try translator.value(node, 0).shape, axis: axis))
    },
    "Reshape": { translator, node throws(ImportError) in
      let requested = try translator.integers(node, attribute: "shape", input: 1) ?? []
      let allowsZero = try translator.integer(node, "allowzero", default: 0) == 1
      let shape = try translator.value(node, 0).shape
      return try reshape(&translator, node, ONNXShapes.reshape(shape, to: requested, allowsZero: allowsZero))
    },
    "Squeeze": { translator, node throws(ImportError) in
      let axes = try translator.integers(node, attribute: "axes", input: 1)
      return try reshape(&translator, node, ONNXShapes.squeeze(try translator.value(node, 0).shape, axes))
    },
    "Unsqueeze": { translator, node throws(ImportError) in
      let axes = try translator.integers(node, attribute: "axes", input: 1) ?? []
      return try reshape(&translator, node, ONNXShapes.unsqueeze(try translator.value(node, 0).shape, axes))
    },
    "Expand": expand, "Pad": pad, "Transpose": transpose,
  ]

  private static func reshape(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ shape: Shape?
  ) throws(ImportError) -> ONNXValue {
    let value = try translator.value(node, 0)
    guard let shape else { throw translator.bad(node, "requests a shape that \(value.shape) cannot have") }
    if shape == value.shape { return value }
    if case .step(.view(let view)) = value {
      try translator.claimIndices(view.indexCount, node)
    }
    switch value {
    case .step(.view(let view)) where view.reshaped(to: shape) != nil:
      guard let reshaped = view.reshaped(to: shape) else { return value }
      return translator.value(of: reshaped)
    case .step(let step) where step.with(shape: shape) != nil:
      guard let result = step.with(shape: shape) else { return value }
      return .step(result)
    case .constant: throw translator.bad(node, "its shape is not constant")
    case .step(.flattened(let map, _)): return try reshape(&translator, node, map, to: shape)
    case .step, .activation: return try reshape(&translator, node, try translator.activation(node, 0), to: shape)
    }
  }

  private static func reshape(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ activation: ONNXActivation, to shape: Shape
  ) throws(ImportError) -> ONNXValue {
    var source = activation
    let map = translator.shapes[source.value] ?? []
    if !source.isRow, source.isMap, source.height == 1, source.width == 1 {
      // The map has one pixel at this image size. The mean of the map gives the same vector, and one at any other size.
      source = try translator.pool(source, exponent: 1, floor: nil, node: node)
        .with(shape: source.shape, channelAxis: source.channelAxis)
    }
    if let row = source.reshapedRow(to: shape) { return .activation(row) }
    if source.isRow, shape.rank == 1 { return .step(.listed(source, shape: shape)) }
    if let reshaped = source.reshapedMap(to: shape, map: map) { return .activation(reshaped) }
    if source.isMap, map.rank == 4, shape.rank >= 2, shape[0] == map.batch,
      shape.dimensions.dropFirst().count(where: { $0 != 1 }) == 1
    {
      return .step(.flattened(source, shape: shape))
    }
    if let view = translator.view(of: source)?.reshaped(to: shape) { return translator.value(of: view) }
    throw translator.unsupported(
      node, "it reshapes \(activation.shape) to \(shape), and so cuts across the axes of a map or a vector")
  }

  /// A norm may be expanded to the vector that it divides, and a vector to the map that it scales.
  private static let expand: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    guard let requested = ONNXArray(try translator.constant(node, 1)),
      let shape = ONNXArray.broadcastShape(value.shape, Shape(requested.integers)), ONNXShapes.isPossible(shape)
    else { throw translator.bad(node, "cannot expand \(value.shape)") }
    if shape == value.shape { return value }
    if try translator.isRow(node, 0), shape.rank == 4 {
      let row = try translator.activation(node, 0)
      let isRepeated = row.shape.rank == 4 && [0, row.channelAxis].allSatisfy { shape[$0] == row.shape[$0] }
      if isRepeated { return .step(.expanded(row, shape: shape)) }
    }
    guard case .step(.norm(let base, let op, let isReciprocal, _)) = value, shape == base.shape else {
      throw translator.unsupported(node, "it expands \(value.shape) to \(shape)")
    }
    return .step(.norm(base, op, isReciprocal: isReciprocal, shape: shape))
  }

  /// Zeros around a map; where numbers are negative, the map is cropped.
  private static let pad: ONNXTranslation = { translator, node throws(ImportError) in
    let mode = try translator.text(node, "mode", default: "constant")
    var fill = try translator.float(node, "value")
    if fill == nil { fill = try translator.scalar(node, 2) }
    let value = try translator.value(node, 0)
    guard let pads = try translator.integers(node, attribute: "pads", input: 1), pads.count % 2 == 0,
      let axes = ONNXShapes.list(
        try translator.integers(node, attribute: "axes", input: 3) ?? Array(0..<value.shape.rank),
        rank: value.shape.rank),
      axes.count * 2 == pads.count, pads.allSatisfy({ -8192...8192 ~= $0 })
    else { throw translator.bad(node, "does not have two numbers for each axis of \(value.shape)") }
    if pads.allSatisfy({ $0 == 0 }) { return value }
    var amounts = [(before: Int, after: Int)](repeating: (0, 0), count: value.shape.rank)
    for (index, axis) in axes.enumerated() { amounts[axis] = (pads[index], pads[index + axes.count]) }
    let rule: EdgePadding.Rule? = mode == "reflect" ? .reflect : mode == "edge" ? .replicate : nil
    let isUnselectable = mode == "constant" && (fill ?? 0) <= -Double(Float.greatestFiniteMagnitude)
    guard rule != nil || mode == "constant" && fill ?? 0 == 0 || isUnselectable, value.shape.rank == 4 else {
      throw translator.unsupported(node, "padding by anything but zeros or the edges of a map")
    }
    var map = try translator.map(node, 0)
    guard amounts[0] == (0, 0), amounts[map.channelAxis] == (0, 0) else {
      throw translator.unsupported(node, "padding of the batch or of the channels")
    }
    let (rows, columns) = (amounts[map.spatialAxes[0]], amounts[map.spatialAxes[1]])
    let added = MapMargins(
      top: max(rows.before, 0), left: max(columns.before, 0), bottom: max(rows.after, 0), right: max(columns.after, 0))
    let removed = MapMargins(
      top: max(-rows.before, 0), left: max(-columns.before, 0), bottom: max(-rows.after, 0),
      right: max(-columns.after, 0))
    var shape = map.shape
    shape.dimensions[map.spatialAxes[0]] += added.top + added.bottom
    shape.dimensions[map.spatialAxes[1]] += added.left + added.right
    if let rule {
      guard removed == MapMargins() else { throw translator.unsupported(node, "it pads and crops a map by its edges") }
      let padded = try translator.append(EdgePadding(added, rule: rule), node: node, inputs: [map])
      return .activation(translator.arranged(padded, as: map))
    }
    guard removed != MapMargins() else {
      return .step(
        isUnselectable ? .unselectable(map, added, shape: shape) : .padded(map, added, shape: shape))
    }
    guard !isUnselectable else {
      throw translator.unsupported(node, "it crops a map and pads it by negative infinity")
    }
    if added != MapMargins() {
      map = try translator.append(ZeroPadding(added), node: node, inputs: [map])
        .with(shape: shape, channelAxis: map.channelAxis)
    }
    let cropped = try translator.append(Cropping(removed), node: node, inputs: [map])
    return .activation(translator.arranged(cropped, as: map))
  }

  /// A permutation of the axes of a map or a vector. Nothing moves in memory, as maps are always stored as NHWC; only
  /// the order of axes in the model changes.
  private static let transpose: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    let rank = value.shape.rank
    let axes = try translator.integers(node, attribute: "perm", input: 1) ?? Array((0..<rank).reversed())
    guard axes.sorted() == Array(0..<rank) else {
      throw translator.bad(node, "cannot permute \(value.shape) by \(axes)")
    }
    if axes == Array(0..<rank) { return value }
    func transposed(_ source: ONNXActivation) throws(ImportError) -> ONNXActivation {
      guard let result = ONNXTranslations.transposed(translator, source, by: axes) else {
        throw translator.unsupported(node, "it permutes the axes of an activation by \(axes)")
      }
      return result
    }
    switch value {
    case .step(.clipped(let base, let floor)): return .step(.clipped(try transposed(base), floor: floor))
    case .step(.power(let base, let floor, let exponent)):
      return .step(.power(try transposed(base), floor: floor, exponent: exponent))
    case .step(.view(let view)):
      try translator.claimIndices(view.indexCount, node)
      return translator.value(of: view.permuted(axes))
    default:
      let source = try translator.activation(node, 0)
      if let result = ONNXTranslations.transposed(translator, source, by: axes) { return .activation(result) }
      guard let view = translator.view(of: source) else {
        throw translator.unsupported(node, "it permutes the axes of an activation by \(axes)")
      }
      return translator.value(of: view.permuted(axes))
    }
  }

  /// An activation with its axes in another order; `nil` where that is neither a map nor a vector.
  private static func transposed(
    _ translator: ONNXTranslator, _ source: ONNXActivation, by axes: [Int]
  ) -> ONNXActivation? {
    let shape = Shape(axes.map { source.shape[$0] })
    guard axes[0] == 0, translator.hasBatchAxis(source), let channelAxis = axes.firstIndex(of: source.channelAxis),
      source.isRow || axes.filter(source.pixelAxes.contains) == source.pixelAxes && (!source.isMap || channelAxis != 2)
    else { return nil }
    return source.with(shape: shape, channelAxis: channelAxis)
  }
}
