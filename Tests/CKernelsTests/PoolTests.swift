import CKernels
import Testing

@Suite struct PoolTests {
  private static let channelCounts = [1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130]

  /// Offsets of which some are outside the map, but never all of a row.
  private func offsets(rows: Int, taps: Int, limit: Int, using random: inout Random) -> [Int32] {
    (0..<rows).flatMap { _ in
      let inside = Int.random(in: 0..<taps, using: &random)
      return (0..<taps).map { tap in
        tap != inside && Bool.random(using: &random) ? -1 : Int32.random(in: 0...Int32(limit), using: &random)
      }
    }
  }

  @Test(arguments: channelCounts)
  func maximumOfBytes(channels: Int) {
    var random = Random(seed: UInt64(channels))
    let rows = 5
    let taps = 9
    let stride = channels + 3
    let input = random.bytes(channels + 100)
    let offsets = offsets(rows: rows, taps: taps, limit: 100, using: &random)
    var expected = [UInt8](repeating: 0xA5, count: rows * stride)
    for row in 0..<rows {
      for c in 0..<channels {
        let inside = offsets[row * taps..<(row + 1) * taps].filter { $0 >= 0 }
        expected[row * stride + c] = inside.map { input[Int($0) + c] }.max() ?? 0
      }
    }
    for (name, kernel) in poolTiers {
      let x = GuardedBuffer(input)
      let o = GuardedBuffer(offsets)
      let y = GuardedBuffer([UInt8](repeating: 0xA5, count: rows * stride))
      kernel.max_u8(x.pointer, o.pointer, rows, taps, channels, y.pointer, stride)
      let difference = firstDifference(y.values, expected)
      #expect(difference == nil, "\(name), \(channels) channels")
    }
  }

  @Test(arguments: channelCounts)
  func maximumOfFloats(channels: Int) {
    var random = Random(seed: UInt64(channels))
    let rows = 5
    let taps = 9
    let stride = channels + 3
    var input = random.floats(channels + 40, in: -1...1)
    for special in [Float.nan, .infinity, -.infinity, -0.0, 0] {
      input[Int.random(in: 0..<input.count, using: &random)] = special
    }
    let offsets = offsets(rows: rows, taps: taps, limit: 40, using: &random)
    var expected = [Float](repeating: -12345, count: rows * stride)
    for row in 0..<rows {
      for c in 0..<channels {
        let values = offsets[row * taps..<(row + 1) * taps].filter { $0 >= 0 }.map { input[Int($0) + c] }
        var best = -Float.infinity
        for value in values where value > best { best = value }
        expected[row * stride + c] = values.contains { $0.isNaN } ? .nan : best
      }
    }
    for (name, kernel) in poolTiers {
      let x = GuardedBuffer(input)
      let o = GuardedBuffer(offsets)
      let y = GuardedBuffer([Float](repeating: -12345, count: rows * stride))
      kernel.max_f32(x.pointer, o.pointer, rows, taps, channels, y.pointer, stride)
      let difference = firstDifference(y.values, expected)
      #expect(difference == nil, "\(name), \(channels) channels")
    }
  }

  @Test(arguments: channelCounts)
  func tableSums(channels: Int) {
    var random = Random(seed: UInt64(channels))
    let count = 49
    let stride = channels + 2
    let input = random.bytes(count * stride - 2)
    let table = random.floats(256, in: -1...3)
    let start = random.floats(channels, in: 0...1)
    var expected = start
    for i in 0..<count {
      for c in 0..<channels { expected[c] += table[Int(input[i * stride + c])] }
    }
    for (name, kernel) in poolTiers {
      let x = GuardedBuffer(input)
      let t = GuardedBuffer(table)
      let sums = GuardedBuffer(start)
      kernel.table_sum(x.pointer, count, stride, channels, t.pointer, sums.pointer)
      let difference = firstDifference(sums.values, expected)
      #expect(difference == nil, "\(name), \(channels) channels")
    }
  }
}
