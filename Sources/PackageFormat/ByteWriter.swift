/// Assembles little-endian bytes.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ value: Float) { append(value.bitPattern) }
  mutating func append(_ value: Double) { append(value.bitPattern) }
  mutating func append(_ more: [UInt8]) { bytes += more }

  /// Appends a count or an index as a UInt32. One that does not fit becomes the largest UInt32, which every reader
  /// refuses.
  mutating func append(count: Int) { append(UInt32(clamping: count)) }

  /// Appends the length in UTF-8 as a UInt32, then the bytes.
  mutating func append(_ text: String) {
    append(count: text.utf8.count)
    bytes += Array(text.utf8)
  }
}
