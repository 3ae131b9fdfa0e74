import Tensors

/// A read that would leave its bytes.
package struct ByteCursorError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What was being read.
  package let field: String
  /// Where it starts, counted from the start of the file.
  package let offset: Int
  /// The bytes it takes; `Int.max` stands for more than any file holds.
  package let needed: Int
  /// The bytes that are there.
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

/// Reads little-endian values out of a file's bytes, and never outside of them. Offsets count from the start of the
/// storage, so that errors name places in the file even for a cursor over a part of it.
///
/// `field` names what is being read, for the error.
package struct ByteCursor: Sendable {
  package let storage: TensorStorage
  /// The bytes that this cursor may read.
  package let range: Range<Int>
  /// Where the next read starts. Always in `range`, or at its end.
  package private(set) var offset: Int

  /// A cursor at the start of `range` (by default all of the storage), which is clamped to the storage.
  package init(_ storage: TensorStorage, range: Range<Int>? = nil) {
    let all = 0..<storage.bytes.count
    self.storage = storage
    self.range = range.map { $0.clamped(to: all) } ?? all
    offset = self.range.lowerBound
  }

  package init(_ bytes: [UInt8]) {
    self.init(TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) })
  }

  package var remaining: Int { range.upperBound - offset }
  package var isAtEnd: Bool { remaining == 0 }

  /// Moves to an offset in the storage; the end of `range` is allowed.
  package mutating func seek(to target: Int, _ field: String) throws(ByteCursorError) {
    guard target >= range.lowerBound, target <= range.upperBound else {
      throw ByteCursorError(field: field, offset: target, needed: 1, available: 0)
    }
    offset = target
  }

  /// Passes over `count` bytes and returns where they lie.
  @discardableResult
  package mutating func skip(_ count: Int, _ field: String) throws(ByteCursorError) -> Range<Int> {
    guard count >= 0, count <= remaining else {
      throw ByteCursorError(field: field, offset: offset, needed: count < 0 ? Int.max : count, available: remaining)
    }
    let start = offset
    offset += count
    return start..<offset
  }

  /// The next integer, little-endian.
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

  /// The next integer, big-endian.
  package mutating func readBigEndian<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ field: String
  ) throws(ByteCursorError) -> Value {
    try read(type, field).byteSwapped
  }

  /// The next UInt64 as a count or size; one beyond `Int` is out of any file's bounds.
  package mutating func readCount(_ field: String) throws(ByteCursorError) -> Int {
    let start = offset
    guard let count = Int(exactly: try read(UInt64.self, field)) else {
      throw ByteCursorError(field: field, offset: start, needed: Int.max, available: remaining)
    }
    return count
  }

  /// A copy of the next `count` bytes.
  package mutating func readBytes(_ count: Int, _ field: String) throws(ByteCursorError) -> [UInt8] {
    Array(storage.bytes[try skip(count, field)])
  }

  /// The next `count` bytes as text, or `nil` where they are not UTF-8; the cursor has moved either way.
  package mutating func readUTF8(_ count: Int, _ field: String) throws(ByteCursorError) -> String? {
    String(validating: storage.bytes[try skip(count, field)], as: UTF8.self)
  }

  /// Whether the bytes at the cursor are `expected`; does not move.
  package func starts(with expected: [UInt8]) -> Bool {
    remaining >= expected.count && storage.bytes[offset..<offset + expected.count].elementsEqual(expected)
  }

  /// Where `byte` comes next, at most `limit` bytes ahead.
  package func nextOffset(of byte: UInt8, within limit: Int) -> Int? {
    storage.bytes[offset..<offset + min(max(limit, 0), remaining)].firstIndex(of: byte)
  }

  /// The text of a range of the storage, or `nil` where that is not UTF-8 or not in this cursor's range.
  package func text(in part: Range<Int>) -> String? {
    guard part.lowerBound >= range.lowerBound, part.upperBound <= range.upperBound else { return nil }
    return String(validating: storage.bytes[part], as: UTF8.self)
  }
}
