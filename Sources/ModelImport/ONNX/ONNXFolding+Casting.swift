import Checkpoints
import Tensors

/// Folding of casts, as ONNX defines them: truth values are what is not 0, fractions are cut off, and integers lose
/// their high bits.
extension ONNXFolding {
  static let casting: [String: Folding] = [
    "Cast": { operands throws(Failure) in
      guard let code = operands.integer("to") else { throw Failure("does not say what to cast to") }
      guard let type = ElementType(onnxCode: code) else {
        throw Failure("casts to the type number \(code), which is not supported")
      }
      return try cast(operands, to: type)
    },
    "CastLike": { operands throws(Failure) in try cast(operands, to: try operands.tensor(1).elementType) },
  ]

  /// The first input as another type. Halves are stored as float32, after rounding to the type.
  private static func cast(_ operands: Operands, to type: ElementType) throws(Failure) -> Tensor {
    let tensor = try operands.tensor(0)
    try operands.claim(tensor.shape)
    if type == .float64, tensor.elementType == .float64 { return tensor }
    if type == .float32, let floats = tensor.asFloat32() { return floats }
    var array = try operands.array(0)
    switch type {
    case .float32, .float64: break
    case .float16: array.values = array.values.map { rounded($0, bits: 11, minExponent: -14, max: 65504) }
    case .bfloat16:
      array.values = array.values.map { rounded($0, bits: 8, minExponent: -126, max: 0x1.FEp127) }
    case .bool: array.values = array.values.map { $0 == 0 ? 0 : 1 }
    case .int64 where tensor.elementType == .int64: return tensor
    default: return try integers(tensor, array, as: type)
    }
    array.type = type.isFloatingPoint && type != .float64 ? .float32 : type
    return array.tensor
  }

  /// A number rounded to floating-point numbers of fewer bits, ties to even.
  ///
  /// - Parameters:
  ///   - bits: significant bits, with the first.
  ///   - minExponent: that of the smallest normal number.
  ///   - max: the largest finite number.
  private static func rounded(_ value: Double, bits: Int, minExponent: Int, max: Double) -> Double {
    guard value.isFinite, value != 0 else { return value }
    // ONNX Runtime rounds real numbers to float32 first, which makes larger ones infinite.
    let value = Double(Float(value))
    guard value.isFinite else { return value }
    let exponent = Swift.max(Int(value.exponent), minExponent) - bits + 1
    let unit = Double(sign: .plus, exponent: exponent, significand: 1)
    let result = (value / unit).rounded(.toNearestOrEven) * unit
    return abs(result) <= max ? result : value > 0 ? .infinity : -.infinity
  }

  /// The elements as integers of a type: integers modulo its size, real numbers without their fraction. ONNX does not
  /// define the result for real numbers that the type does not hold.
  private static func integers(_ tensor: Tensor, _ array: ONNXArray, as type: ElementType) throws(Failure) -> Tensor {
    func converted<Element: TensorElement & FixedWidthInteger>(_: Element.Type) throws(Failure) -> Tensor {
      if tensor.elementType == .int64 {
        let elements = tensor.elements(as: Int64.self)
        return Tensor(elements.map { Element(truncatingIfNeeded: $0) }, shape: tensor.shape)
      }
      if tensor.elementType == .uint64 {
        let elements = tensor.elements(as: UInt64.self)
        return Tensor(elements.map { Element(truncatingIfNeeded: $0) }, shape: tensor.shape)
      }
      var result: [Element] = []
      result.reserveCapacity(array.values.count)
      for value in array.values {
        if let element = Element(exactly: value.rounded(.towardZero)) {
          result.append(element)
        } else if !array.type.isFloatingPoint, let integer = Int64(exactly: value) {
          result.append(Element(truncatingIfNeeded: integer))
        } else {
          throw Failure("casts \(value) to \(type), which does not hold it")
        }
      }
      return Tensor(result, shape: array.shape)
    }
    switch type {
    case .int8: return try converted(Int8.self)
    case .int16: return try converted(Int16.self)
    case .int32: return try converted(Int32.self)
    case .uint8: return try converted(UInt8.self)
    case .uint16: return try converted(UInt16.self)
    case .uint32: return try converted(UInt32.self)
    case .uint64: return try converted(UInt64.self)
    case .int64, .bool, .float16, .bfloat16, .float32, .float64: return try converted(Int64.self)
    }
  }
}
