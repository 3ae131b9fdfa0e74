import Tensors

/// Rows of float32 values, such as the embeddings or the logits of several images.
struct FloatRows: Sendable {
  let count: Int
  let width: Int
  private let values: [Float]

  /// - Parameter tensor: a tensor [rows, width] of a floating-point type.
  /// - Returns: `nil` if the tensor has another rank or type.
  init?(_ tensor: Tensor) {
    guard tensor.shape.rank == 2, let floats = tensor.asFloat32() else { return nil }
    (count, width) = (tensor.shape[0], tensor.shape[1])
    values = floats.elements(as: Float.self)
  }

  subscript(row: Int) -> [Float] { Array(values[row * width..<(row + 1) * width]) }
}

extension [Float] {
  /// The vector divided by its L2 norm, computed in double precision. A zero vector is returned unchanged.
  var l2Normalized: [Float] {
    let norm = reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    return norm > 0 ? map { Float(Double($0) / norm) } : self
  }
}

extension Tensor {
  /// The slice at one index of the first axis, as row-major float32; `nil` if the tensor is not contiguous or contains
  /// integers.
  func floatRow(_ index: Int) -> Tensor? {
    guard isContiguous, shape.rank > 1, (0..<shape[0]).contains(index) else { return nil }
    let rowShape = Shape(Array(shape.dimensions.dropFirst()))
    return Tensor(
      elementType: elementType, shape: rowShape, storage: storage,
      byteOffset: byteOffset + index * rowShape.elementCount * elementType.byteCount)?.asFloat32()
  }
}
