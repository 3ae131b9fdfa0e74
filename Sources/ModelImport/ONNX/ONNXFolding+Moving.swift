import Checkpoints
import Tensors

extension ONNXFolding.Operands {
  /// A tensor whose elements lie one after another; those of a view are copied.
  func contiguous(_ tensor: Tensor) throws(ONNXFolding.Failure) -> Tensor {
    if !tensor.isContiguous { try claim(tensor.shape) }
    return tensor.contiguous()
  }
}

extension ONNXFolding {
  /// Operators that only move elements. Weights pass through some of them as views.
  static let moving: [String: Folding] = [
    "Reshape": { operands throws(Failure) in
      let tensor = try operands.tensor(0)
      guard let requested = try operands.integers("shape", input: 1) else { throw Failure("has no shape") }
      guard
        let shape = ONNXShapes.reshape(tensor.shape, to: requested, allowsZero: operands.integer("allowzero") == 1)
      else { throw Failure("cannot make \(requested) of \(tensor.shape)") }
      return try operands.contiguous(tensor).reshaped(shape)
    },
    "Flatten": { operands throws(Failure) in
      let tensor = try operands.tensor(0)
      let axis = operands.integer("axis") ?? 1
      guard let shape = ONNXShapes.flatten(tensor.shape, axis: axis) else {
        throw Failure("cannot flatten \(tensor.shape) at axis \(axis)")
      }
      return try operands.contiguous(tensor).reshaped(shape)
    },
    "Squeeze": { operands throws(Failure) in
      let tensor = try operands.tensor(0)
      let axes = try operands.integers("axes", input: 1)
      guard let shape = ONNXShapes.squeeze(tensor.shape, axes) else { throw Failure("cannot squeeze \(tensor.shape)") }
      return try operands.contiguous(tensor).reshaped(shape)
    },
    "Unsqueeze": { operands throws(Failure) in
      let tensor = try operands.tensor(0)
      guard let axes = try operands.integers("axes", input: 1), let shape = ONNXShapes.unsqueeze(tensor.shape, axes)
      else { throw Failure("cannot add axes to \(tensor.shape)") }
      return try operands.contiguous(tensor).reshaped(shape)
    },
    "Transpose": { operands throws(Failure) in
      let tensor = try operands.tensor(0)
      let axes = try operands.integers("perm", input: 1) ?? Array((0..<tensor.shape.rank).reversed())
      guard axes.sorted() == Array(0..<tensor.shape.rank) else {
        throw Failure("cannot permute \(tensor.shape) by \(axes)")
      }
      return tensor.permuted(axes)
    },
    "Expand": { operands throws(Failure) in
      let array = try operands.array(0)
      let requested = Shape(try operands.array(1).integers)
      let problem = "cannot expand \(array.shape) to \(requested)"
      guard requested.checkedElementCount != nil, let shape = ONNXArray.broadcastShape(array.shape, requested) else {
        throw Failure(problem)
      }
      try operands.claim(shape)
      guard let values = array.broadcast(to: shape) else { throw Failure(problem) }
      return ONNXArray(type: array.type, shape: shape, values: values).tensor
    },
    "Concat": concatenate, "Gather": gather, "Slice": slice, "ScatterND": scatter, "Tile": tile,
  ]

  private static let concatenate: Folding = { operands throws(Failure) in
    var arrays: [ONNXArray] = []
    for index in operands.inputs.indices { arrays.append(try operands.array(index)) }
    guard let first = arrays.first, first.shape.rank > 0 else { throw Failure("joins nothing, or scalars") }
    let axis = try operands.axis(operands.integer("axis") ?? 0, rank: first.shape.rank)
    var shape = first.shape
    for array in arrays.dropFirst() {
      guard array.shape.rank == shape.rank,
        (0..<shape.rank).allSatisfy({ $0 == axis || array.shape[$0] == first.shape[$0] })
      else { throw Failure("cannot join \(first.shape) and \(array.shape)") }
      let (extent, overflow) = shape[axis].addingReportingOverflow(array.shape[axis])
      guard !overflow else { throw Failure("joins too many elements") }
      shape.dimensions[axis] = extent
    }
    try operands.claim(shape)
    guard shape.elementCount <= ONNXArray.maximumOperandCount else { throw Failure("joins too many elements") }
    guard shape.elementCount > 0 else { return ONNXArray(type: first.type, shape: shape, values: []).tensor }
    let outer = first.shape.dimensions[..<axis].reduce(1, *)
    // Arrays without elements would take as many steps as others.
    arrays.removeAll { $0.values.isEmpty }
    var values: [Double] = []
    for block in 0..<outer {
      for array in arrays {
        let length = array.values.count / outer
        values += array.values[block * length..<(block + 1) * length]
      }
    }
    return ONNXArray(type: first.type, shape: shape, values: values).tensor
  }

  private static let gather: Folding = { operands throws(Failure) in
    let (array, indices) = (try operands.array(0), try operands.array(1))
    guard array.shape.rank > 0 else { throw Failure("takes elements of a scalar") }
    let axis = try operands.axis(operands.integer("axis") ?? 0, rank: array.shape.rank)
    let extent = array.shape[axis]
    var shape = array.shape
    shape.dimensions.replaceSubrange(axis...axis, with: indices.shape.dimensions)
    try operands.claim(shape)
    guard shape.elementCount <= ONNXArray.maximumCount else { throw Failure("takes too many elements") }
    guard shape.elementCount > 0 else { return ONNXArray(type: array.type, shape: shape, values: []).tensor }
    let outer = array.shape.dimensions[..<axis].reduce(1, *)
    let inner = array.shape.dimensions[(axis + 1)...].reduce(1, *)
    let list = indices.integers
    var values: [Double] = []
    for block in 0..<outer {
      for index in list {
        guard index >= -extent, index < extent else { throw Failure("takes element \(index) of \(extent)") }
        let start = (block * extent + (index < 0 ? index + extent : index)) * inner
        values += array.values[start..<start + inner]
      }
    }
    return ONNXArray(type: array.type, shape: shape, values: values).tensor
  }

  private static let slice: Folding = { operands throws(Failure) in
    let array = try operands.array(0)
    let rank = array.shape.rank
    guard let starts = try operands.integers("starts", input: 1), let ends = try operands.integers("ends", input: 2),
      starts.count == ends.count
    else { throw Failure("does not have as many starts as ends") }
    let axes = try operands.integers("axes", input: 3) ?? Array(0..<starts.count)
    let steps = try operands.integers("steps", input: 4) ?? [Int](repeating: 1, count: starts.count)
    guard axes.count == starts.count, steps.count == starts.count else {
      throw Failure("does not have as many axes and steps as starts")
    }
    // The indices of each axis, and the positions of the elements.
    try operands.claim([array.shape.dimensions.reduce(0, +)])
    var picked = array.shape.dimensions.map { Array(0..<$0) }
    for (index, axis) in axes.enumerated() {
      let axis = try operands.axis(axis, rank: rank)
      try operands.budget.claim(array.shape[axis])
      guard let range = ONNXShapes.range(starts[index], ends[index], steps[index], extent: array.shape[axis]) else {
        throw Failure("has a step of 0")
      }
      picked[axis] = range
    }
    let shape = Shape(picked.map(\.count))
    try operands.claim(shape)
    guard shape.elementCount > 0 else { return ONNXArray(type: array.type, shape: shape, values: []).tensor }
    let strides = array.shape.contiguousStrides
    var positions = [0]
    for axis in 0..<rank { positions = positions.flatMap { base in picked[axis].map { base + $0 * strides[axis] } } }
    return ONNXArray(type: array.type, shape: shape, values: positions.map { array.values[$0] }).tensor
  }

  /// Copies of an array with slices replaced, as exporters write the assignment to elements of a list.
  private static let scatter: Folding = { operands throws(Failure) in
    var array = try operands.array(0)
    try operands.claim(array.shape)
    let (indices, updates) = (try operands.array(1), try operands.array(2))
    guard let depth = indices.shape.dimensions.last, depth > 0, depth <= array.shape.rank,
      case .string("none")? = operands.node.attributes["reduction"] ?? .string("none")
    else { throw Failure("does not replace elements of \(array.shape)") }
    let strides = array.shape.contiguousStrides
    let length = array.shape.dimensions[depth...].reduce(1, *)
    let (list, count) = (indices.integers, indices.values.count / depth)
    let (needed, overflow) = count.multipliedReportingOverflow(by: length)
    guard !overflow, updates.values.count == needed else {
      throw Failure("replaces \(count) slices of \(length) elements by \(updates.values.count) elements")
    }
    for slice in 0..<count {
      var start = 0
      for axis in 0..<depth {
        let (index, extent) = (list[slice * depth + axis], array.shape[axis])
        guard index >= -extent, index < extent else { throw Failure("replaces element \(index) of \(extent)") }
        start += (index < 0 ? index + extent : index) * strides[axis]
      }
      for offset in 0..<length { array.values[start + offset] = updates.values[slice * length + offset] }
    }
    return array.tensor
  }

  private static let tile: Folding = { operands throws(Failure) in
    let (array, repeats) = (try operands.array(0), try operands.array(1).integers)
    let rank = array.shape.rank
    guard repeats.count == rank, repeats.allSatisfy({ 0...ONNXArray.maximumCount ~= $0 }) else {
      throw Failure("cannot repeat \(array.shape) by \(repeats)")
    }
    // Repeating an axis of extent 1 before each axis is broadcasting.
    let shape = Shape((0..<rank).flatMap { [repeats[$0], array.shape[$0]] })
    guard rank <= 8, (shape.checkedElementCount ?? .max) <= max(ONNXArray.maximumCount, array.values.count) else {
      throw Failure("makes too many elements")
    }
    try operands.claim(shape)
    let source = ONNXArray(
      type: array.type, shape: Shape(array.shape.dimensions.flatMap { [1, $0] }), values: array.values)
    guard let values = source.broadcast(to: shape) else { throw Failure("makes too many elements") }
    let extents = (0..<rank).map { repeats[$0] * array.shape[$0] }
    return ONNXArray(type: array.type, shape: Shape(extents), values: values).tensor
  }
}
