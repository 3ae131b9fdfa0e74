/// An immutable, possibly strided view of elements in a storage.
///
/// Views do not copy: importers permute PyTorch's OIHW weights to OHWI with strides over the mapped file, folding a
/// batch norm scales their rows, and bytes are copied only when `contiguous()` or a reader needs them in row-major
/// order. The weights of a network therefore take memory once, in the layout that the kernels need.
package struct Tensor: Sendable {
  /// The type of the elements.
  package let elementType: ElementType
  /// The extents, outermost first.
  package let shape: Shape
  /// Strides in elements, one for each axis; never negative.
  package let strides: [Int]
  /// The bytes that contain the elements, which other tensors may share.
  package let storage: TensorStorage
  /// The position of the first element in the storage, in bytes; not necessarily aligned.
  package let byteOffset: Int
  /// Factors that the elements are multiplied by when they are read; only for float32.
  private let factors: TensorFactors?

  /// A view into `storage`. `nil` if any element would lie outside of it, if a stride is negative, or if the arithmetic
  /// overflows.
  ///
  /// - Parameters:
  ///   - strides: in elements, one for each axis; row-major by default.
  ///   - byteOffset: the position of the first element in `storage`, in bytes.
  package init?(
    elementType: ElementType, shape: Shape, strides: [Int]? = nil, storage: TensorStorage, byteOffset: Int
  ) {
    let strides = strides ?? shape.contiguousStrides
    guard let count = shape.checkedElementCount, strides.count == shape.rank, byteOffset >= 0 else { return nil }
    if count > 0 {
      var last = 0
      for (extent, step) in zip(shape.dimensions, strides) {
        let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: step)
        let (sum, sumOverflow) = last.addingReportingOverflow(reach)
        guard step >= 0, !overflow, !sumOverflow else { return nil }
        last = sum
      }
      let (elements, o1) = last.addingReportingOverflow(1)
      let (bytes, o2) = elements.multipliedReportingOverflow(by: elementType.byteCount)
      let (end, o3) = bytes.addingReportingOverflow(byteOffset)
      guard !o1, !o2, !o3, end <= storage.bytes.count else { return nil }
    }
    self.elementType = elementType
    self.shape = shape
    self.strides = strides
    self.storage = storage
    self.byteOffset = byteOffset
    factors = nil
  }

  private init(
    unchecked elementType: ElementType, _ shape: Shape, _ strides: [Int], _ storage: TensorStorage, _ byteOffset: Int,
    factors: TensorFactors? = nil
  ) {
    self.elementType = elementType
    self.shape = shape
    self.strides = strides
    self.storage = storage
    self.byteOffset = byteOffset
    self.factors = factors
  }

  /// A new contiguous tensor whose elements `initialize` writes in row-major order.
  ///
  /// - Throws: What `initialize` throws.
  package init<Element: TensorElement>(
    shape: Shape, of type: Element.Type = Element.self,
    initialize: (UnsafeMutableBufferPointer<Element>) throws -> Void
  ) rethrows {
    let storage = try TensorStorage(byteCount: shape.elementCount * MemoryLayout<Element>.stride) { bytes in
      try initialize(bytes.bindMemory(to: Element.self))
    }
    self.init(unchecked: Element.elementType, shape, shape.contiguousStrides, storage, 0)
  }

  /// The type and shape of a tensor whose elements are not in memory and must not be read, for shape inference.
  package init(describing elementType: ElementType, shape: Shape) {
    self.init(unchecked: elementType, shape, shape.contiguousStrides, Self.emptyStorage, 0)
  }

  private static let emptyStorage = TensorStorage(byteCount: 0) { _ in }

  /// A contiguous tensor with the given elements in row-major order. Traps unless `shape` has as many.
  package init<Element: TensorElement>(_ elements: [Element], shape: Shape) {
    precondition(elements.count == shape.elementCount, "\(elements.count) elements for shape \(shape)")
    self.init(shape: shape, of: Element.self) { destination in
      _ = destination.initialize(from: elements)
    }
  }

  /// A contiguous tensor of type bool. Traps unless `shape` has as many elements.
  package init(booleans: [Bool], shape: Shape) {
    let bytes = Tensor(booleans.map { $0 ? 1 : 0 as UInt8 }, shape: shape)
    self.init(unchecked: .bool, shape, bytes.strides, bytes.storage, bytes.byteOffset)
  }

  /// A tensor of one axis with the given elements.
  package init<Element: TensorElement>(_ elements: [Element]) { self.init(elements, shape: [elements.count]) }

  /// The number of elements.
  package var elementCount: Int { shape.elementCount }
  /// The size of all elements in bytes, which may exceed the size of the storage if a stride is 0.
  package var byteCount: Int { elementCount * elementType.byteCount }

  /// Whether the elements lie one after another in row-major order in the storage, without factors to apply.
  package var isContiguous: Bool {
    elementCount == 0 || (factors == nil && hasContiguousStrides)
  }

  private var hasContiguousStrides: Bool {
    var expected = 1
    for axis in stride(from: shape.rank - 1, through: 0, by: -1) where shape[axis] != 1 {
      if strides[axis] != expected { return false }
      expected *= shape[axis]
    }
    return true
  }

  private var isAligned: Bool {
    guard let base = storage.bytes.baseAddress else { return true }
    return (Int(bitPattern: base) + byteOffset) % elementType.byteCount == 0
  }

  /// The same elements with the axes in another order. Nothing is copied, except for scaled elements whose first or
  /// last axis moves. Traps unless `axes` is a permutation of the axes.
  ///
  /// - Parameter axes: for each axis of the result, the axis of this tensor.
  package func permuted(_ axes: [Int]) -> Tensor {
    precondition(axes.sorted() == Array(0..<shape.rank), "\(axes) is not a permutation of the axes of \(shape)")
    if factors != nil, axes.first != 0 || axes.last != shape.rank - 1 { return contiguous().permuted(axes) }
    return Tensor(
      unchecked: elementType, Shape(axes.map { shape[$0] }), axes.map { strides[$0] }, storage, byteOffset,
      factors: factors)
  }

  /// This tensor with each row, that is all elements with the same index along the first axis, multiplied by a factor.
  /// Nothing is copied: elements are multiplied in double precision and rounded once, each time that they are read.
  /// Traps unless the tensor is float32 and there is one factor for each row.
  package func scalingRows(by factors: [Double]) -> Tensor {
    precondition(elementType == .float32 && factors.count == shape[0], "\(factors.count) factors for \(shape)")
    var all = self.factors ?? TensorFactors(rows: [Double](repeating: 1, count: shape[0]), columns: nil)
    for (row, factor) in factors.enumerated() { all.rows[row] *= factor }
    return Tensor(unchecked: elementType, shape, strides, storage, byteOffset, factors: all)
  }

  /// This tensor with each column, that is all elements with the same index along the last axis, multiplied by a
  /// factor. If there are n times as many factors as columns, the first axis is split into n groups of equal size, and
  /// each group has separate factors, like the input channels of a grouped convolution. The factors of an element's row
  /// and column are multiplied first, so that the element is rounded once. Traps unless the tensor is float32, its
  /// columns are not scaled yet, and the number of factors fits the shape.
  package func scalingColumns(by factors: [Double]) -> Tensor {
    let depth = shape[shape.rank - 1]
    precondition(
      elementType == .float32 && self.factors?.columns == nil && depth > 0 && factors.count % depth == 0
        && !factors.isEmpty && shape[0] % (factors.count / depth) == 0, "\(factors.count) factors for \(shape)")
    var all = self.factors ?? TensorFactors(rows: [Double](repeating: 1, count: shape[0]), columns: nil)
    all.columns = factors
    return Tensor(unchecked: elementType, shape, strides, storage, byteOffset, factors: all)
  }

  /// Gives the memory of the elements back to the system if they are views of a mapped file, for elements that were
  /// read and will not be needed soon. They stay valid.
  package func releasePages() {
    guard elementCount > 0 else { return }
    // Cannot overflow: the elements lie in the storage.
    let last = zip(shape.dimensions, strides).reduce(0) { $0 + ($1.0 - 1) * $1.1 }
    storage.releasePages(byteOffset..<byteOffset + (last + 1) * elementType.byteCount)
  }

  /// The same elements with another shape. Traps unless the element counts agree and the tensor is contiguous.
  package func reshaped(_ newShape: Shape) -> Tensor {
    precondition(isContiguous && newShape.elementCount == elementCount, "cannot view \(shape) as \(newShape)")
    return Tensor(unchecked: elementType, newShape, newShape.contiguousStrides, storage, byteOffset)
  }

  /// This tensor if it is contiguous and aligned, or else a copy that is.
  package func contiguous() -> Tensor {
    if isContiguous && isAligned { return self }
    let storage = TensorStorage(byteCount: byteCount) { bytes in
      copyElements(to: bytes)
      factors?.apply(to: bytes.bindMemory(to: Float.self), depth: shape[shape.rank - 1])
    }
    return Tensor(unchecked: elementType, shape, shape.contiguousStrides, storage, 0)
  }

  /// Calls `body` with the elements in row-major order; strided, scaled or unaligned elements are copied first.
  /// Traps unless `Element` stands for the tensor's element type.
  ///
  /// - Throws: What `body` throws.
  package func withElements<Element: TensorElement, Result>(
    as type: Element.Type, _ body: (UnsafeBufferPointer<Element>) throws -> Result
  ) rethrows -> Result {
    precondition(Element.elementType == elementType, "a \(elementType) tensor read as \(Element.elementType)")
    let tensor = contiguous()
    return try withExtendedLifetime(tensor.storage) {
      let bytes = tensor.storage.bytes[tensor.byteOffset..<tensor.byteOffset + tensor.byteCount]
      return try body(UnsafeRawBufferPointer(rebasing: bytes).bindMemory(to: Element.self))
    }
  }

  /// Calls `body` with the elements' bytes in row-major order; strided, scaled or unaligned elements are copied first.
  ///
  /// - Throws: What `body` throws.
  package func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    let tensor = contiguous()
    return try withExtendedLifetime(tensor.storage) {
      let bytes = tensor.storage.bytes[tensor.byteOffset..<tensor.byteOffset + tensor.byteCount]
      return try body(UnsafeRawBufferPointer(rebasing: bytes))
    }
  }

  /// The elements in row-major order. Traps unless `Element` stands for the tensor's element type.
  package func elements<Element: TensorElement>(as type: Element.Type) -> [Element] {
    withElements(as: type) { Array($0) }
  }

  /// Writes the elements without their factors in row-major order to `destination`, which has `byteCount` bytes.
  private func copyElements(to destination: UnsafeMutableRawBufferPointer) {
    guard elementCount > 0, let target = destination.baseAddress, let base = storage.bytes.baseAddress else { return }
    let source = base + byteOffset
    let size = elementType.byteCount
    if hasContiguousStrides {
      target.copyMemory(from: source, byteCount: byteCount)
      return
    }
    switch size {
    case 1: copyStrided(as: UInt8.self, from: source, to: target)
    case 2: copyStrided(as: UInt16.self, from: source, to: target)
    case 4: copyStrided(as: UInt32.self, from: source, to: target)
    default: copyStrided(as: UInt64.self, from: source, to: target)
    }
  }

  /// Steps through the outer axes like an odometer, and through the innermost one in a plain loop.
  private func copyStrided<Bits: BitwiseCopyable>(
    as type: Bits.Type, from source: UnsafeRawPointer, to target: UnsafeMutableRawPointer
  ) {
    let size = MemoryLayout<Bits>.stride
    let inner = shape[shape.rank - 1]
    let innerStep = strides[shape.rank - 1] * size
    var index = [Int](repeating: 0, count: shape.rank - 1)
    var written = 0
    for _ in 0..<elementCount / inner {
      var offset = 0
      for axis in index.indices { offset += index[axis] * strides[axis] }
      var position = source + offset * size
      for _ in 0..<inner {
        target.storeBytes(of: position.loadUnaligned(as: Bits.self), toByteOffset: written, as: Bits.self)
        position += innerStep
        written += size
      }
      for axis in stride(from: index.count - 1, through: 0, by: -1) {
        index[axis] += 1
        if index[axis] < shape[axis] { break }
        index[axis] = 0
      }
    }
  }
}
