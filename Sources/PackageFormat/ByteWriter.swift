/// Little-endian bytes being put together.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  mutating func append(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  mutating func append(_ value: Float) { append(value.bitPattern) }
  mutating func append(_ value: Double) { append(value.bitPattern) }
  mutating func append(_ more: [UInt8]) { bytes += more }

  /// A count or an index, as UInt32. One that does not fit becomes the largest, which every reader refuses.
  mutating func append(count: Int) { append(UInt32(clamping: count)) }

  /// The length in UTF-8 as UInt32, then the bytes.
  mutating func append(_ text: String) {
    append(count: text.utf8.count)
    bytes += Array(text.utf8)
  }
}
