import Files

/// Reads one pickle by the opcodes that PyTorch's state dicts use, and represents what Python would build. Nothing is
/// imported, called or looked up: classes and functions are names with a role.
///
/// The opcodes are documented in CPython's Lib/pickletools.py; PyTorch's own use of them in torch/serialization.py and
/// torch/_weights_only_unpickler.py.
struct PickleMachine {
  /// Which persistent ids the pickle may have.
  enum Style {
    /// None at all.
    case plain
    /// Storages of six fields, the last of which may describe a view.
    case legacy
    /// Storages of five fields.
    case zip
    /// The numbers of tensors that were read before the pickle.
    case tar([Int: UInt32])
  }

  /// Bounds on what a hostile pickle can make of its bytes: a million-parameter optimizer has 10,000 containers, and
  /// Python writes containers in batches of 1000.
  static let stackLimit = 1 << 17
  static let pickleLimit = 1 << 30

  let style: Style
  var pickle: Pickle
  var cursor: ByteCursor
  var stack: [PickleValue] = []
  /// The heights of the stack at each open MARK.
  private var marks: [Int] = []
  private var memo: [UInt32: PickleValue] = [:]
  /// The values stored in containers so far, and how many may be: storing one takes an opcode.
  private var valueCount = 0
  private let valueLimit: Int
  /// Python remembers each container it writes, which takes an opcode of at least two bytes more.
  private let containerLimit: Int
  /// Where the current opcode is.
  var opcodeOffset: Int

  /// A machine that starts at the cursor. `prepared` brings tables that the pickle's persistent ids refer to.
  init(_ cursor: ByteCursor, style: Style, prepared: Pickle? = nil) {
    let rest = cursor.offset..<min(cursor.range.upperBound, cursor.offset + Self.pickleLimit)
    self.cursor = ByteCursor(cursor.storage, range: rest)
    self.style = style
    valueLimit = 1024 + min(2 * rest.count, 1 << 24)
    containerLimit = (prepared?.containers.count ?? 0) + 1024 + min(rest.count / 2, 1 << 22)
    pickle = prepared ?? Pickle(cursor: self.cursor)
    pickle.cursor = self.cursor
    opcodeOffset = cursor.offset
  }

  /// Reads the pickle at the cursor and moves the cursor behind it.
  static func read(
    _ cursor: inout ByteCursor, style: Style, prepared: Pickle? = nil
  ) throws(FormatError) -> Pickle {
    var machine = PickleMachine(cursor, style: style, prepared: prepared)
    try machine.run()
    try cursor.move(to: machine.cursor.offset, "pickle")
    return machine.pickle
  }

  private mutating func run() throws(FormatError) {
    while true {
      opcodeOffset = cursor.offset
      let byte = try next(UInt8.self)
      guard let opcode = PickleOpcode(rawValue: byte) else {
        throw .unsupported(
          feature: "pickle opcode \(PickleOpcode.refusedName(byte))", offset: opcodeOffset,
          advice: "no state dict saved with PyTorch's default pickle protocol (2) has it")
      }
      if opcode == .stop { break }
      try execute(opcode)
      guard stack.count <= Self.stackLimit, marks.count <= Self.stackLimit else {
        throw .limitExceeded(what: "pickle stack", offset: opcodeOffset, limit: Self.stackLimit)
      }
    }
    pickle.root = try pop()
    guard stack.isEmpty, marks.isEmpty else { throw malformed("STOP", "the stack still holds \(stack.count) values") }
  }

  private mutating func execute(_ opcode: PickleOpcode) throws(FormatError) {
    switch opcode {
    case .proto:
      let version = try next(UInt8.self)
      guard version == 2 else {
        throw .unsupported(
          feature: "pickle protocol \(version)", offset: opcodeOffset, advice: "save with pickle_protocol=2")
      }
    case .mark: marks.append(stack.count)
    case .stop: break
    case .none: stack.append(.none)
    case .newTrue: stack.append(.bool(true))
    case .newFalse: stack.append(.bool(false))
    case .binInt: stack.append(.int(Int(try next(Int32.self))))
    case .binInt1: stack.append(.int(Int(try next(UInt8.self))))
    case .binInt2: stack.append(.int(Int(try next(UInt16.self))))
    case .long1: try pushLong()
    case .binFloat: stack.append(.float(Double(bitPattern: try next(UInt64.self).byteSwapped)))
    case .shortBinString: stack.append(.string(try text(Int(try next(UInt8.self)))))
    case .binUnicode: stack.append(.string(try text(Int(try next(UInt32.self)))))
    case .binPut: try memoize(UInt32(try next(UInt8.self)))
    case .longBinPut: try memoize(try next(UInt32.self))
    case .binGet: try recall(UInt32(try next(UInt8.self)))
    case .longBinGet: try recall(try next(UInt32.self))
    case .emptyTuple: stack.append(.tuple(0))
    case .emptyList: stack.append(.list(try newContainer([])))
    case .emptyDict: stack.append(.dictionary(try newContainer([])))
    case .emptySet: stack.append(.set(try newContainer([])))
    case .tuple: stack.append(.tuple(try newContainer(try popToMark())))
    case .tuple1: try pushTuple(1)
    case .tuple2: try pushTuple(2)
    case .tuple3: try pushTuple(3)
    case .append: try append([try pop()], "APPEND")
    case .appends: try append(try popToMark(), "APPENDS")
    case .setItem:
      let value = try pop()
      try setItems([try pop(), value], "SETITEM")
    case .setItems: try setItems(try popToMark(), "SETITEMS")
    case .global: try pushGlobal()
    case .binPersistentID: stack.append(try persistentObject(try pop()))
    case .reduce:
      let arguments = try pop()
      stack.append(try reduce(try pop(), arguments))
    case .newObject:
      let arguments = try pop()
      stack.append(try newObject(try pop(), arguments))
    case .build:
      let state = try pop()
      try build(state)
    }
  }

  // MARK: - Stack, memo and containers

  func malformed(_ opcode: String, _ reason: String) -> FormatError {
    .malformed(field: "pickle opcode \(opcode)", offset: opcodeOffset, reason: reason)
  }

  private mutating func next<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type
  ) throws(FormatError) -> Value {
    try cursor.value(type, "pickle")
  }

  /// Pops a value of the innermost open MARK's part of the stack.
  private mutating func pop() throws(FormatError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else {
      throw .malformed(field: "pickle", offset: opcodeOffset, reason: "takes a value from an empty stack")
    }
    return value
  }

  private mutating func popToMark() throws(FormatError) -> [PickleValue] {
    guard let height = marks.popLast() else {
      throw .malformed(field: "pickle", offset: opcodeOffset, reason: "there is no MARK on the stack")
    }
    let values = Array(stack[height...])
    stack.removeSubrange(height...)
    return values
  }

  mutating func newContainer(_ values: [PickleValue]) throws(FormatError) -> UInt32 {
    try count(values.count)
    guard pickle.containers.count < containerLimit else {
      throw .limitExceeded(what: "number of pickled containers", offset: opcodeOffset, limit: containerLimit)
    }
    pickle.containers.append(values)
    return UInt32(pickle.containers.count - 1)
  }

  private mutating func count(_ values: Int) throws(FormatError) {
    valueCount += values
    guard valueCount <= valueLimit else {
      throw .limitExceeded(what: "number of pickled values", offset: opcodeOffset, limit: valueLimit)
    }
  }

  private mutating func memoize(_ key: UInt32) throws(FormatError) {
    guard stack.count > marks.last ?? 0, let value = stack.last else {
      throw malformed("BINPUT", "the stack is empty")
    }
    memo[key] = value
  }

  private mutating func recall(_ key: UInt32) throws(FormatError) {
    guard let value = memo[key] else { throw malformed("BINGET", "nothing was stored under \(key)") }
    stack.append(value)
  }

  private mutating func pushTuple(_ count: Int) throws(FormatError) {
    guard stack.count - (marks.last ?? 0) >= count else { throw malformed("TUPLE\(count)", "the stack is too short") }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    stack.append(.tuple(try newContainer(values)))
  }

  private mutating func append(_ values: [PickleValue], _ opcode: String) throws(FormatError) {
    guard stack.count > marks.last ?? 0, let target = stack.last else { throw malformed(opcode, "the stack is empty") }
    switch target {
    case .list(let position):
      try count(values.count)
      pickle.containers[Int(position)].append(contentsOf: values)
    case .opaque: break
    default: throw malformed(opcode, "its target is \(pickle.summary(target)), not a list")
    }
  }

  private mutating func setItems(_ pairs: [PickleValue], _ opcode: String) throws(FormatError) {
    guard stack.count > marks.last ?? 0, let target = stack.last else { throw malformed(opcode, "the stack is empty") }
    guard pairs.count % 2 == 0 else { throw malformed(opcode, "a key without a value") }
    switch target {
    case .dictionary(let position):
      try count(pairs.count)
      pickle.containers[Int(position)].append(contentsOf: pairs)
    case .opaque: break
    default: throw malformed(opcode, "its target is \(pickle.summary(target)), not a dictionary")
    }
  }

  // MARK: - Texts and numbers

  private mutating func text(_ count: Int) throws(FormatError) -> PickleText {
    let start = cursor.offset
    _ = try cursor.name(count, "pickled text")
    return PickleText(start: UInt32(start - cursor.range.lowerBound), count: UInt32(count))
  }

  private mutating func pushLong() throws(FormatError) {
    let count = Int(try next(UInt8.self))
    let start = cursor.offset
    let digits = try cursor.pass(count, "pickled integer")
    guard count <= 8 else {
      let text = PickleText(start: UInt32(start - cursor.range.lowerBound), count: UInt32(count))
      return stack.append(.bigInteger(text))
    }
    var value = 0
    for (i, digit) in cursor.storage.bytes[digits].enumerated() { value |= Int(digit) << (8 * i) }
    if count > 0 && count < 8 && value >> (8 * count - 1) == 1 { value -= 1 << (8 * count) }
    stack.append(.int(value))
  }

  private mutating func pushGlobal() throws(FormatError) {
    let start = cursor.offset
    var lines: [String] = []
    for _ in 0..<2 {
      guard let end = cursor.nextOffset(of: 0x0A, within: 256) else {
        throw malformed("GLOBAL", "no module and name of sensible length follow")
      }
      guard let line = cursor.text(in: cursor.offset..<end), !line.isEmpty else {
        throw malformed("GLOBAL", "module or name is empty or not UTF-8")
      }
      lines.append(line)
      try cursor.move(to: end + 1, "pickled name")
    }
    guard let role = GlobalRole(module: lines[0], name: lines[1]) else {
      throw .unsafeGlobal(name: "\(lines[0]).\(lines[1])", offset: opcodeOffset)
    }
    let text = PickleText(
      start: UInt32(start - cursor.range.lowerBound), count: UInt32(cursor.offset - 1 - start))
    pickle.globals.append(PickleGlobal(text: text, role: role))
    stack.append(.global(UInt32(pickle.globals.count - 1)))
  }
}
