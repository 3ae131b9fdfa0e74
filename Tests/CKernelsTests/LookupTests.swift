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
        var arguments = quern_lookup_args()
        (arguments.table, arguments.input) = (UnsafePointer(entries.pointer), UnsafePointer(x.pointer))
        (arguments.rows, arguments.row_bytes, arguments.output) = (1, count, y.pointer)
        kernel.run(&arguments)
        let difference = firstDifference(y.values, expected)
        #expect(difference == nil, "\(name), \(count) values, seed \(seed)")
        arguments.output = x.pointer
        kernel.run(&arguments)
        #expect(x.values == expected, "\(name), \(count) values in place, seed \(seed)")
      }
    }
  }

  /// Bytes between the rows of the output keep their values.
  @Test(arguments: [1, 8, 15, 16, 24, 32, 40, 48, 63, 64, 80, 96, 100, 160])
  func everyTierLooksUpRows(rowBytes: Int) {
    for seed in 0..<10 as Range<UInt64> {
      var random = Random(seed: seed << 16 + UInt64(rowBytes))
      let rows = Int(seed)
      let (inputStride, outputStride) = (rowBytes + Int(seed) * 3 % 7, rowBytes + Int(seed) * 5 % 11)
      // The last row ends where the buffer does.
      let values = random.bytes(rows == 0 ? 0 : (rows - 1) * inputStride + rowBytes)
      let table = random.bytes(256)
      var expected = [UInt8](repeating: 7, count: rows == 0 ? 0 : (rows - 1) * outputStride + rowBytes)
      for row in 0..<rows {
        for index in 0..<rowBytes {
          expected[row * outputStride + index] = table[Int(values[row * inputStride + index])]
        }
      }
      for (name, kernel) in lookupTiers {
        let (x, entries) = (GuardedBuffer(values), GuardedBuffer(table))
        let y = GuardedBuffer([UInt8](repeating: 7, count: expected.count))
        var arguments = quern_lookup_args()
        (arguments.table, arguments.input) = (UnsafePointer(entries.pointer), UnsafePointer(x.pointer))
        (arguments.input_stride, arguments.output_stride) = (inputStride, outputStride)
        (arguments.rows, arguments.row_bytes, arguments.output) = (rows, rowBytes, y.pointer)
        kernel.run(&arguments)
        #expect(firstDifference(y.values, expected) == nil, "\(name), rows of \(rowBytes), seed \(seed)")
      }
    }
  }
}
