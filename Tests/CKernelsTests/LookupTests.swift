import CKernels
import Testing

@Suite struct LookupTests {
  @Test(arguments: [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 256, 1000])
  func everyTierLooksUp(count: Int) {
    for seed in 0..<10 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(count))
      // Every value takes part where there is room for it.
      let values = count == 256 ? (0...255).map { UInt8($0) } : random.bytes(count)
      let table = random.bytes(256)
      let expected = values.map { table[Int($0)] }
      for (name, kernel) in lookupTiers {
        let (x, entries) = (GuardedBuffer(values), GuardedBuffer(table))
        let y = GuardedBuffer([UInt8](repeating: 7, count: count))
        kernel.run(x.pointer, count, entries.pointer, y.pointer)
        let difference = firstDifference(y.values, expected)
        #expect(difference == nil, "\(name), \(count) values, seed \(seed)")
        kernel.run(x.pointer, count, entries.pointer, x.pointer)
        #expect(x.values == expected, "\(name), \(count) values in place, seed \(seed)")
      }
    }
  }
}
