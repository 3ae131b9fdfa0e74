import Checkpoints
import Tensors

extension ONNXFolding {
  /// Levels of constants: QuantizeLinear and DequantizeLinear. Weights are large, so these have loops of their own.
  static let quantizing: [String: Folding] = ["QuantizeLinear": quantize, "DequantizeLinear": dequantize]

  /// Levels of weights between the bounds of a Clip, as Brevitas narrows their range; `nil` for other types.
  static func clippedLevels(_ operands: Operands) throws(Failure) -> Tensor? {
    let source = try operands.tensor(0)
    guard let all = ONNXLevels.bounds(of: source.elementType) else { return nil }
    let low = operands.has(1) ? try operands.integerArray(1).single() : all.lowerBound
    let high = operands.has(2) ? try operands.integerArray(2).single() : all.upperBound
    guard all.contains(low), all.contains(high), low <= high else {
      throw Failure("clips levels to \(low) and \(high)")
    }
    try operands.claim(source.shape)
    let levels = source.contiguous()
    func clipped<Level: TensorElement & FixedWidthInteger>(_: Level.Type) -> Tensor {
      levels.withElements(as: Level.self) { values in
        Tensor(shape: source.shape, of: Level.self) { target in
          for element in values.indices { target[element] = max(Level(low), min(Level(high), values[element])) }
        }
      }
    }
    switch source.elementType {
    case .int8: return clipped(Int8.self)
    case .uint8: return clipped(UInt8.self)
    case .int16: return clipped(Int16.self)
    default: return clipped(UInt16.self)
    }
  }

  /// The scale of each index of an axis, or of all elements, with the zero points.
  private struct Steps {
    let scales: [Float]
    let zeroPoints: [Int]
    /// The number of neighbouring elements that share a scale.
    let run: Int

    /// The index of an element's scale.
    func index(_ element: Int) -> Int { scales.count == 1 ? 0 : element / run % scales.count }
  }

  private static let quantize: Folding = { operands throws(Failure) in
    let type = try levelType(operands)
    // As ONNX Runtime, whatever the type of the scale.
    guard [0, 1].contains(operands.integer("precision") ?? 0) else {
      throw Failure("divides in another precision than float32")
    }
    guard ONNXLevels.bounds(of: type) != nil else { throw Failure("quantises to \(type)") }
    let (source, steps) = (try operands.tensor(0), try steps(operands, type: type))
    try operands.claim(source.shape)
    guard let floats = source.asFloat32()?.contiguous() else { throw Failure("quantises \(source.elementType)") }
    // ONNX does not say which level that is, and runtimes differ between processors.
    guard !floats.withElements(as: Float.self, { values in values.contains { $0.isNaN } }) else {
      throw Failure("quantises a constant that has NaN")
    }
    func rounded<Level: TensorElement & FixedWidthInteger>(_: Level.Type) -> Tensor {
      floats.withElements(as: Float.self) { values in
        Tensor(shape: source.shape, of: Level.self) { target in
          for element in values.indices {
            let step = steps.index(element)
            let level = (values[element] / steps.scales[step]).rounded(.toNearestOrEven) + Float(steps.zeroPoints[step])
            target[element] = Level(clamping: ONNXArray.integer(Double(level)))
          }
        }
      }
    }
    switch type {
    case .int8: return rounded(Int8.self)
    case .uint8: return rounded(UInt8.self)
    case .int16: return rounded(Int16.self)
    default: return rounded(UInt16.self)
    }
  }

  private static let dequantize: Folding = { operands throws(Failure) in
    try operands.claim(try operands.tensor(0).shape)
    let source = try operands.tensor(0).contiguous()
    let steps = try steps(operands, type: source.elementType)
    let scaleType = try operands.tensor(1).elementType
    let code = operands.integer("output_dtype") ?? 0
    guard code == 0 || ElementType(onnxCode: code) == scaleType else {
      throw Failure("dequantises to the type number \(code) by scales of \(scaleType)")
    }
    func real<Level: TensorElement & FixedWidthInteger>(_: Level.Type) -> Tensor {
      source.withElements(as: Level.self) { levels in
        Tensor(shape: source.shape, of: Float.self) { target in
          for element in levels.indices {
            let step = steps.index(element)
            target[element] = Float(Int(levels[element]) - steps.zeroPoints[step]) * steps.scales[step]
          }
        }
      }
    }
    let result: Tensor
    switch source.elementType {
    case .int8: result = real(Int8.self)
    case .uint8: result = real(UInt8.self)
    case .int16: result = real(Int16.self)
    case .uint16: result = real(UInt16.self)
    case .int32: result = real(Int32.self)
    default: throw Failure("dequantises \(source.elementType)")
    }
    guard scaleType == .float16 || scaleType == .bfloat16 else { return result }
    try operands.claim(source.shape)
    guard var array = ONNXArray(result) else { throw Failure("dequantises \(result.elementCount) levels") }
    array.type = scaleType
    return try halves(array)
  }

  /// The type of the levels of QuantizeLinear.
  private static func levelType(_ operands: Operands) throws(Failure) -> ElementType {
    let code = operands.integer("output_dtype") ?? 0
    let stated = ElementType(onnxCode: code)
    guard code == 0 || stated != nil else { throw Failure("quantises to the type number \(code)") }
    guard operands.has(2) else { return stated ?? .uint8 }
    let type = try operands.tensor(2).elementType
    if let stated, stated != type { throw Failure("quantises to \(stated), and has a zero point of \(type)") }
    return type
  }

  /// The scales and zero points.
  ///
  /// - Parameter type: that of the levels, which the zero points must have, so that no difference overflows.
  private static func steps(_ operands: Operands, type: ElementType) throws(Failure) -> Steps {
    if let size = operands.integer("block_size"), size != 0 { throw Failure("has a scale for each block of weights") }
    let shape = try operands.tensor(0).shape
    try operands.claim(try operands.tensor(1).shape)
    let scales = try ONNXLevels.scales(try operands.tensor(1))
    var zeroPoints = [Int](repeating: 0, count: scales.count)
    if operands.has(2) {
      let storedType = try operands.tensor(2).elementType
      guard storedType == type else { throw Failure("has levels of \(type) and a zero point of \(storedType)") }
      let stored = try operands.array(2).integers
      guard stored.count == scales.count else {
        throw Failure("has \(scales.count) scales and \(stored.count) zero points")
      }
      zeroPoints = stored
    }
    if scales.count == 1 { return Steps(scales: scales, zeroPoints: zeroPoints, run: 1) }
    let axis = try operands.axis(operands.integer("axis") ?? 1, rank: shape.rank)
    guard shape[axis] == scales.count else {
      throw Failure("has \(scales.count) scales for the \(shape[axis]) indices of its axis \(axis)")
    }
    let run = shape.dimensions[(axis + 1)...].reduce(1, *)
    return Steps(scales: scales, zeroPoints: zeroPoints, run: max(run, 1))
  }
}

/// The levels of QuantizeLinear and DequantizeLinear.
struct ONNXLevels: Hashable {
  /// The distance between two levels.
  let scale: Float
  /// Factors of `scale` for each channel; empty where all are 1.
  var channelScales: [Float] = []
  /// The axis of `channelScales`.
  var axis = 1
  /// The level of zero.
  let zeroPoint: Int
  /// All levels of the type.
  let bounds: ClosedRange<Int>
  /// The levels that a Clip after the rounding leaves; `nil` for all of them.
  var clipped: ClosedRange<Int>?

  /// The levels of an element type; `nil` for types whose levels quern does not read.
  static func bounds(of type: ElementType) -> ClosedRange<Int>? {
    switch type {
    case .int8: -128...127
    case .uint8: 0...255
    case .int16: -32768...32767
    case .uint16: 0...65535
    default: nil
    }
  }

  /// The same levels, with those of int8 moved to 0...255.
  var unsigned: ONNXLevels {
    guard bounds == -128...127 else { return self }
    return ONNXLevels(
      scale: scale, channelScales: channelScales, axis: axis, zeroPoint: zeroPoint + 128, bounds: 0...255,
      clipped: clipped.map { $0.lowerBound + 128...$0.upperBound + 128 })
  }

  /// The elements of a constant of scales, widened to float32.
  ///
  /// - Throws: `ONNXFolding.Failure` where one is not a positive, normal number.
  static func scales(_ tensor: Tensor) throws(ONNXFolding.Failure) -> [Float] {
    guard tensor.shape.rank <= 1, tensor.elementCount > 0, let floats = tensor.asFloat32() else {
      throw ONNXFolding.Failure("has scales of \(tensor.elementType) \(tensor.shape)")
    }
    let scales = floats.contiguous().elements(as: Float.self)
    guard let bad = scales.first(where: { !($0.isNormal && $0 > 0) }) else { return scales }
    throw ONNXFolding.Failure("has the scale \(bad), which is not a positive number")
  }
}
