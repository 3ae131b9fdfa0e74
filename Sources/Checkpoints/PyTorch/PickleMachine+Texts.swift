import Files

/// Reads numbers, strings and names.
extension PickleMachine {
  /// The maximum length of a number in a line of text. Python's limit is 4300 digits.
  private static let digitLimit = 4400
  /// The maximum length of the name of a module or class in bytes.
  private static let nameLimit = 256

  private func position(of range: Range<Int>) -> PickleText {
    PickleText(start: UInt32(range.lowerBound - cursor.range.lowerBound), count: UInt32(range.count))
  }

  /// Reads a length of 8 bytes.
  mutating func longCount() throws(FormatError) -> Int { try cursor.count("length in the pickle") }

  mutating func text(_ count: Int) throws(FormatError) -> PickleText {
    let start = cursor.offset
    _ = try cursor.name(count, "pickled text")
    return position(of: start..<cursor.offset)
  }

  mutating func bytes(_ count: Int) throws(FormatError) -> PickleText {
    position(of: try cursor.pass(count, "pickled bytes"))
  }

  /// Pushes a string of Python 2, which may be text or bytes.
  mutating func pushBytesOrText(_ count: Int) throws(FormatError) {
    let range = try cursor.pass(count, "pickled string")
    stack.append(cursor.text(in: range) == nil ? .bytes(position(of: range)) : .string(position(of: range)))
  }

  /// Reads the bytes up to the end of the line, and moves the cursor to the start of the next line.
  mutating func line(_ opcode: String, limit: Int) throws(FormatError) -> Range<Int> {
    guard let end = cursor.nextOffset(of: 0x0A, within: limit) else {
      throw malformed(opcode, "the line that follows has no end or is too long")
    }
    let start = cursor.offset
    try cursor.move(to: end + 1, "pickled line")
    return start..<end
  }

  /// Pushes a string whose escapes are not translated. If it has any, or is not ASCII, it cannot be the name of a
  /// tensor.
  mutating func pushEscaped(_ range: Range<Int>, isUnicode: Bool) throws(FormatError) {
    let isPlain = cursor.storage.bytes[range].allSatisfy { $0 < 0x80 && $0 != 0x5C }
    let text = position(of: range)
    stack.append(isPlain ? .string(text) : .escaped(text, isUnicode: isUnicode))
  }

  /// Pushes `'text'` or `"text"`.
  mutating func pushQuoted() throws(FormatError) {
    let range = try line("STRING", limit: .max)
    let bytes = cursor.storage.bytes[range]
    guard range.count >= 2, let quote = bytes.first, bytes.last == quote, quote == 0x27 || quote == 0x22 else {
      throw malformed("STRING", "the string is not in quotation marks")
    }
    try pushEscaped(range.lowerBound + 1..<range.upperBound - 1, isUnicode: false)
  }

  /// Pushes `42`, `42L`, or `00` and `01`, which stand for `False` and `True`.
  mutating func pushDecimal(_ opcode: String) throws(FormatError) {
    var range = try line(opcode, limit: Self.digitLimit)
    if opcode == "LONG", cursor.storage.bytes[range].last == UInt8(ascii: "L") {
      range = range.lowerBound..<range.upperBound - 1
    }
    let text = cursor.text(in: range) ?? ""
    if opcode == "INT", text == "00" || text == "01" {
      stack.append(.bool(text == "01"))
    } else if let value = Int(text) {
      stack.append(.int(value))
    } else {
      guard !text.isEmpty, (text.hasPrefix("-") ? text.dropFirst() : text[...]).utf8.allSatisfy({ 0x30...0x39 ~= $0 })
      else { throw malformed(opcode, "it is not a decimal number") }
      stack.append(.bigInteger(position(of: range)))
    }
  }

  mutating func pushDecimalFloat() throws(FormatError) {
    let range = try line("FLOAT", limit: Self.digitLimit)
    guard let value = Double(cursor.text(in: range) ?? "") else { throw malformed("FLOAT", "it is not a number") }
    stack.append(.float(value))
  }

  mutating func memoKey(_ opcode: String) throws(FormatError) -> UInt32 {
    let range = try line(opcode, limit: 20)
    guard let key = UInt32(cursor.text(in: range) ?? "") else { throw malformed(opcode, "it is not an index") }
    return key
  }

  /// Pushes an integer of `count` bytes in two's complement.
  mutating func pushLong(_ count: Int) throws(FormatError) {
    let digits = try cursor.pass(count, "pickled integer")
    guard count <= 8 else { return stack.append(.bigInteger(position(of: digits))) }
    var value = 0
    for (i, digit) in cursor.storage.bytes[digits].enumerated() { value |= Int(digit) << (8 * i) }
    if count > 0 && count < 8 && value >> (8 * count - 1) == 1 { value -= 1 << (8 * count) }
    stack.append(.int(value))
  }

  /// Reads the length of a frame. It only tells how far Python may read ahead, and the opcodes follow as usual.
  mutating func passFrame() throws(FormatError) {
    let length = try longCount()
    guard length <= cursor.remaining else {
      throw malformed("FRAME", "its \(length) bytes are not in the file, which is cut short or damaged: fetch it again")
    }
  }

  // MARK: - Names of classes and functions

  mutating func pushGlobal(_ opcode: PickleOpcode) throws(FormatError) {
    if opcode == .stackGlobal {
      let name = try pop()
      guard case .string(let module) = try pop(), case .string(let name) = name, module.count <= Self.nameLimit,
        name.count <= Self.nameLimit
      else { throw malformed("STACK_GLOBAL", "module and name are not strings of at most \(Self.nameLimit) bytes") }
      return stack.append(.global(try newGlobal(module, name)))
    }
    let module = try nameLine("GLOBAL")
    stack.append(.global(try newGlobal(module, try nameLine("GLOBAL"))))
  }

  /// Reads a line with the name of a module or a class.
  mutating func nameLine(_ opcode: String) throws(FormatError) -> PickleText {
    let range = try line(opcode, limit: Self.nameLimit)
    guard !range.isEmpty, cursor.text(in: range) != nil else {
      throw malformed(opcode, "module or name is empty or not UTF-8")
    }
    return position(of: range)
  }

  mutating func newGlobal(_ module: PickleText, _ name: PickleText) throws(FormatError) -> UInt32 {
    guard pickle.globals.count < Self.globalLimit else {
      throw .limitExceeded(what: "references to classes and functions", offset: opcodeOffset, limit: Self.globalLimit)
    }
    let (moduleText, nameText) = (pickle.string(module), pickle.string(name))
    guard let role = GlobalRole(module: moduleText, name: nameText) else {
      throw .unsafeGlobal(name: "\(moduleText).\(nameText)", offset: opcodeOffset)
    }
    pickle.globals.append(PickleGlobal(module: module, name: name, role: role))
    return UInt32(pickle.globals.count - 1)
  }
}
