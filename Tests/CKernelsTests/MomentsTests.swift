import CKernels
import Testing

@Suite struct MomentsTests {
  /// Samples of a group, [samples][columns].
  private struct Samples {
    let rows: [[UInt8]]
    let columns: Int

    var sums: [Int32] { (0..<columns).map { i in rows.reduce(0) { $0 + Int32($1[i]) } } }

    /// The lower triangle, and zeros.
    var moments: [Int32] {
      (0..<columns * columns).map { index in
        let (i, j) = (index / columns, index % columns)
        return i < j ? 0 : rows.reduce(0) { $0 + Int32($1[i]) * Int32($1[j]) }
      }
    }
  }

  /// Packs the samples of some groups by `depth` columns at a time, as the taps of a window come.
  private func pack(_ groups: [Samples], depth: Int) -> (packed: [[UInt8]], quads: Int) {
    let (columns, count) = (groups[0].columns, groups[0].rows.count)
    let quads = (count + 3) / 4
    let bytes = quern_moments_packed_bytes(quads, columns)
    let packed = GuardedBuffer([UInt8](repeating: 0xA5, count: groups.count * bytes))
    for quad in 0..<quads {
      for first in stride(from: 0, to: columns, by: depth) {
        let samples = (4 * quad..<4 * quad + 4).map { row in
          GuardedBuffer(
            groups.flatMap { group in
              row < count ? Array(group.rows[row][first..<first + depth]) : [UInt8](repeating: 0, count: depth)
            })
        }
        withExtendedLifetime(samples) {
          let pointers = samples.map { UnsafePointer<UInt8>?($0.pointer) }
          quern_moments_pack(pointers, groups.count, depth, first, quad, quads, packed.pointer, bytes)
        }
      }
    }
    return ((0..<groups.count).map { Array(packed.values[$0 * bytes..<($0 + 1) * bytes]) }, quads)
  }

  /// Taken in one part or in two, of which the second is added.
  @Test(arguments: 0..<60 as Range<UInt64>)
  func equalTheDefinition(seed: UInt64) {
    var random = Random(seed: seed)
    let depth = Int.random(in: 1...(seed % 3 == 0 ? 5 : 40), using: &random)
    let columns = depth * Int.random(in: 1...4, using: &random)
    let count = Int.random(in: 1...70, using: &random)
    let groups = (0..<(seed % 3 == 0 ? 7 : 1)).map { _ in
      Samples(rows: (0..<count).map { _ in random.bytes(columns, extreme: seed % 7 == 0) }, columns: columns)
    }
    let (packed, quads) = pack(groups, depth: depth)
    for (group, bytes) in zip(groups, packed) {
      for (name, kernel) in momentsTiers {
        let samples = GuardedBuffer(bytes)
        let sums = GuardedBuffer([Int32](repeating: 5, count: columns))
        let moments = GuardedBuffer([Int32](repeating: 7, count: columns * columns))
        var arguments = quern_moments_args(
          packed: samples.pointer, quads: quads, columns: columns, sums: sums.pointer, moments: moments.pointer,
          stride: columns)
        withExtendedLifetime(samples) { for _ in 0..<2 { kernel.add(&arguments) } }
        let lower = moments.values.enumerated().map { $0 / columns < $0 % columns ? 0 : $1 }
        let comment = "\(name), seed \(seed): \(count) samples of \(columns) columns"
        #expect(firstDifference(sums.values, group.sums.map { 5 + 2 * $0 }) == nil, "\(comment)")
        let expected = group.moments.enumerated().map { $0 / columns < $0 % columns ? 0 : 7 + 2 * $1 }
        #expect(firstDifference(lower, expected) == nil, "\(comment)")
      }
    }
  }

  /// The largest sums that a call may give.
  @Test func maxSamples() {
    let (count, columns) = (Int(QUERN_MOMENTS_SAMPLES), 17)
    let largest = Samples(
      rows: [[UInt8]](repeating: [UInt8](repeating: 255, count: columns), count: count), columns: columns)
    let (packed, quads) = pack([largest], depth: columns)
    for (name, kernel) in momentsTiers {
      var sums = [Int32](repeating: 0, count: columns)
      var moments = [Int32](repeating: 0, count: columns * columns)
      packed[0].withUnsafeBufferPointer { packed in
        sums.withUnsafeMutableBufferPointer { sums in
          moments.withUnsafeMutableBufferPointer { moments in
            var arguments = quern_moments_args(
              packed: packed.baseAddress, quads: quads, columns: columns, sums: sums.baseAddress,
              moments: moments.baseAddress, stride: columns)
            kernel.add(&arguments)
          }
        }
      }
      #expect(sums.allSatisfy { $0 == Int32(255 * count) }, "\(name)")
      #expect(moments[columns * columns - columns] == Int32(255 * 255 * count) && moments.last == moments[0], "\(name)")
    }
  }
}
