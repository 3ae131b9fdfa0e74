import Tensors

/// The elements of a small constant, for constant folding. A Double holds every element type that shape arithmetic uses
/// exactly, except for int64 beyond 2^53, which only occurs as a bound that means "to the end".
struct ONNXArray {
  var type: ElementType
  var shape: Shape
  var values: [Double]

  /// The largest number of elements. Larger constants are weights, which folding passes on as views.
  static let maximumCount = 1 << 20

  init(type: ElementType, shape: Shape, values: [Double]) {
    self.type = type
    self.shape = shape
    self.values = values
  }

  init(integers: [Int]) {
    self.init(type: .int64, shape: [integers.count], values: integers.map { Double($0) })
  }

  /// The elements of a tensor; `nil` where there are more than `maximumCount`.
  init?(_ tensor: Tensor) {
    guard tensor.elementCount <= Self.maximumCount else { return nil }
    func doubles<Element: TensorElement & BinaryInteger>(_ type: Element.Type) -> [Double] {
      tensor.withElements(as: type) { $0.map { Double($0) } }
    }
    let values: [Double]
    switch tensor.elementType {
    case .float64: values = tensor.elements(as: Double.self)
    case .float32, .float16, .bfloat16:
      values = tensor.asFloat32()?.withElements(as: Float.self) { $0.map { Double($0) } } ?? []
    case .int64: values = doubles(Int64.self)
    case .int32: values = doubles(Int32.self)
    case .int16: values = doubles(Int16.self)
    case .int8: values = doubles(Int8.self)
    case .uint64: values = doubles(UInt64.self)
    case .uint32: values = doubles(UInt32.self)
    case .uint16: values = doubles(UInt16.self)
    case .uint8: values = doubles(UInt8.self)
    case .bool: values = tensor.withBytes { $0.map { $0 == 0 ? 0 : 1 } }
    }
    self.init(type: tensor.elementType, shape: tensor.shape, values: values)
  }

  /// The values as integers, clamped; NaN is 0.
  var integers: [Int] { values.map(Self.integer) }

  static func integer(_ value: Double) -> Int {
    if value >= 0x1p62 { return Int.max }
    if value <= -0x1p62 { return Int.min + 1 }
    return value.isNaN ? 0 : Int(value)
  }

  /// The array as a tensor of float64, float32 or int64. Narrower types are widened, as only the values matter here.
  var tensor: Tensor {
    switch type {
    case .float64: Tensor(values, shape: shape)
    case .float32, .float16, .bfloat16: Tensor(values.map { Float($0) }, shape: shape)
    default: Tensor(integers.map { Int64($0) }, shape: shape)
    }
  }

  /// The values after broadcasting to a larger shape (ONNX's multidirectional broadcasting); `nil` where the array does
  /// not fit it, or it has more than `maximumCount` elements.
  func broadcast(to target: Shape) -> [Double]? {
    guard shape.rank <= target.rank, let count = target.checkedElementCount, count <= Self.maximumCount else {
      return nil
    }
    let lead = target.rank - shape.rank
    let sourceStrides = shape.contiguousStrides
    var steps = [Int](repeating: 0, count: target.rank)
    for axis in 0..<shape.rank where shape[axis] != 1 {
      guard shape[axis] == target[lead + axis] else { return nil }
      steps[lead + axis] = sourceStrides[axis]
    }
    if count == values.count && lead == 0 { return values }
    var result: [Double] = []
    result.reserveCapacity(count)
    let strides = target.contiguousStrides
    for index in 0..<count {
      var (remainder, position) = (index, 0)
      for axis in 0..<target.rank {
        position += remainder / strides[axis] * steps[axis]
        remainder %= strides[axis]
      }
      result.append(values[position])
    }
    return result
  }

  /// The shape that two arrays are broadcast to together; `nil` where they do not fit.
  static func broadcastShape(_ a: Shape, _ b: Shape) -> Shape? {
    let rank = max(a.rank, b.rank)
    var result: [Int] = []
    for axis in 0..<rank {
      let extentA = axis < rank - a.rank ? 1 : a[axis - (rank - a.rank)]
      let extentB = axis < rank - b.rank ? 1 : b[axis - (rank - b.rank)]
      guard extentA == extentB || extentA == 1 || extentB == 1 else { return nil }
      result.append(extentA == 1 ? extentB : extentA)
    }
    return Shape(result)
  }
}
