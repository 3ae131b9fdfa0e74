import Tensors

/// The elements of a small constant, for constant folding.
struct ONNXElements<Element> {
  var type: ElementType
  var shape: Shape
  var values: [Element]

  /// The largest number of elements of a result that has more elements than each operand.
  static var maximumCount: Int { 1 << 20 }
  /// The largest number of elements of any array: those of the weights of one layer.
  static var maximumOperandCount: Int { 1 << 26 }

  /// The only element.
  ///
  /// - Throws: `ONNXFolding.Failure` where there are several, or none.
  func single() throws(ONNXFolding.Failure) -> Element {
    guard values.count == 1 else { throw ONNXFolding.Failure("has an input of \(shape) that must be one number") }
    return values[0]
  }

  /// The values after broadcasting to a larger shape (ONNX's multidirectional broadcasting); `nil` where the array does
  /// not fit it, or it has more elements than `maximumCount` and than the array.
  ///
  /// - Parameter count: a larger number of elements to allow, that of another operand.
  func broadcast(to target: Shape, allowing operandCount: Int = 0) -> [Element]? {
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
    if values.count == 1 { return [Element](repeating: values[0], count: count) }
    // The last axes along which the array does not vary, or varies as the result does, are one run.
    var run = 1
    var axes = target.rank
    let varies = axes > 0 && steps[axes - 1] != 0
    while axes > 0, target[axes - 1] == 1 || (varies ? steps[axes - 1] == run : steps[axes - 1] == 0) {
      run *= target[axes - 1]
      axes -= 1
    }
    var result: [Element] = []
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

/// Real numbers. A Double holds those of every element type exactly, and integers up to 2^53.
typealias ONNXArray = ONNXElements<Double>

extension ONNXElements where Element == Double {
  init(integers: [Int]) {
    self.init(type: .int64, shape: [integers.count], values: integers.map { Double($0) })
  }

  /// The elements of a tensor; `nil` where there are more than `maximumOperandCount`. Integers beyond 2^53 are rounded.
  init?(_ tensor: Tensor) {
    guard tensor.elementCount <= Self.maximumOperandCount else { return nil }
    func doubles<Source: TensorElement & BinaryInteger>(_ type: Source.Type) -> [Double] {
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

  /// The array as a tensor of its type. Half precision becomes float32: ONNX Runtime computes in float32 what the model
  /// does in half precision, and rounds only where a Cast or a DequantizeLinear does.
  var tensor: Tensor {
    switch type {
    case .float64: Tensor(values, shape: shape)
    case .float32, .float16, .bfloat16: Tensor(values.map { Float($0) }, shape: shape)
    case .bool: Tensor(booleans: values.map { $0 != 0 }, shape: shape)
    default: ONNXIntegers(type: type, shape: shape, values: integers).tensor
    }
  }
}

/// Integers or truth values, exactly.
typealias ONNXIntegers = ONNXElements<Int>

extension ONNXElements where Element == Int {
  /// The elements of a tensor of integers or truth values; `nil` for real numbers, where there are more than
  /// `maximumOperandCount`, or where an int64 does not hold one of them.
  init?(_ tensor: Tensor) {
    guard tensor.elementCount <= Self.maximumOperandCount else { return nil }
    func integers<Source: TensorElement & BinaryInteger>(_ type: Source.Type) -> [Int] {
      tensor.withElements(as: type) { $0.map { Int(clamping: $0) } }
    }
    let values: [Int]
    switch tensor.elementType {
    case .float64, .float32, .float16, .bfloat16: return nil
    case .int64: values = integers(Int64.self)
    case .int32: values = integers(Int32.self)
    case .int16: values = integers(Int16.self)
    case .int8: values = integers(Int8.self)
    case .uint64:
      guard tensor.withElements(as: UInt64.self, { elements in elements.allSatisfy { $0 <= UInt64(Int.max) } }) else {
        return nil
      }
      values = integers(UInt64.self)
    case .uint32: values = integers(UInt32.self)
    case .uint16: values = integers(UInt16.self)
    case .uint8: values = integers(UInt8.self)
    case .bool: values = tensor.withBytes { $0.map { $0 == 0 ? 0 : 1 } }
    }
    self.init(type: tensor.elementType, shape: tensor.shape, values: values)
  }

  /// The positions of the elements of an array of some shape, in row-major order.
  init(positionsIn shape: Shape) {
    self.init(type: .int64, shape: shape, values: Array(0..<shape.elementCount))
  }

  /// The integers that a type holds, as far as an int64 does.
  static func bounds(of type: ElementType) -> ClosedRange<Int> {
    switch type {
    case .bool: 0...1
    case .int8: Int(Int8.min)...Int(Int8.max)
    case .int16: Int(Int16.min)...Int(Int16.max)
    case .int32: Int(Int32.min)...Int(Int32.max)
    case .uint8: 0...Int(UInt8.max)
    case .uint16: 0...Int(UInt16.max)
    case .uint32: 0...Int(UInt32.max)
    case .uint64: 0...Int.max
    case .int64, .float64, .float32, .float16, .bfloat16: Int.min...Int.max
    }
  }

  /// The array as a tensor of its type. Integers that this does not hold lose their high bits, as in ONNX Runtime and
  /// NumPy.
  var tensor: Tensor {
    func truncated<Target: TensorElement & FixedWidthInteger>(_: Target.Type) -> Tensor {
      Tensor(values.map { Target(truncatingIfNeeded: $0) }, shape: shape)
    }
    switch type {
    case .bool: return Tensor(booleans: values.map { $0 != 0 }, shape: shape)
    case .int8: return truncated(Int8.self)
    case .int16: return truncated(Int16.self)
    case .int32: return truncated(Int32.self)
    case .uint8: return truncated(UInt8.self)
    case .uint16: return truncated(UInt16.self)
    case .uint32: return truncated(UInt32.self)
    case .uint64: return truncated(UInt64.self)
    case .float64, .float32, .float16, .bfloat16:
      return ONNXArray(type: type, shape: shape, values: values.map { Double($0) }).tensor
    case .int64: return truncated(Int64.self)
    }
  }
}
