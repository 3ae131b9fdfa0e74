import CKernels

/// The last step of the int8 kernels, written from quern_igemm.h alone.
func requantised(_ real: Float, zeroPoint: Int32, minimum: Int32, maximum: Int32) -> UInt8 {
  var value = real > -65536 ? real : -65536
  value = value < 65536 ? value : 65536
  let q = Int64(value.rounded(.toNearestOrEven)) + Int64(zeroPoint)
  return UInt8(min(max(q, Int64(minimum)), Int64(maximum)))
}

/// What that rounding leaves over, from quern_igemm.h alone.
func remainder(_ real: Float, _ q: UInt8, zeroPoint: Int32, minimum: Int32, maximum: Int32) -> UInt8 {
  let (low, high) = (Float(minimum - zeroPoint), Float(maximum - zeroPoint))
  var value = real > low ? real : low
  value = value < high ? value : high
  let rest = (value - Float(Int32(q) - zeroPoint)) * 256
  return UInt8(min(Int32(rest.rounded(.toNearestOrEven)), 127) + 128)
}

/// A level with its remainder times a factor.
func scaledLevel(_ q: UInt8, _ remainder: UInt8, zeroPoint: Int32, factor: Float) -> Float {
  Float(256 * (Int32(q) - zeroPoint) + Int32(remainder) - 128) * (factor / 256)
}

/// Bounds for results that are stored as float32; sometimes those of a ReLU, and sometimes none.
struct Clamp {
  let value: quern_clamp

  init(using random: inout Random) {
    switch Int.random(in: 0...3, using: &random) {
    case 0: value = quern_clamp(is_set: 0, min: -.infinity, max: .infinity)
    case 1: value = quern_clamp(is_set: 1, min: 0, max: .infinity)
    default:
      let minimum = Float.random(in: -2...0, using: &random)
      value = quern_clamp(is_set: 1, min: minimum, max: minimum + Float.random(in: 0...3, using: &random))
    }
  }

  static let none = Clamp(value: quern_clamp(is_set: 0, min: -.infinity, max: .infinity))
  static let relu = Clamp(value: quern_clamp(is_set: 1, min: 0, max: .infinity))

  private init(value: quern_clamp) { self.value = value }

  /// Follows quern_clamp.h: NaN becomes the lower bound.
  func callAsFunction(_ x: Float) -> Float {
    guard value.is_set != 0 else { return x }
    let raised = x > value.min ? x : value.min
    return raised < value.max ? raised : value.max
  }

  func callAsFunction(_ x: Double) -> Double {
    value.is_set == 0 ? x : min(max(x, Double(value.min)), Double(value.max))
  }
}

/// Zero point and bounds, at times far from those of real layers.
struct OutputRange {
  var zeroPoint: Int32
  var minimum: Int32
  var maximum: Int32

  init(using random: inout Random) {
    zeroPoint = Int32.random(in: Bool.random(using: &random) ? 0...255 : -32000...32000, using: &random)
    minimum = Int32.random(in: 0...200, using: &random)
    maximum = Bool.random(using: &random) ? 255 : Int32.random(in: minimum...255, using: &random)
    if Bool.random(using: &random) { minimum = 0 }
  }
}
