/// Bytes that are mostly zero, as two zstd frames: how many zeros stand before each other byte, and these bytes
/// (formats/patch.md, "Sparse bytes"). zstd's Huffman codes take at least one bit for every byte that is not part of a
/// match, so that scattered changes of few levels take more than half as much again as they have information. A run of
/// zeros is one byte here.
enum SparseCoding {
  /// Stands for 255 zeros that no byte follows.
  private static let escape: UInt8 = 255
  /// The length of the gaps without compression and as stored, before the frames.
  private static let headerByteCount = 8

  /// The payload for `bytes`; `nil` if libzstd fails for lack of memory, or the bytes are too many.
  static func encode(_ bytes: [UInt8]) -> [UInt8]? {
    var (gaps, values, gap) = ([UInt8](), [UInt8](), 0)
    for byte in bytes {
      if byte != 0 {
        gaps.append(UInt8(gap))
        values.append(byte)
        gap = 0
      } else if gap == Int(escape) - 1 {
        gaps.append(escape)
        gap = 0
      } else {
        gap += 1
      }
    }
    guard let first = PayloadCompression.compress(gaps), let second = PayloadCompression.compress(values),
      let gapCount = UInt32(exactly: gaps.count), let firstCount = UInt32(exactly: first.count)
    else { return nil }
    var payload: [UInt8] = []
    payload.append(integer: gapCount)
    payload.append(integer: firstCount)
    return payload + first + second
  }

  /// The `byteCount` bytes of a payload.
  ///
  /// - Parameter entry: the name of the part, for errors.
  /// - Throws: `PatchError.invalidField`.
  static func decode(_ payload: UnsafeRawBufferPointer, byteCount: Int, entry: String) throws(PatchError) -> [UInt8] {
    func invalid(_ problem: String) -> PatchError { .invalidField(part: entry, field: "payload", problem: problem) }
    guard payload.count >= headerByteCount else { throw invalid("is shorter than its header") }
    let gapCount = Int(UInt32(littleEndian: payload.loadUnaligned(as: UInt32.self)))
    let firstCount = Int(UInt32(littleEndian: payload.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
    guard gapCount <= byteCount, firstCount <= payload.count - headerByteCount else {
      throw invalid("has more gaps than bytes")
    }
    let frames = UnsafeRawBufferPointer(rebasing: payload[headerByteCount...])
    let gaps = try PayloadCompression.decompress(
      UnsafeRawBufferPointer(rebasing: frames[..<firstCount]), byteCount: gapCount, entry: entry)
    let values = try PayloadCompression.decompress(
      UnsafeRawBufferPointer(rebasing: frames[firstCount...]), byteCount: gaps.count { $0 != escape }, entry: entry)
    var bytes = [UInt8](repeating: 0, count: byteCount)
    var (position, next) = (0, 0)
    for gap in gaps {
      position += Int(gap)
      guard gap != escape else { continue }
      guard position < byteCount else { throw invalid("has a gap past the end") }
      bytes[position] = values[next]
      position += 1
      next += 1
    }
    return bytes
  }
}
