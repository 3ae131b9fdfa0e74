import CKernels
import Testing

private let counts = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 64, 100, 257]

@Suite struct ElementwiseTests {
  private func sameForAll<Value: Equatable>(
    _ expected: [Value], _ comment: String, run: (quern_elementwise_kernel) -> [Value]
  ) {
    for (name, kernel) in elementwiseTiers {
      let difference = firstDifference(run(kernel), expected)
      #expect(difference == nil, "\(name), \(comment)")
    }
  }

  @Test(arguments: counts)
  func quantize(count: Int) {
    var random = Random(seed: UInt64(count))
    for scale in [0.02, 1, 0.5, 1e-30] as [Float] {
      var values = random.floats(count, in: -300 * scale...300 * scale)
      let specials = [
        .nan, -.nan, .infinity, -.infinity, .greatestFiniteMagnitude, -0.0, 0.5, 1.5, 2.5, -0.5, 65536, -65536, 70000,
        .leastNonzeroMagnitude,
      ].map { (special: Float) in special * scale }
      for special in specials where !values.isEmpty { values[Int.random(in: 0..<count, using: &random)] = special }
      let zeroPoint = Int32.random(in: 0...255, using: &random)
      let expected = values.map {
        $0.isNaN ? 0 : requantised($0 / scale, zeroPoint: zeroPoint, minimum: 0, maximum: 255)
      }
      sameForAll(expected, "\(count) values, scale \(scale), zero point \(zeroPoint)") { kernel in
        let x = GuardedBuffer(values)
        let q = GuardedBuffer([UInt8](repeating: 7, count: count))
        kernel.quantize(x.pointer, count, scale, zeroPoint, q.pointer)
        return q.values
      }
    }
  }

  @Test(arguments: counts)
  func dequantize(count: Int) {
    var random = Random(seed: UInt64(count))
    let bytes = random.bytes(count)
    let zeroPoint = Int32.random(in: -20...300, using: &random)
    let scale: Float = 0.0371
    sameForAll(bytes.map { scale * Float(Int32($0) - zeroPoint) }, "\(count) values") { kernel in
      let q = GuardedBuffer(bytes)
      let x = GuardedBuffer([Float](repeating: 7, count: count))
      kernel.dequantize(q.pointer, count, scale, zeroPoint, x.pointer)
      return x.values
    }
  }

  @Test(arguments: counts)
  func addition(count: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(count))
      let a = random.bytes(count)
      let b = random.bytes(count)
      let range = OutputRange(using: &random)
      let zeros = (Int32.random(in: 0...255, using: &random), Int32.random(in: -9...255, using: &random))
      let bound: Float = seed % 4 == 0 ? 1000 : 1
      let factors = (seed % 5 == 0 ? 0.5 : Float.random(in: 0...bound, using: &random), seed % 5 == 0 ? 0.25 : bound)
      let expected = zip(a, b).map { a, b in
        let first = Float(Int32(a) - zeros.0) * factors.0
        let second = Float(Int32(b) - zeros.1) * factors.1
        return requantised(
          first + second, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: range.maximum)
      }
      sameForAll(expected, "\(count) values, seed \(seed)") { kernel in
        let x = GuardedBuffer(a)
        let y = GuardedBuffer(b)
        let q = GuardedBuffer([UInt8](repeating: 7, count: count))
        kernel.add(
          x.pointer, zeros.0, factors.0, y.pointer, zeros.1, factors.1, count, range.zeroPoint, range.minimum,
          range.maximum, q.pointer
        )
        return q.values
      }
    }
  }

  @Test(arguments: counts)
  func multiply(count: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(count))
      let (a, b) = (random.bytes(count), random.bytes(count))
      let range = OutputRange(using: &random)
      let zeros = (Int32.random(in: 0...255, using: &random), Int32.random(in: 0...255, using: &random))
      let factor = seed % 5 == 0 ? 0.125 : Float.random(in: 0...0.1, using: &random)
      let expected = zip(a, b).map { a, b in
        requantised(
          (Float(Int32(a) - zeros.0) * factor) * Float(Int32(b) - zeros.1), zeroPoint: range.zeroPoint, minimum: 0,
          maximum: 255)
      }
      sameForAll(expected, "\(count) values, seed \(seed)") { kernel in
        let (x, y) = (GuardedBuffer(a), GuardedBuffer(b))
        let q = GuardedBuffer([UInt8](repeating: 7, count: count))
        kernel.multiply(x.pointer, zeros.0, factor, y.pointer, zeros.1, count, range.zeroPoint, q.pointer)
        return q.values
      }
    }
  }

  @Test(arguments: counts)
  func prelu(channels: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(channels))
      let rows = 3
      let a = random.bytes(rows * channels)
      let range = OutputRange(using: &random)
      let zero = Int32.random(in: 0...255, using: &random)
      let positive = seed % 5 == 0 ? 0.5 : Float.random(in: 0...2, using: &random)
      let negative = (0..<channels).map { _ in Float.random(in: -1...1, using: &random) }
      let expected = a.indices.map { index in
        let x = Int32(a[index]) - zero
        return requantised(
          Float(x) * (x > 0 ? positive : negative[index % max(channels, 1)]), zeroPoint: range.zeroPoint, minimum: 0,
          maximum: 255)
      }
      sameForAll(expected, "\(channels) channels, seed \(seed)") { kernel in
        let (x, slopes) = (GuardedBuffer(a), GuardedBuffer(negative))
        let q = GuardedBuffer([UInt8](repeating: 7, count: a.count))
        kernel.prelu(x.pointer, zero, positive, slopes.pointer, channels, rows, range.zeroPoint, q.pointer)
        return q.values
      }
    }
  }

  @Test(arguments: counts)
  func requantize(count: Int) {
    for seed in 0..<20 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(count))
      let bytes = random.bytes(count)
      let range = OutputRange(using: &random)
      let zero = Int32.random(in: -9...300, using: &random)
      let factor = seed % 5 == 0 ? 0.5 : Float.random(in: 0...(seed % 3 == 0 ? 1000 : 2), using: &random)
      let expected = bytes.map {
        requantised(
          Float(Int32($0) - zero) * factor, zeroPoint: range.zeroPoint, minimum: range.minimum, maximum: 255)
      }
      sameForAll(expected, "\(count) values, seed \(seed)") { kernel in
        let x = GuardedBuffer(bytes)
        let q = GuardedBuffer([UInt8](repeating: 7, count: count))
        kernel.requantize(x.pointer, zero, factor, count, range.zeroPoint, range.minimum, q.pointer)
        return q.values
      }
    }
  }
}
