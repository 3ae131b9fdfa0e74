import Tensors

/// The elements of a small constant, for constant folding. A Double holds every element type that shape arithmetic uses
/// exactly, except for int64 beyond 2^53, which only occurs as a bound that means "to the end".
struct ONNXArray {
  var type: ElementType
  var shape: Shape
  var values: [Double]

  /// The largest number of elements of a result that has more elements than each operand.
  static let maximumCount = 1 << 20
  /// The largest number of elements of any array: those of the weights of one layer.
  static let maximumOperandCount = 1 << 26

  init(type: ElementType, shape: Shape, values: [Double]) {
    self.type = type
    self.shape = shape
    self.values = values
  }

  init(integers: [Int]) {
    self.init(type: .int64, shape: [integers.count], values: integers.map { Double($0) })
  }

  /// The elements of a tensor; `nil` where there are more than `maximumOperandCount`.
  init?(_ tensor: Tensor) {
    guard tensor.elementCount <= Self.maximumOperandCount else { return nil }
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

  /// The array as a tensor of float64, float32, int64 or truth values. Narrower types are widened, as only the values
  /// matter here.
  var tensor: Tensor {
    switch type {
    case .float64: Tensor(values, shape: shape)
    case .float32, .float16, .bfloat16: Tensor(values.map { Float($0) }, shape: shape)
    case .bool: Tensor(booleans: values.map { $0 != 0 }, shape: shape)
    default: Tensor(integers.map { Int64($0) }, shape: shape)
    }
  }

  /// The values after broadcasting to a larger shape (ONNX's multidirectional broadcasting); `nil` where the array does
  /// not fit it, or it has more elements than `maximumCount` and than the array.
  ///
  /// - Parameter count: a larger number of elements to allow, that of another operand.
  func broadcast(to target: Shape, allowing operandCount: Int = 0) -> [Double]? {
    guard shape.rank <= target.rank, let count = target.checkedElementCount,
      count <= max(Self.maximumCount, values.count, operandCount)
    else { return nil }
    let lead = target.rank - shape.rank
    let sourceStrides = shape.contiguousStrides
    var steps = [Int](repeating: 0, count: target.rank)
    for axis in 0..<shape.rank where shape[axis] != 1 {
      guard shape[axis] == target[lead + axis] else { return nil }
      steps[lead + axis] = sourceStrides[axis]
    }
    if count == 0 { return [] }
    if count == values.count { return values }
    if values.count == 1 { return [Double](repeating: values[0], count: count) }
    // The last axes along which the array does not vary, or varies as the result does, are one run.
    var run = 1
    var axes = target.rank
    let varies = axes > 0 && steps[axes - 1] != 0
    while axes > 0, target[axes - 1] == 1 || (varies ? steps[axes - 1] == run : steps[axes - 1] == 0) {
      run *= target[axes - 1]
      axes -= 1
    }
    var result: [Double] = []
    result.reserveCapacity(count)
    var index = [Int](repeating: 0, count: axes)
    var position = 0
    while result.count < count {
      if varies {
        result += values[position..<position + run]
      } else {
        result.append(contentsOf: repeatElement(values[position], count: run))
      }
      for axis in stride(from: axes - 1, through: 0, by: -1) {
        index[axis] += 1
        position += steps[axis]
        if index[axis] < target[axis] { break }
        position -= steps[axis] * target[axis]
        index[axis] = 0
      }
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
