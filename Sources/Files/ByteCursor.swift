import Tensors

/// A read that would go beyond the bytes that a cursor may read.
package struct ByteCursorError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The name of the field that was being read.
  package let field: String
  /// The position of the field in bytes, from the start of the file.
  package let offset: Int
  /// The size of the field in bytes; `Int.max` stands for more than any file holds.
  package let needed: Int
  /// The number of bytes that are left.
  package let available: Int

  package init(field: String, offset: Int, needed: Int, available: Int) {
    self.field = field
    self.offset = offset
    self.needed = needed
    self.available = available
  }

  package var description: String {
    let needed = needed == Int.max ? "more bytes than any file holds" : "\(needed) bytes"
    return "\(field) at byte \(offset) takes \(needed), and \(available) are left"
  }
}

/// Reads little-endian values from the bytes of a file, and never outside of them. Offsets count from the start of the
/// storage, so that errors give positions in the file even if the cursor reads only a part of it.
///
/// Parameters called `field` name the field that is being read, for the error.
package struct ByteCursor: Sendable {
  /// The bytes of the whole file.
  package let storage: TensorStorage
  /// The part of the storage that this cursor may read.
  package let range: Range<Int>
  /// The position at which the next read starts, from the start of the storage. Always in `range`, or at its end.
  package private(set) var offset: Int

  /// A cursor at the start of `range` (by default all of the storage), which is clamped to the storage.
  package init(_ storage: TensorStorage, range: Range<Int>? = nil) {
    let all = 0..<storage.bytes.count
    self.storage = storage
    self.range = range.map { $0.clamped(to: all) } ?? all
    offset = self.range.lowerBound
  }

  /// A cursor over a copy of `bytes`.
  package init(_ bytes: [UInt8]) {
    self.init(TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) })
  }

  /// The number of bytes from the cursor to the end of `range`.
  package var remaining: Int { range.upperBound - offset }
  /// Whether no bytes remain.
  package var isAtEnd: Bool { remaining == 0 }

  /// Moves to an offset in the storage, which may be the end of `range`.
  ///
  /// - Throws: `ByteCursorError` if `target` lies outside of `range`.
  package mutating func seek(to target: Int, _ field: String) throws(ByteCursorError) {
    guard target >= range.lowerBound, target <= range.upperBound else {
      throw ByteCursorError(field: field, offset: target, needed: 1, available: 0)
    }
    offset = target
  }

  /// Skips `count` bytes and returns their range in the storage.
  ///
  /// - Throws: `ByteCursorError` if `count` is negative or fewer bytes remain.
  @discardableResult
  package mutating func skip(_ count: Int, _ field: String) throws(ByteCursorError) -> Range<Int> {
    guard count >= 0, count <= remaining else {
      throw ByteCursorError(field: field, offset: offset, needed: count < 0 ? Int.max : count, available: remaining)
    }
    let start = offset
    offset += count
    return start..<offset
  }

  /// Reads a little-endian integer.
  ///
  /// - Throws: `ByteCursorError` if fewer bytes remain.
  @inline(__always)
  package mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ field: String
  ) throws(ByteCursorError) -> Value {
    let size = MemoryLayout<Value>.size
    guard size <= range.upperBound - offset else {
      throw ByteCursorError(field: field, offset: offset, needed: size, available: remaining)
    }
    let value = storage.bytes.loadUnaligned(fromByteOffset: offset, as: Value.self)
    offset += size
    return Value(littleEndian: value)
  }

  /// Reads a big-endian integer.
  ///
  /// - Throws: `ByteCursorError` if fewer bytes remain.
  package mutating func readBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ field: String
  ) throws(ByteCursorError) -> Value {
    try read(type, field).byteSwapped
  }

  /// Reads a little-endian UInt64 as a count or size.
  ///
  /// - Throws: `ByteCursorError` if fewer than 8 bytes remain, or if the number exceeds `Int.max` and with it the size
  ///   of any file.
  package mutating func readCount(_ field: String) throws(ByteCursorError) -> Int {
    let start = offset
    guard let count = Int(exactly: try read(UInt64.self, field)) else {
      throw ByteCursorError(field: field, offset: start, needed: Int.max, available: remaining)
    }
    return count
  }

  /// Reads a copy of the next `count` bytes.
  ///
  /// - Throws: `ByteCursorError` if `count` is negative or fewer bytes remain.
  package mutating func readBytes(_ count: Int, _ field: String) throws(ByteCursorError) -> [UInt8] {
    Array(storage.bytes[try skip(count, field)])
  }

  /// Reads the next `count` bytes as a text. Returns `nil` if they are none (`String.init(ofFile:)`); the cursor moves
  /// either way.
  ///
  /// - Throws: `ByteCursorError` if `count` is negative or fewer bytes remain.
  package mutating func readUTF8(_ count: Int, _ field: String) throws(ByteCursorError) -> String? {
    String(ofFile: storage.bytes[try skip(count, field)])
  }

  /// Whether the bytes at the cursor are `expected`; the cursor does not move.
  package func starts(with expected: [UInt8]) -> Bool {
    remaining >= expected.count && storage.bytes[offset..<offset + expected.count].elementsEqual(expected)
  }

  /// The offset of the next `byte` in the storage, or `nil` if it does not occur in the next `limit` bytes.
  package func nextOffset(of byte: UInt8, within limit: Int) -> Int? {
    storage.bytes[offset..<offset + min(max(limit, 0), remaining)].firstIndex(of: byte)
  }

  /// The text in a part of the storage, or `nil` if it is none (`String.init(ofFile:)`) or lies outside of `range`.
  package func text(in part: Range<Int>) -> String? {
    guard part.lowerBound >= range.lowerBound, part.upperBound <= range.upperBound else { return nil }
    return String(ofFile: storage.bytes[part])
  }
}
