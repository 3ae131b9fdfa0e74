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

  /// The first input as another type.
  static func cast(_ operands: Operands, to type: ElementType) throws(Failure) -> Tensor {
    let tensor = try operands.tensor(0)
    try operands.claim(tensor.shape)
    if type == tensor.elementType { return tensor }
    if type == .float32, let floats = tensor.asFloat32() { return floats }
    var array = try operands.array(0)
    array.type = type
    switch type {
    case .float64: return array.tensor
    case .float32, .float16, .bfloat16:
      // From a Double, an integer beyond 2^53 would be rounded twice.
      if tensor.elementType == .int64 { array.values = tensor.elements(as: Int64.self).map { Double(Float($0)) } }
      if tensor.elementType == .uint64 { array.values = tensor.elements(as: UInt64.self).map { Double(Float($0)) } }
      return type == .float32 ? array.tensor : try halves(array)
    case .bool:
      array.values = array.values.map { $0 == 0 ? 0 : 1 }
      return array.tensor
    default:
      array.type = tensor.elementType
      return try integers(tensor, array, as: type)
    }
  }

  /// An array of float16 or bfloat16, with its elements rounded to the type.
  static func halves(_ array: ONNXArray) throws(Failure) -> Tensor {
    let isHalf = array.type == .float16
    return try bits(array.type, array.shape, of: UInt16.self) { target in
      for (index, value) in array.values.enumerated() {
        if isHalf {
          target[index] = halfBits(rounded(value, bits: 11, minExponent: -14, max: 65504))
        } else {
          let result = rounded(value, bits: 8, minExponent: -126, max: 0x1.FEp127)
          target[index] = result.isNaN ? 0x7FC0 : UInt16(Float(result).bitPattern >> 16)
        }
      }
    }
  }

  /// The bit pattern of a number that a float16 holds exactly.
  private static func halfBits(_ value: Double) -> UInt16 {
    if value.isNaN { return 0x7E00 }
    let (sign, magnitude): (UInt16, Double) = (value.sign == .minus ? 0x8000 : 0, value.magnitude)
    if magnitude.isInfinite { return sign | 0x7C00 }
    if magnitude < 0x1p-14 { return sign | UInt16(magnitude * 0x1p24) }
    return sign | UInt16(magnitude.exponent + 15) << 10 | UInt16((magnitude.significand - 1) * 1024)
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
