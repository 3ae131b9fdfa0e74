import Files
import Tensors

/// Reads the uncompressed contents of one section, or the header, and turns every violation of the format into an error
/// that names the part and the offset.
struct SectionCursor {
  /// The largest number of bytes of a name or a label. Those of checkpoints have at most 1024, and gain suffixes.
  static let textLimit = 4096
  /// The largest number of bytes of all names of a section.
  static let totalTextLimit = 1 << 19

  private var cursor: ByteCursor
  let part: String
  /// The number of bytes that `name` has read.
  private var nameByteCount = 0

  init(_ cursor: ByteCursor, part: String) {
    self.cursor = cursor
    self.part = part
  }

  init(_ bytes: [UInt8], part: String) { self.init(ByteCursor(bytes), part: part) }

  var offset: Int { cursor.offset }
  var remaining: Int { cursor.remaining }

  func invalid(_ field: String, at offset: Int, _ problem: String) -> PackageError {
    .invalidField(part: part, field: field, offset: offset, problem: problem)
  }

  private mutating func checked<Value>(
    _ body: (inout ByteCursor) throws(ByteCursorError) -> Value
  ) throws(PackageError) -> Value {
    do throws(ByteCursorError) { return try body(&cursor) } catch { throw .outOfBounds(part: part, error) }
  }

  mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ field: String
  ) throws(PackageError) -> Value {
    try checked { cursor throws(ByteCursorError) in try cursor.read(type, field) }
  }

  mutating func float(_ field: String) throws(PackageError) -> Float { Float(bitPattern: try read(UInt32.self, field)) }

  mutating func double(_ field: String) throws(PackageError) -> Double {
    Double(bitPattern: try read(UInt64.self, field))
  }

  mutating func bytes(_ count: Int, _ field: String) throws(PackageError) -> [UInt8] {
    try checked { cursor throws(ByteCursorError) in try cursor.readBytes(count, field) }
  }

  mutating func digest(_ field: String) throws(PackageError) -> SHA256.Digest {
    let start = offset
    guard let digest = SHA256.Digest(bytes: try bytes(SHA256.byteCount, field)) else {
      throw invalid(field, at: start, "is no SHA-256")
    }
    return digest
  }

  /// Reads a UInt64 that is a size or an offset.
  mutating func size(_ field: String) throws(PackageError) -> Int {
    let start = offset
    let value = try read(UInt64.self, field)
    guard let size = Int(exactly: value) else { throw invalid(field, at: start, "\(value) is beyond any file") }
    return size
  }

  /// Reads a UInt32 count of items that take at least `itemSize` bytes each. It is checked against the remaining bytes,
  /// so that no count can make a reader reserve much more memory than the file is long.
  mutating func count(_ field: String, itemSize: Int, limit: Int = .max) throws(PackageError) -> Int {
    let start = offset
    let count = Int(try read(UInt32.self, field))
    guard count <= limit else { throw invalid(field, at: start, "\(count) is more than the limit of \(limit)") }
    guard count <= remaining / itemSize else {
      throw invalid(field, at: start, "\(count) items cannot be in the \(remaining) bytes that follow")
    }
    return count
  }

  /// Reads a text of at most `limit` bytes.
  mutating func string(_ field: String, limit: Int = .max) throws(PackageError) -> String {
    let start = offset
    let count = try count(field, itemSize: 1)
    guard count <= limit else { throw invalid(field, at: start, "\(count) bytes are more than the limit of \(limit)") }
    let text = try checked { cursor throws(ByteCursorError) in try cursor.readUTF8(count, field) }
    guard let text else { throw invalid(field, at: start, "is not \(String.fileTextRule)") }
    return text
  }

  /// Reads a text that people chose: at most `textLimit` bytes, and `totalTextLimit` with all those before it, as
  /// programs that read a package repeat them.
  mutating func name(_ field: String) throws(PackageError) -> String {
    let start = offset
    let text = try string(field, limit: Self.textLimit)
    nameByteCount += text.utf8.count
    guard nameByteCount <= Self.totalTextLimit else {
      throw invalid(field, at: start, "the texts up to here are more than the limit of \(Self.totalTextLimit) bytes")
    }
    return text
  }

  /// Reads a name that programs look up: 1 to 255 printable ASCII characters without spaces.
  mutating func identifier(_ field: String) throws(PackageError) -> String {
    let start = offset
    let text = try string(field, limit: 255)
    guard (1...255).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw invalid(field, at: start, "is not 1 to 255 printable ASCII characters")
    }
    return text
  }

  mutating func expectZeros(_ count: Int, _ field: String) throws(PackageError) {
    let start = offset
    let bytes = try bytes(count, field)
    if let first = bytes.firstIndex(where: { $0 != 0 }) { throw invalid(field, at: start + first, "is not zero") }
  }

  func expectEnd() throws(PackageError) {
    if remaining > 0 { throw invalid("end", at: offset, "\(remaining) bytes follow the last field") }
  }
}
