import Files

/// Reads the JSON (RFC 8259) that safetensors headers and indices consist of: objects, arrays, strings and counts.
/// Other values are refused, unless they are skipped or read as plain values.
struct HeaderJSON {
  var cursor: ByteCursor

  /// Reads the object at the cursor. Calls `member` with each key and the key's offset; it must read the value.
  mutating func object(
    _ member: (inout HeaderJSON, String, Int) throws(FormatError) -> Void
  ) throws(FormatError) {
    try list(UInt8(ascii: "{"), UInt8(ascii: "}")) { (json) throws(FormatError) in
      json.skipBlanks()
      let offset = json.cursor.offset
      let key = try json.string()
      try json.expect(UInt8(ascii: ":"))
      try member(&json, key, offset)
    }
  }

  /// Reads the array at the cursor, which contains at most `limit` counts.
  mutating func counts(limit: Int) throws(FormatError) -> [Int] {
    let start = cursor.offset
    var counts: [Int] = []
    try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(FormatError) in
      guard counts.count < limit else {
        throw .malformed(field: "array", offset: start, reason: "it has more than \(limit) numbers")
      }
      counts.append(try json.count())
    }
    return counts
  }

  /// Reads the array of strings at the cursor.
  mutating func strings() throws(FormatError) -> [String] {
    var strings: [String] = []
    try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(FormatError) in
      json.skipBlanks()
      strings.append(try json.string())
    }
    return strings
  }

  /// Reads the value at the cursor if it is a string, and skips it otherwise.
  mutating func stringOrSkip() throws(FormatError) -> String? {
    skipBlanks()
    if peek() == 0x22 { return try string() }
    try skipValue()
    return nil
  }

  /// Skips a value of any type.
  mutating func skipValue(depth: Int = 0) throws(FormatError) {
    skipBlanks()
    guard depth < 32 else { throw malformed("values are nested more than 32 deep") }
    switch peek() {
    case UInt8(ascii: "{"):
      try object { (json, _, _) throws(FormatError) in try json.skipValue(depth: depth + 1) }
    case UInt8(ascii: "["):
      try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(FormatError) in
        try json.skipValue(depth: depth + 1)
      }
    case 0x22: _ = try string()
    default:
      let start = cursor.offset
      while let byte = peek(), "+-.0123456789aeflnrstuE".utf8.contains(byte) { advance() }
      guard cursor.offset > start else { throw malformed("a value was expected") }
    }
  }

  mutating func list(
    _ open: UInt8, _ close: UInt8, _ element: (inout HeaderJSON) throws(FormatError) -> Void
  ) throws(FormatError) {
    try expect(open)
    if accept(close) { return }
    repeat { try element(&self) } while accept(UInt8(ascii: ","))
    try expect(close)
  }

  mutating func skipBlanks() {
    while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { advance() }
  }

  func peek() -> UInt8? { cursor.isAtEnd ? nil : cursor.storage.bytes[cursor.offset] }

  mutating func advance() { _ = try? cursor.skip(1, "JSON") }

  private mutating func accept(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard peek() == byte else { return false }
    advance()
    return true
  }

  mutating func expect(_ byte: UInt8) throws(FormatError) {
    guard accept(byte) else { throw malformed("'\(Character(UnicodeScalar(byte)))' expected") }
  }

  func malformed(_ reason: String) -> FormatError {
    .malformed(field: "JSON", offset: cursor.offset, reason: reason)
  }

  /// Reads a number without sign, fraction or leading zeros.
  private mutating func count() throws(FormatError) -> Int {
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

  mutating func string() throws(FormatError) -> String {
    try expect(0x22)
    let start = cursor.offset
    var bytes: [UInt8] = []
    while let byte = peek(), byte != 0x22 {
      guard byte >= 0x20 else { throw malformed("a control character in a string") }
      advance()
      if byte == 0x5C { try appendEscape(&bytes) } else { bytes.append(byte) }
    }
    try expect(0x22)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .malformed(field: "JSON", offset: start, reason: "this string is not UTF-8")
    }
    return text
  }

  private mutating func appendEscape(_ bytes: inout [UInt8]) throws(FormatError) {
    switch try cursor.value(UInt8.self, "JSON escape") {
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
        try cursor.pass(2, "JSON escape")
        units.append(try codeUnit())
      }
      guard let text = String(validating: units, as: UTF16.self) else { throw malformed("half of a surrogate pair") }
      bytes.append(contentsOf: text.utf8)
    default: throw malformed("unknown escape")
    }
  }

  private mutating func codeUnit() throws(FormatError) -> UInt16 {
    var unit: UInt16 = 0
    for _ in 0..<4 {
      let digit = try cursor.value(UInt8.self, "JSON escape")
      guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { throw malformed("four digits expected") }
      unit = unit << 4 | UInt16(value)
    }
    return unit
  }
}
