import Tensors

/// An error of a reader of some format that has JSON in it.
package protocol JSONFailure: Error {
  /// The text ends within a value.
  static func truncated(_ error: ByteCursorError) -> Self
  /// The text is not JSON, or not what was expected there.
  static func malformed(field: String, offset: Int, reason: String) -> Self
  /// There is more of something than a reader accepts.
  static func limitExceeded(what: String, offset: Int, limit: Int) -> Self
}

/// Reads JSON (RFC 8259) value by value: objects, arrays, strings and counts. Other values are refused, unless they are
/// skipped or read as plain values. All functions throw the three errors of `Failure`.
package struct JSONReader<Failure: JSONFailure> {
  /// The position in the text.
  package var cursor: ByteCursor

  /// - Parameter cursor: at the start of a value.
  package init(cursor: ByteCursor) { self.cursor = cursor }

  /// A file of JSON. Some editors begin it with a byte order mark, which readers may ignore (RFC 8259, section 8.1).
  package init(file: TensorStorage) {
    cursor = ByteCursor(file)
    if cursor.starts(with: [0xEF, 0xBB, 0xBF]) { for _ in 0..<3 { advance() } }
  }

  /// Reads the object at the cursor. Calls `member` with each key and the key's offset; it must read the value.
  package mutating func object(
    _ member: (inout JSONReader, String, Int) throws(Failure) -> Void
  ) throws(Failure) {
    try list(UInt8(ascii: "{"), UInt8(ascii: "}")) { (json) throws(Failure) in
      json.skipBlanks()
      let offset = json.cursor.offset
      let key = try json.string()
      try json.expect(UInt8(ascii: ":"))
      try member(&json, key, offset)
    }
  }

  /// Reads the array at the cursor, which contains at most `limit` counts.
  package mutating func counts(limit: Int) throws(Failure) -> [Int] {
    let start = cursor.offset
    var counts: [Int] = []
    try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(Failure) in
      guard counts.count < limit else {
        throw .malformed(field: "array", offset: start, reason: "it has more than \(limit) numbers")
      }
      counts.append(try json.count())
    }
    return counts
  }

  /// Reads the array of strings at the cursor.
  package mutating func strings() throws(Failure) -> [String] {
    var strings: [String] = []
    try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(Failure) in
      json.skipBlanks()
      strings.append(try json.string())
    }
    return strings
  }

  /// Reads the value at the cursor if it is a string, and skips it otherwise.
  package mutating func stringOrSkip() throws(Failure) -> String? {
    skipBlanks()
    if peek() == 0x22 { return try string() }
    try skipValue()
    return nil
  }

  /// Skips a value of any type.
  package mutating func skipValue(depth: Int = 0) throws(Failure) {
    skipBlanks()
    guard depth < 32 else { throw malformed("values are nested more than 32 deep") }
    switch peek() {
    case UInt8(ascii: "{"):
      try object { (json, _, _) throws(Failure) in try json.skipValue(depth: depth + 1) }
    case UInt8(ascii: "["):
      try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(Failure) in
        try json.skipValue(depth: depth + 1)
      }
    case 0x22: _ = try string()
    default: _ = try scalar()
    }
  }

  /// Reads the number, `true`, `false` or `null` at the cursor.
  ///
  /// - Returns: its text.
  mutating func scalar() throws(Failure) -> String {
    let start = cursor.offset
    while let byte = peek(), "+-.0123456789aeflnrstuE".utf8.contains(byte) { advance() }
    let text = String(decoding: cursor.storage.bytes[start..<cursor.offset], as: UTF8.self)
    guard ["true", "false", "null"].contains(text) || Self.isNumber(text) else {
      throw .malformed(field: "JSON", offset: start, reason: "a value was expected")
    }
    return text
  }

  /// Whether a text is a number (RFC 8259, section 6): fewer texts are than Swift makes numbers of.
  private static func isNumber(_ text: String) -> Bool {
    var rest = text.utf8.dropFirst(text.utf8.first == UInt8(ascii: "-") ? 1 : 0)
    func digits() -> Substring.UTF8View {
      let digits = rest.prefix { (0x30...0x39).contains($0) }
      rest = rest.dropFirst(digits.count)
      return digits
    }
    func skip(_ bytes: UInt8...) -> Bool {
      guard let first = rest.first, bytes.contains(first) else { return false }
      rest = rest.dropFirst()
      return true
    }
    let whole = digits()
    guard !whole.isEmpty, whole.count == 1 || whole.first != 0x30 else { return false }
    if skip(UInt8(ascii: ".")) {
      guard !digits().isEmpty else { return false }
    }
    if skip(UInt8(ascii: "e"), UInt8(ascii: "E")) {
      _ = skip(UInt8(ascii: "+"), UInt8(ascii: "-"))
      guard !digits().isEmpty else { return false }
    }
    return rest.isEmpty
  }

  /// Reads the values between two brackets. `element` must read each of them.
  package mutating func list(
    _ open: UInt8, _ close: UInt8, _ element: (inout JSONReader) throws(Failure) -> Void
  ) throws(Failure) {
    try expect(open)
    if accept(close) { return }
    repeat { try element(&self) } while accept(UInt8(ascii: ","))
    try expect(close)
  }

  /// Skips white space.
  package mutating func skipBlanks() {
    while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { advance() }
  }

  /// The next byte; `nil` at the end.
  package func peek() -> UInt8? { cursor.isAtEnd ? nil : cursor.storage.bytes[cursor.offset] }

  /// Skips a byte.
  package mutating func advance() { _ = try? cursor.skip(1, "JSON") }

  private mutating func accept(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard peek() == byte else { return false }
    advance()
    return true
  }

  mutating func expect(_ byte: UInt8) throws(Failure) {
    guard accept(byte) else { throw malformed("'\(Character(UnicodeScalar(byte)))' expected") }
  }

  /// The error of a value at the cursor.
  package func malformed(_ reason: String) -> Failure {
    .malformed(field: "JSON", offset: cursor.offset, reason: reason)
  }

  /// Reads a number without sign, fraction or leading zeros.
  private mutating func count() throws(Failure) -> Int {
    skipBlanks()
    let start = cursor.offset
    var value = 0
    while let byte = peek(), (0x30...0x39).contains(byte) {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, sumOverflow) = tens.addingReportingOverflow(Int(byte - 0x30))
      guard !overflow, !sumOverflow, value > 0 || cursor.offset == start else {
        throw malformed("this number is too large or starts with zeros")
      }
      value = sum
      advance()
    }
    guard cursor.offset > start else { throw malformed("a number without sign was expected") }
    return value
  }

  /// Reads the string at the cursor.
  package mutating func string() throws(Failure) -> String {
    try expect(0x22)
    let start = cursor.offset
    var bytes: [UInt8] = []
    while let byte = peek(), byte != 0x22 {
      guard byte >= 0x20 else { throw malformed("a control character in a string") }
      advance()
      if byte == 0x5C { try appendEscape(&bytes) } else { bytes.append(byte) }
    }
    try expect(0x22)
    guard let text = String(ofFile: bytes) else {
      throw .malformed(field: "JSON", offset: start, reason: "this string is not \(String.fileTextRule)")
    }
    return text
  }

  private mutating func appendEscape(_ bytes: inout [UInt8]) throws(Failure) {
    switch try byte() {
    case UInt8(ascii: "\""): bytes.append(0x22)
    case UInt8(ascii: "\\"): bytes.append(0x5C)
    case UInt8(ascii: "/"): bytes.append(0x2F)
    case UInt8(ascii: "b"): bytes.append(0x08)
    case UInt8(ascii: "f"): bytes.append(0x0C)
    case UInt8(ascii: "n"): bytes.append(0x0A)
    case UInt8(ascii: "r"): bytes.append(0x0D)
    case UInt8(ascii: "t"): bytes.append(0x09)
    case UInt8(ascii: "u"):
      let first = try codeUnit()
      var units = [first]
      if UTF16.isLeadSurrogate(first) {
        guard cursor.starts(with: [0x5C, 0x75]) else { throw malformed("half of a surrogate pair") }
        try pass(2)
        units.append(try codeUnit())
      }
      guard let text = String(validating: units, as: UTF16.self) else { throw malformed("half of a surrogate pair") }
      bytes.append(contentsOf: text.utf8)
    default: throw malformed("unknown escape")
    }
  }

  private mutating func codeUnit() throws(Failure) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      let digit = try byte()
      guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { throw malformed("four digits expected") }
      unit = unit << 4 | UInt16(value)
    }
    return unit
  }

  private mutating func byte() throws(Failure) -> UInt8 {
    do throws(ByteCursorError) { return try cursor.read(UInt8.self, "JSON escape") } catch { throw .truncated(error) }
  }

  private mutating func pass(_ count: Int) throws(Failure) {
    do throws(ByteCursorError) { try cursor.skip(count, "JSON escape") } catch { throw .truncated(error) }
  }
}
