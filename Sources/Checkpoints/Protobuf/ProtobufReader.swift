import Files

/// One field of a protobuf message in the wire format (https://protobuf.dev/programming-guides/encoding/).
struct ProtobufField {
  enum WireType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case fixed32 = 5
  }

  let number: Int
  let type: WireType
  /// The position of the whole field in the file, including its tag.
  let bytes: Range<Int>
  /// The position of the value, which follows the tag and, if there is one, the length.
  let payload: Range<Int>
}

/// Reads the fields of one message one after another without unpacking them. Offsets count from the start of the file.
struct ProtobufReader {
  private var cursor: ByteCursor
  /// The name of the message's type, such as "NodeProto", for errors.
  let message: String

  init(_ cursor: ByteCursor, message: String) {
    self.cursor = cursor
    self.message = message
  }

  /// The message in `range` of a file.
  init(_ file: MappedFile, _ range: Range<Int>, message: String) {
    self.init(ByteCursor(file.storage, range: range), message: message)
  }

  /// The next field, or `nil` at the end of the message.
  ///
  /// - Throws: `FormatError.truncated` if the field ends outside of the message, and `FormatError.malformed` if its tag
  ///   is not valid.
  mutating func next() throws(FormatError) -> ProtobufField? {
    guard !cursor.isAtEnd else { return nil }
    let start = cursor.offset
    let tag = try varint("tag")
    guard let number = Int(exactly: tag >> 3), (1...0x1FFF_FFFF).contains(number),
      let type = ProtobufField.WireType(rawValue: UInt8(tag & 7))
    else { throw .malformed(field: "a field of \(message)", offset: start, reason: "its tag \(tag) is not valid") }
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
  /// Reads a varint: an integer in base 128, least significant digit first.
  mutating func varint(_ field: String) throws(FormatError) -> UInt64 {
    let start = offset
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      let byte = try self.value(UInt8.self, field)
      // Only one of the 64 bits is left for the tenth byte.
      guard shift < 63 || byte <= 1 else { break }
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    throw .malformed(field: field, offset: start, reason: "the number has more than 64 bits")
  }
}
