import CKernels
import Testing

/// Kernels that trunks other than ResNets need, against references written from the headers.
@Suite struct MapKernelTests {
  private static let channelCounts = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 63, 64, 65, 130]

  /// Offsets inside the input or negative, of which `allowed` says what they may be.
  private static func offsets(_ count: Int, limit: Int, negatives: [Int32], using random: inout Random) -> [Int32] {
    (0..<count).map { _ in
      Int.random(in: 0..<3, using: &random) == 0
        ? negatives.randomElement(using: &random) ?? -1 : Int32.random(in: 0...Int32(limit), using: &random)
    }
  }

  @Test(arguments: channelCounts)
  func averages(channels: Int) {
    var random = Random(seed: UInt64(channels))
    let (rows, taps, stride) = (7, 9, channels + 2)
    let bytes = random.bytes(channels + 80)
    let floats = random.floats(channels + 80, in: -3...3)
    var offsets = Self.offsets(
      rows * taps, limit: 80, negatives: [Int32(QUERN_TAP_NONE), Int32(QUERN_TAP_ZERO)], using: &random)
    // A window without taps, and one of zeros.
    for t in 0..<taps { (offsets[t], offsets[taps + t]) = (Int32(QUERN_TAP_NONE), Int32(QUERN_TAP_ZERO)) }
    let zeroPoint = Int32.random(in: 0...255, using: &random)
    var expectedBytes = [UInt8](repeating: 0xA5, count: rows * stride)
    var expectedFloats = [Float](repeating: -12345, count: rows * stride)
    for row in 0..<rows {
      let window = offsets[row * taps..<(row + 1) * taps]
      let inside = window.filter { $0 >= 0 }
      let isEmpty = window.allSatisfy { $0 == Int32(QUERN_TAP_NONE) }
      let zeros = isEmpty ? 1 : window.filter { $0 == Int32(QUERN_TAP_ZERO) }.count
      let count = Float(inside.count + zeros)
      for c in 0..<channels {
        let sum = inside.reduce(Int(zeroPoint) * zeros) { $0 + Int(bytes[Int($1) + c]) }
        expectedBytes[row * stride + c] = UInt8((Float(sum) / count).rounded(.toNearestOrEven))
        expectedFloats[row * stride + c] = inside.reduce(Float(0)) { $0 + floats[Int($1) + c] } / count
      }
    }
    for (name, kernel) in poolTiers {
      let (b, f, o) = (GuardedBuffer(bytes), GuardedBuffer(floats), GuardedBuffer(offsets))
      let q = GuardedBuffer([UInt8](repeating: 0xA5, count: rows * stride))
      kernel.average_u8(b.pointer, o.pointer, rows, taps, channels, zeroPoint, q.pointer, stride)
      #expect(firstDifference(q.values, expectedBytes) == nil, "\(name), \(channels) channels")
      let y = GuardedBuffer([Float](repeating: -12345, count: rows * stride))
      kernel.average_f32(f.pointer, o.pointer, rows, taps, channels, y.pointer, stride)
      #expect(firstDifference(y.values, expectedFloats) == nil, "\(name), \(channels) channels")
    }
  }

  @Test(arguments: channelCounts)
  func sums(channels: Int) {
    var random = Random(seed: UInt64(channels))
    let (count, stride) = (49, channels + 2)
    let input = random.bytes(count * stride - 2)
    let start = (0..<channels).map { _ in UInt32.random(in: 0...1000, using: &random) }
    var expected = start
    for i in 0..<count {
      for c in 0..<channels { expected[c] += UInt32(input[i * stride + c]) }
    }
    for (name, kernel) in poolTiers {
      let (x, y) = (GuardedBuffer(input), GuardedBuffer(start))
      kernel.sum_u8(x.pointer, count, stride, channels, y.pointer)
      #expect(firstDifference(y.values, expected) == nil, "\(name), \(channels) channels")
    }
  }

  @Test(arguments: channelCounts)
  func doubleSums(channels: Int) {
    var random = Random(seed: UInt64(channels))
    let (count, stride) = (49, channels + 2)
    let input = random.floats(count * stride - 2, in: -3...3)
    let start = (0..<channels).map { _ in Double.random(in: 0...1000, using: &random) }
    var expected = start
    for i in 0..<count {
      for c in 0..<channels { expected[c] += Double(input[i * stride + c]) }
    }
    for (name, kernel) in poolTiers {
      let (x, y) = (GuardedBuffer(input), GuardedBuffer(start))
      kernel.sum_f32(x.pointer, count, stride, channels, y.pointer)
      #expect(firstDifference(y.values, expected) == nil, "\(name), \(channels) channels")
    }
  }

  /// What takes part in a scaled sum.
  struct ScaleParts: OptionSet, Sendable {
    let rawValue: Int
    static let floatMap = ScaleParts(rawValue: 1)
    static let mapRemainder = ScaleParts(rawValue: 2)
    static let residual = ScaleParts(rawValue: 4)
    static let residualRemainder = ScaleParts(rawValue: 8)
  }

  @Test(arguments: channelCounts, 0..<16)
  func scaledSums(channels: Int, parts: Int) {
    let having = ScaleParts(rawValue: parts)
    var random = Random(seed: UInt64(channels))
    let rows = 5
    let count = rows * channels
    let (map, residual) = (random.bytes(count), random.bytes(count))
    let mapRemainders = random.bytes(count)
    let residualRemainders = random.bytes(count)
    let reals = random.floats(count, in: -90...90)
    var factors = random.floats(channels, in: -2...2)
    if channels > 8 { factors[3] = .nan }
    let range = OutputRange(using: &random)
    let (za, zr, mr) = (Int32(77), Int32(5), Float(0.37))
    func term(_ q: UInt8, _ rest: UInt8, _ zero: Int32, _ factor: Float, _ hasRemainder: Bool) -> Float {
      hasRemainder ? scaledLevel(q, rest, zeroPoint: zero, factor: factor) : Float(Int32(q) - zero) * factor
    }
    let sums = (0..<count).map { index in
      let factor = factors[index % channels]
      let scaled =
        having.contains(.floatMap)
        ? reals[index] * factor
        : term(map[index], mapRemainders[index], za, factor, having.contains(.mapRemainder))
      guard having.contains(.residual) else { return scaled }
      return scaled
        + term(residual[index], residualRemainders[index], zr, mr, having.contains(.residualRemainder))
    }
    let levels = sums.map {
      requantised($0, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
    }
    let remainders = zip(sums, levels).map {
      remainder($0, $1, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
    }
    for (name, kernel) in elementwiseTiers {
      let (a, f, r, x) = (GuardedBuffer(map), GuardedBuffer(factors), GuardedBuffer(residual), GuardedBuffer(reals))
      let (ra, rr) = (GuardedBuffer(mapRemainders), GuardedBuffer(residualRemainders))
      let (q, e) = (
        GuardedBuffer([UInt8](repeating: 0xA5, count: count)), GuardedBuffer([UInt8](repeating: 1, count: count))
      )
      let y = GuardedBuffer([Float](repeating: -12345, count: count))
      withExtendedLifetime((a, f, r, x, ra, rr)) {
        var arguments = quern_scale_args()
        (arguments.map, arguments.map_zero_point) = (UnsafePointer(a.pointer), za)
        arguments.map_remainder = having.contains(.mapRemainder) ? UnsafePointer(ra.pointer) : nil
        arguments.reals = having.contains(.floatMap) ? UnsafePointer(x.pointer) : nil
        arguments.factors = UnsafePointer(f.pointer)
        arguments.residual = having.contains(.residual) ? UnsafePointer(r.pointer) : nil
        arguments.residual_remainder = having.contains(.residualRemainder) ? UnsafePointer(rr.pointer) : nil
        (arguments.residual_zero_point, arguments.residual_multiplier) = (zr, mr)
        (arguments.rows, arguments.channels) = (rows, channels)
        (arguments.output_zero_point, arguments.output_min) = (range.zeroPoint, range.minimum)
        arguments.output_max = range.maximum
        arguments.output = q.pointer
        kernel.scale(&arguments)
        #expect(firstDifference(q.values, levels) == nil, "\(name), \(channels) channels")
        arguments.output_remainder = e.pointer
        kernel.scale(&arguments)
        #expect(firstDifference(e.values, remainders) == nil, "\(name), \(channels) channels")
        (arguments.output_f32, arguments.clamp) = (y.pointer, Clamp.relu.value)
        kernel.scale(&arguments)
        #expect(firstDifference(y.values, sums.map { $0 > 0 ? $0 : 0 }) == nil, "\(name), \(channels) channels")
      }
    }
  }
}
