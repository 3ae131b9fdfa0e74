import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  /// Operators that take some elements of a value, or the pixels of blocks as channels.
  static let selections: [String: ONNXTranslation] = [
    "Slice": slice, "Gather": gather, "Split": split, "SpaceToDepth": spaceToDepth,
  ]

  private static let slice: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    guard let starts = try translator.integers(node, attribute: "starts", input: 1),
      let ends = try translator.integers(node, attribute: "ends", input: 2), starts.count == ends.count
    else { throw translator.bad(node, "does not have as many starts as ends") }
    let axes = try translator.integers(node, attribute: "axes", input: 3) ?? Array(0..<starts.count)
    let steps = try translator.integers(node, attribute: "steps", input: 4) ?? [Int](repeating: 1, count: starts.count)
    guard axes.count == starts.count, steps.count == starts.count,
      ONNXShapes.axes(axes, rank: value.shape.rank) != nil
    else { throw translator.bad(node, "has axes \(axes) for a value of \(value.shape)") }
    var shape = value.shape
    var margins = [(before: Int, after: Int)](repeating: (0, 0), count: shape.rank)
    var isWindow = true
    var selected: [Int: [Int]] = [:]
    for (index, axis) in axes.enumerated() {
      let axis = axis < 0 ? axis + shape.rank : axis
      try translator.claimIndices(shape[axis], node)
      guard let range = ONNXShapes.range(starts[index], ends[index], steps[index], extent: shape[axis]) else {
        throw translator.bad(node, "has a step of 0")
      }
      if let first = range.first, let last = range.last, steps[index] == 1 {
        margins[axis] = (first, shape[axis] - 1 - last)
      } else {
        isWindow = false
      }
      shape.dimensions[axis] = range.count
      selected[axis] = range
    }
    if isWindow, shape == value.shape { return value }
    if isWindow, shape.rank == 4, let result = try crop(&translator, node, margins, shape) { return result }
    return try elements(&translator, node, selected, shape)
  }

  /// The elements of a value at some indices of its axes, by axis; only their shape can be read where no view describes
  /// them.
  private static func elements(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ indices: [Int: [Int]], _ shape: Shape
  ) throws(ImportError) -> ONNXValue {
    guard var view = try translator.view(node, 0) else { return .step(.part(shape: shape)) }
    for (axis, range) in indices.sorted(by: { $0.key < $1.key }) {
      guard let narrowed = view.selecting(range, axis: axis) else { return .step(.part(shape: shape)) }
      view = narrowed
    }
    return translator.value(of: view)
  }

  /// A cropping of a map; several in a row are merged into one. `nil` where the slice is not a cropping of a map.
  private static func crop(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ margins: [(before: Int, after: Int)], _ shape: Shape
  ) throws(ImportError) -> ONNXValue? {
    var base: ONNXActivation
    var cropped = MapMargins()
    switch try translator.value(node, 0) {
    case .step(.cropped(let map, let earlier, _)): (base, cropped) = (map, earlier)
    case .step(.padded): base = try translator.map(node, 0)
    case .activation(let map) where map.isMap: base = map
    default: return nil
    }
    guard shape[0] == base.shape[0], shape[base.channelAxis] == base.channels else { return nil }
    let (rows, columns) = (margins[base.spatialAxes[0]], margins[base.spatialAxes[1]])
    cropped.top += rows.before
    cropped.bottom += rows.after
    cropped.left += columns.before
    cropped.right += columns.after
    return .step(.cropped(base, cropped, shape: shape))
  }

  /// Elements of a value along one axis. A scalar index removes the axis.
  private static let gather: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    let requested = try translator.integer(node, "axis", default: 0)
    guard let axis = ONNXShapes.axes([requested], rank: value.shape.rank)?.first else {
      throw translator.bad(node, "has an axis \(requested), but its input has \(value.shape.rank) axes")
    }
    let tensor = try translator.constant(node, 1)
    var dimensions = value.shape.dimensions
    dimensions.replaceSubrange(axis...axis, with: tensor.shape.dimensions)
    let shape = Shape(dimensions)
    guard ONNXShapes.isPossible(shape) else { throw translator.bad(node, "makes the impossible shape \(shape)") }
    try translator.claimIndices(tensor.elementCount, node)
    if case .step(.listed(let row, _)) = value, let indices = ONNXArray(tensor)?.integers,
      indices.elementsEqual(0..<value.shape[0]), let restored = row.reshapedRow(to: tensor.shape)
    {
      return .activation(restored)
    }
    guard tensor.shape.rank <= 1, let array = ONNXArray(tensor) else { return .step(.part(shape: shape)) }
    let extent = value.shape[axis]
    let list = array.integers
    if let bad = list.first(where: { $0 < -extent || $0 >= extent }) {
      throw translator.bad(node, "takes element \(bad) of an axis of \(extent)")
    }
    let indices = list.map { $0 < 0 ? $0 + extent : $0 }
    let elements = try elements(&translator, node, [axis: indices], shape)
    guard tensor.shape.rank == 0 else { return elements }
    switch elements {
    case .step(.view(let view)): return translator.value(of: view.removing(axis: axis))
    case .activation(let activation): return translator.value(of: ONNXView(activation).removing(axis: axis))
    case .step, .constant: return .step(.part(shape: shape))
    }
  }

  /// The pixels of each block as channels.
  private static let spaceToDepth: ONNXTranslation = { translator, node throws(ImportError) in
    let shape = try translator.value(node, 0).shape
    let block = try translator.integer(node, "blocksize", default: 0)
    guard shape.rank == 4, (1...1024).contains(block), shape[2] % block == 0, shape[3] % block == 0 else {
      throw translator.bad(node, "cannot divide \(shape) into blocks of \(block)x\(block)")
    }
    let (height, width) = (shape[2] / block, shape[3] / block)
    guard let view = try translator.view(node, 0),
      let blocks = view.reshaped(to: [shape[0], shape[1], height, block, width, block]),
      let result = blocks.permuted([0, 3, 5, 1, 2, 4])
        .reshaped(to: [shape[0], shape[1] * block * block, height, width])
    else { throw translator.unsupported(node, "its input is \(shape), and not a map in NCHW order") }
    return translator.value(of: result)
  }

  /// Parts of a value side by side along one axis. Each is an output of the node.
  private static let split: ONNXTranslation = { translator, node throws(ImportError) in
    let value = try translator.value(node, 0)
    let requested = try translator.integer(node, "axis", default: 0)
    guard let axis = ONNXShapes.axes([requested], rank: value.shape.rank)?.first else {
      throw translator.bad(node, "has an axis \(requested), but its input has \(value.shape.rank) axes")
    }
    // The extents of a view are bounded; those of constants without elements may be any.
    guard let view = try translator.view(node, 0) else {
      throw translator.unsupported(node, "it splits a constant or an intermediate value")
    }
    let extent = view.shape[axis]
    var extents = try translator.integers(node, attribute: "split", input: 1)
    if extents == nil {
      let count = try translator.integer(node, "num_outputs", default: node.outputs.count)
      guard count == node.outputs.count, count >= 1 else {
        throw translator.bad(node, "has \(node.outputs.count) outputs, not \(count)")
      }
      guard extent % count == 0 || node.attributes["num_outputs"] != nil else {
        throw translator.bad(node, "splits an axis of \(extent) into \(count) equal parts")
      }
      // With that attribute, the last part may be smaller.
      let part = (extent + count - 1) / count
      extents = (0..<count).map { max(0, min(part, extent - $0 * part)) }
    }
    guard let extents, !extents.isEmpty, extents.count == node.outputs.count,
      extents.allSatisfy({ $0 >= 1 && $0 <= extent }), extents.reduce(0, +) == extent
    else { throw translator.bad(node, "does not split an axis of \(extent) into its outputs") }
    try translator.claimIndices(extent, node)
    var parts: [ONNXValue] = []
    var first = 0
    for extent in extents {
      guard let part = view.selecting(Array(first..<first + extent), axis: axis) else {
        throw translator.unsupported(node, "it splits \(value.shape) along axis \(axis)")
      }
      parts.append(translator.value(of: part))
      first += extent
    }
    for (index, part) in parts.enumerated().dropFirst() { translator.set(part, forOutput: index, of: node) }
    return parts[0]
  }
}

extension ONNXTranslator {
  /// Asks for the memory and the time of a list of indices before it is made.
  func claimIndices(_ count: Int, _ node: ONNXModel.Node) throws(ImportError) {
    do throws(ONNXFolding.Failure) { try foldings.budget.claim(count) } catch { throw bad(node, error.problem) }
  }
}
