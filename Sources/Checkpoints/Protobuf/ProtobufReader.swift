import Files

/// One field of a protobuf message, as the wire frames it (https://protobuf.dev/programming-guides/encoding/).
struct ProtobufField {
  enum WireType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
  }

  let number: Int
  let type: WireType
  /// From the tag to the end.
  let bytes: Range<Int>
  /// The bytes after tag and length.
  let payload: Range<Int>
}

/// Walks the fields of one message without unpacking them. Offsets count from the start of the file.
struct ProtobufReader {
  private var cursor: ByteCursor
  /// For errors: "NodeProto".
  let message: String

  init(_ cursor: ByteCursor, message: String) {
    self.cursor = cursor
    self.message = message
  }

  /// The message in `range` of a file.
  init(_ file: MappedFile, _ range: Range<Int>, message: String) {
    self.init(ByteCursor(file.storage, range: range), message: message)
  }

  /// - Throws: `FormatError` where a field ends outside of the message, or its tag is none.
  mutating func next() throws(FormatError) -> ProtobufField? {
    guard !cursor.isAtEnd else { return nil }
    let start = cursor.offset
    let tag = try varint("tag")
    guard let number = Int(exactly: tag >> 3), (1...0x1FFF_FFFF).contains(number),
      let type = ProtobufField.WireType(rawValue: UInt8(tag & 7))
    else { throw .malformed(field: "a field of \(message)", offset: start, reason: "its tag \(tag) is not protobuf's") }
    let payload: Range<Int>
    switch type {
    case .varint:
      let first = cursor.offset
      _ = try varint("field \(number)")
      payload = first..<cursor.offset
    case .fixed64: payload = try cursor.pass(8, "\(message), field \(number)")
    case .fixed32: payload = try cursor.pass(4, "\(message), field \(number)")
    case .lengthDelimited:
      let length = try varint("length")
      payload = try cursor.pass(Int(clamping: length), "\(message), field \(number)")
    }
    return ProtobufField(number: number, type: type, bytes: start..<cursor.offset, payload: payload)
  }

  private mutating func varint(_ what: String) throws(FormatError) -> UInt64 {
    try cursor.varint("\(message), \(what)")
  }
}

extension ByteCursor {
  /// The next integer in protobuf's base 128.
  mutating func varint(_ field: String) throws(FormatError) -> UInt64 {
    let start = offset
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      let byte = try self.value(UInt8.self, field)
      // The tenth byte has one bit left to give.
      guard shift < 63 || byte <= 1 else { break }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw .malformed(field: field, offset: start, reason: "the number has more than 64 bits")
  }
}
