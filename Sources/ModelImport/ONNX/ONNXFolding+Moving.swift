import Checkpoints
import Tensors

extension ONNXFolding.Operands {
  /// A tensor whose elements lie one after another; those of a view are copied.
  func contiguous(_ tensor: Tensor) throws(ONNXFolding.Failure) -> Tensor {
    if !tensor.isContiguous { try claim(tensor.shape) }
    return tensor.contiguous()
  }

  /// Inputs whose elements become those of one result, as tensors of one type.
  func unified(_ indices: Range<Int>) throws(ONNXFolding.Failure) -> [Tensor] {
    let type = try commonType(indices)
    var result: [Tensor] = []
    for index in indices {
      let tensor = try elements(index)
      if tensor.elementType == type {
        result.append(tensor)
      } else {
        var array = try array(index)
        array.type = type
        result.append(array.tensor)
      }
    }
    return result
  }
}

extension ONNXFolding {
  /// A tensor of a type whose elements are written as bit patterns of as many bytes.
  static func bits<Bits: BitwiseCopyable>(
    _ type: ElementType, _ shape: Shape, of _: Bits.Type, write: (UnsafeMutableBufferPointer<Bits>) -> Void
  ) throws(Failure) -> Tensor {
    let storage = TensorStorage(byteCount: shape.elementCount * MemoryLayout<Bits>.stride) { bytes in
      write(bytes.bindMemory(to: Bits.self))
    }
    guard let tensor = Tensor(elementType: type, shape: shape, storage: storage, byteOffset: 0) else {
      throw Failure("computes the impossible shape \(shape)")
    }
    return tensor
  }

  /// Elements of tensors of one type, bit for bit.
  ///
  /// - Parameter positions: for each element of the result, where it is in the elements of all sources in row-major
  ///   order, one source after another.
  static func elements(of sources: [Tensor], at positions: [Int], shape: Shape) throws(Failure) -> Tensor {
    guard let type = sources.first?.elementType else { throw Failure("has no inputs") }
    func moved<Bits: BitwiseCopyable>(as _: Bits.Type) throws(Failure) -> Tensor {
      var all: [Bits] = []
      for source in sources { source.withBytes { all += $0.bindMemory(to: Bits.self) } }
      return try bits(type, shape, of: Bits.self) { target in
        for (index, position) in positions.enumerated() { target[index] = all[position] }
      }
    }
    switch type.byteCount {
    case 1: return try moved(as: UInt8.self)
    case 2: return try moved(as: UInt16.self)
    case 4: return try moved(as: UInt32.self)
    default: return try moved(as: UInt64.self)
    }
  }

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
      let tensor = try operands.elements(0)
      let requested = Shape(try operands.array(1).integers)
      let problem = "cannot expand \(tensor.shape) to \(requested)"
      guard requested.checkedElementCount != nil, let shape = ONNXArray.broadcastShape(tensor.shape, requested) else {
        throw Failure(problem)
      }
      try operands.claim(shape)
      guard let positions = ONNXIntegers(positionsIn: tensor.shape).broadcast(to: shape) else { throw Failure(problem) }
      return try elements(of: [tensor], at: positions, shape: shape)
    },
    "Concat": concatenate, "Gather": gather, "Slice": slice, "ScatterND": scatter, "Tile": tile,
  ]

  private static let concatenate: Folding = { operands throws(Failure) in
    var parts = try operands.unified(operands.inputs.indices)
    guard let first = parts.first, first.shape.rank > 0 else { throw Failure("joins nothing, or scalars") }
    let axis = try operands.axis(operands.integer("axis") ?? 0, rank: first.shape.rank)
    var shape = first.shape
    for part in parts.dropFirst() {
      guard part.shape.rank == shape.rank,
        (0..<shape.rank).allSatisfy({ $0 == axis || part.shape[$0] == first.shape[$0] })
      else { throw Failure("cannot join \(first.shape) and \(part.shape)") }
      let (extent, overflow) = shape[axis].addingReportingOverflow(part.shape[axis])
      guard !overflow else { throw Failure("joins too many elements") }
      shape.dimensions[axis] = extent
    }
    try operands.claim(shape)
    guard shape.elementCount <= ONNXArray.maximumOperandCount else { throw Failure("joins too many elements") }
    guard shape.elementCount > 0 else { return try elements(of: [first], at: [], shape: shape) }
    let outer = first.shape.dimensions[..<axis].reduce(1, *)
    // Parts without elements would take as many steps as others.
    parts.removeAll { $0.elementCount == 0 }
    var positions: [Int] = []
    positions.reserveCapacity(shape.elementCount)
    for block in 0..<outer {
      var start = 0
      for part in parts {
        let length = part.elementCount / outer
        let begin = start + block * length
        positions += begin..<begin + length
        start += part.elementCount
      }
    }
    return try elements(of: parts, at: positions, shape: shape)
  }

  private static let gather: Folding = { operands throws(Failure) in
    let (tensor, indices) = (try operands.elements(0), try operands.integerArray(1))
    guard tensor.shape.rank > 0 else { throw Failure("takes elements of a scalar") }
    let axis = try operands.axis(operands.integer("axis") ?? 0, rank: tensor.shape.rank)
    let extent = tensor.shape[axis]
    var shape = tensor.shape
    shape.dimensions.replaceSubrange(axis...axis, with: indices.shape.dimensions)
    try operands.claim(shape)
    guard shape.elementCount <= ONNXArray.maximumCount else { throw Failure("takes too many elements") }
    guard shape.elementCount > 0 else { return try elements(of: [tensor], at: [], shape: shape) }
    let outer = tensor.shape.dimensions[..<axis].reduce(1, *)
    let inner = tensor.shape.dimensions[(axis + 1)...].reduce(1, *)
    var positions: [Int] = []
    positions.reserveCapacity(shape.elementCount)
    for block in 0..<outer {
      for index in indices.values {
        guard index >= -extent, index < extent else { throw Failure("takes element \(index) of \(extent)") }
        let start = (block * extent + (index < 0 ? index + extent : index)) * inner
        positions += start..<start + inner
      }
    }
    return try elements(of: [tensor], at: positions, shape: shape)
  }

  private static let slice: Folding = { operands throws(Failure) in
    let source = try operands.elements(0)
    let rank = source.shape.rank
    guard let starts = try operands.integers("starts", input: 1), let ends = try operands.integers("ends", input: 2),
      starts.count == ends.count
    else { throw Failure("does not have as many starts as ends") }
    let axes = try operands.integers("axes", input: 3) ?? Array(0..<starts.count)
    let steps = try operands.integers("steps", input: 4) ?? [Int](repeating: 1, count: starts.count)
    guard axes.count == starts.count, steps.count == starts.count else {
      throw Failure("does not have as many axes and steps as starts")
    }
    // The indices of each axis, and the positions of the elements.
    try operands.claim([source.shape.dimensions.reduce(0, +)])
    var picked = source.shape.dimensions.map { Array(0..<$0) }
    for (index, axis) in axes.enumerated() {
      let axis = try operands.axis(axis, rank: rank)
      try operands.budget.claim(source.shape[axis])
      guard let range = ONNXShapes.range(starts[index], ends[index], steps[index], extent: source.shape[axis]) else {
        throw Failure("has a step of 0")
      }
      picked[axis] = range
    }
    let shape = Shape(picked.map(\.count))
    try operands.claim(shape)
    guard shape.elementCount > 0 else { return try elements(of: [source], at: [], shape: shape) }
    let strides = source.shape.contiguousStrides
    var positions = [0]
    for axis in 0..<rank { positions = positions.flatMap { base in picked[axis].map { base + $0 * strides[axis] } } }
    return try elements(of: [source], at: positions, shape: shape)
  }

  /// Copies of a tensor with slices replaced, as exporters write the assignment to elements of a list.
  private static let scatter: Folding = { operands throws(Failure) in
    guard operands.inputs.count == 3 else { throw Failure("has \(operands.inputs.count) inputs, not 3") }
    let indices = try operands.integerArray(1)
    let (source, updates) = (try operands.elements(0), try operands.elements(2))
    try operands.claim(source.shape)
    guard source.elementType == updates.elementType else {
      throw Failure("combines constants of \(source.elementType) and \(updates.elementType)")
    }
    guard let depth = indices.shape.dimensions.last, depth > 0, depth <= source.shape.rank,
      case .string("none")? = operands.node.attributes["reduction"] ?? .string("none")
    else { throw Failure("does not replace elements of \(source.shape)") }
    let strides = source.shape.contiguousStrides
    let length = source.shape.dimensions[depth...].reduce(1, *)
    let count = indices.values.count / depth
    let (needed, overflow) = count.multipliedReportingOverflow(by: length)
    guard !overflow, updates.elementCount == needed else {
      throw Failure("replaces \(count) slices of \(length) elements by \(updates.elementCount) elements")
    }
    var positions = Array(0..<source.elementCount)
    for slice in 0..<count {
      var start = 0
      for axis in 0..<depth {
        let (index, extent) = (indices.values[slice * depth + axis], source.shape[axis])
        guard index >= -extent, index < extent else { throw Failure("replaces element \(index) of \(extent)") }
        start += (index < 0 ? index + extent : index) * strides[axis]
      }
      let update = source.elementCount + slice * length
      for offset in 0..<length { positions[start + offset] = update + offset }
    }
    return try elements(of: [source, updates], at: positions, shape: source.shape)
  }

  private static let tile: Folding = { operands throws(Failure) in
    let (source, repeats) = (try operands.elements(0), try operands.array(1).integers)
    let rank = source.shape.rank
    guard repeats.count == rank, repeats.allSatisfy({ 0...ONNXArray.maximumCount ~= $0 }) else {
      throw Failure("cannot repeat \(source.shape) by \(repeats)")
    }
    // Repeating an axis of extent 1 before each axis is broadcasting.
    let shape = Shape((0..<rank).flatMap { [repeats[$0], source.shape[$0]] })
    guard rank <= 8, (shape.checkedElementCount ?? .max) <= max(ONNXArray.maximumCount, source.elementCount) else {
      throw Failure("makes too many elements")
    }
    try operands.claim(shape)
    let single = ONNXIntegers(positionsIn: Shape(source.shape.dimensions.flatMap { [1, $0] }))
    guard let positions = single.broadcast(to: shape) else { throw Failure("makes too many elements") }
    let extents = (0..<rank).map { repeats[$0] * source.shape[$0] }
    return try elements(of: [source], at: positions, shape: Shape(extents))
  }

  // MARK: Making constants

  static let making: [String: Folding] = [
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
      var fill = Tensor([0 as Float])
      if case .tensor(let tensor)? = operands.node.attributes["value"] {
        guard tensor.elementCount == 1 else { throw Failure("does not fill with a single value") }
        fill = tensor
      }
      try operands.budget.claim(count)
      return try elements(of: [fill], at: [Int](repeating: 0, count: count), shape: shape)
    },
    "Range": range,
    "Size": { operands throws(Failure) in Tensor([Int64(try operands.tensor(0).elementCount)], shape: []) },
    "Shape": { operands throws(Failure) in
      let dimensions = try operands.tensor(0).shape.dimensions
      return Tensor(ONNXShapes.slice(dimensions, operands.node).map { Int64($0) })
    },
  ]

  private static let range: Folding = { operands throws(Failure) in
    guard operands.inputs.count == 3 else { throw Failure("has \(operands.inputs.count) inputs, not 3") }
    let type = try operands.commonType(0..<3)
    let problem = "makes no valid range"
    guard type.isFloatingPoint else {
      let start = try operands.integerArray(0).single()
      let delta = try operands.integerArray(2).single()
      let (distance, overflow) = try operands.integerArray(1).single().subtractingReportingOverflow(start)
      guard !overflow, delta != 0 else { throw Failure(problem) }
      let isEmpty = distance == 0 || (distance < 0) != (delta < 0)
      let count = isEmpty ? 0 : (distance.magnitude - 1) / delta.magnitude + 1
      guard count <= ONNXArray.maximumCount else { throw Failure(problem) }
      try operands.budget.claim(Int(count))
      let values = (0..<Int(count)).map { start + $0 * delta }
      return ONNXIntegers(type: type, shape: [values.count], values: values).tensor
    }
    let (start, limit) = (try operands.array(0).single(), try operands.array(1).single())
    let delta = try operands.array(2).single()
    // ONNX Runtime adds the distance again and again, in the type of the result.
    func rounded(_ value: Double) -> Double { type == .float64 ? value : Double(Float(value)) }
    let steps = (rounded(limit - start) / delta).rounded(.up)
    guard delta != 0, steps <= Double(ONNXArray.maximumCount) else { throw Failure(problem) }
    let count = steps > 0 ? Int(steps) : 0
    try operands.budget.claim(count)
    var values: [Double] = []
    var next = start
    for _ in 0..<count {
      values.append(next)
      next = rounded(next + delta)
    }
    return ONNXArray(type: type, shape: [count], values: values).tensor
  }
}
