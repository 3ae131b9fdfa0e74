import Files

/// Reads one pickle of any protocol and represents the object that Python would build. Nothing is imported, called or
/// looked up: classes and functions are names with a role.
///
/// The opcodes are documented in CPython's Lib/pickletools.py, and the way in which PyTorch uses them in
/// torch/serialization.py and torch/_weights_only_unpickler.py.
struct PickleMachine {
  /// The persistent ids that the pickle may have.
  enum Style {
    /// No persistent ids.
    case plain
    /// Storages with six fields. The last one may describe a view.
    case legacy
    /// Storages with five fields.
    case zip
    /// The numbers of tensors that were read before the pickle.
    case tar([Int: UInt32])
  }

  /// The limits bound the memory that a hostile pickle can use. The state of an optimiser with a million parameters has
  /// 10,000 containers, and Python writes the values of containers in batches of 1000.
  static let stackLimit = 1 << 17
  /// Python memoises each class, so that a pickle refers to it by name only once.
  static let globalLimit = 1 << 17
  static let pickleLimit = 1 << 30

  let style: Style
  var pickle: Pickle
  var cursor: ByteCursor
  var stack: [PickleValue] = []
  /// The height of the stack at each open MARK.
  private var marks: [Int] = []
  private var memo: [UInt32: PickleValue] = [:]
  /// Memoising a value takes one byte in protocol 4, and Python memoises only values that take at least two bytes.
  private let memoLimit: Int
  /// The elements of dictionaries that were looked at as states of tensors, and what one of them does to the values.
  /// Many tensors may have the same state.
  var examinedStates: [UInt32: (count: Int, alteration: String?)] = [:]
  /// The number of values stored in containers so far. Each takes an opcode.
  private var valueCount = 0
  private let valueLimit: Int
  /// Python memoises each container that it writes, so that one with its values usually takes ten bytes. An empty one
  /// takes 64 bytes of memory here.
  private let containerLimit: Int
  /// The position of the current opcode in the file.
  var opcodeOffset: Int

  /// A machine that starts at the cursor.
  ///
  /// - Parameter prepared: the tables that the pickle's persistent ids refer to.
  init(_ cursor: ByteCursor, style: Style, prepared: Pickle? = nil) {
    let range = cursor.offset..<min(cursor.range.upperBound, cursor.offset + Self.pickleLimit)
    self.cursor = ByteCursor(cursor.storage, range: range)
    self.style = style
    valueLimit = 1024 + min(2 * range.count, 1 << 24)
    memoLimit = 1024 + min(range.count / 2, 1 << 23)
    containerLimit = (prepared?.containers.count ?? 0) + 1024 + min(range.count / 6, 1 << 22)
    pickle = prepared ?? Pickle(cursor: self.cursor)
    pickle.cursor = self.cursor
    opcodeOffset = cursor.offset
  }

  /// Reads the pickle at the cursor and moves the cursor to its end.
  static func read(
    _ cursor: inout ByteCursor, style: Style, prepared: Pickle? = nil
  ) throws(FormatError) -> Pickle {
    var machine = PickleMachine(cursor, style: style, prepared: prepared)
    try machine.run()
    try cursor.move(to: machine.cursor.offset, "pickle")
    return machine.pickle
  }

  mutating func run() throws(FormatError) {
    while true {
      opcodeOffset = cursor.offset
      let byte = try next(UInt8.self)
      guard let opcode = PickleOpcode(rawValue: byte) else {
        throw .unsupported(
          feature: "pickle opcode 0x\(String(byte, radix: 16, uppercase: true))", offset: opcodeOffset,
          advice: "pickle protocols 0 to 5 do not have it; the file is damaged, fetch it again")
      }
      if let (name, advice) = opcode.refusal {
        throw .unsupported(feature: "pickle opcode \(name)", offset: opcodeOffset, advice: advice)
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
      guard version <= 5 else {
        throw .unsupported(
          feature: "pickle protocol \(version)", offset: opcodeOffset, advice: "save with PyTorch's default protocol")
      }
    case .frame: try passFrame()
    case .mark: marks.append(stack.count)
    case .none: stack.append(.none)
    case .newTrue: stack.append(.bool(true))
    case .newFalse: stack.append(.bool(false))
    case .binInt: stack.append(.int(Int(try next(Int32.self))))
    case .binInt1: stack.append(.int(Int(try next(UInt8.self))))
    case .binInt2: stack.append(.int(Int(try next(UInt16.self))))
    case .long1: try pushLong(Int(try next(UInt8.self)))
    case .long4: try pushLong(Int(try next(Int32.self)))
    case .int: try pushDecimal("INT")
    case .long: try pushDecimal("LONG")
    case .float: try pushDecimalFloat()
    case .binFloat: stack.append(.float(Double(bitPattern: try next(UInt64.self).byteSwapped)))
    case .string: try pushQuoted()
    case .unicode: try pushEscaped(try line("UNICODE", limit: .max), isUnicode: true)
    case .shortBinString: try pushBytesOrText(Int(try next(UInt8.self)))
    case .binString: try pushBytesOrText(Int(try next(Int32.self)))
    case .shortBinUnicode: stack.append(.string(try text(Int(try next(UInt8.self)))))
    case .binUnicode: stack.append(.string(try text(Int(try next(UInt32.self)))))
    case .binUnicode8: stack.append(.string(try text(try longCount())))
    case .shortBinBytes: stack.append(.bytes(try bytes(Int(try next(UInt8.self)))))
    case .binBytes: stack.append(.bytes(try bytes(Int(try next(UInt32.self)))))
    case .binBytes8, .byteArray8: stack.append(.bytes(try bytes(try longCount())))
    case .global, .stackGlobal: try pushGlobal(opcode)
    case .reduce, .newObject, .newObjectEx, .object, .inst, .build, .binPersistentID: try executeObject(opcode)
    case .stop, .persistentID, .extension1, .extension2, .extension4, .nextBuffer, .readOnlyBuffer: break
    default: try executeOnStack(opcode)
    }
  }

  /// Executes an opcode that moves values between the stack, the memo and containers.
  private mutating func executeOnStack(_ opcode: PickleOpcode) throws(FormatError) {
    switch opcode {
    case .pop:
      // As in Python, this pops the last MARK if no value follows it.
      if let height = marks.last, stack.count == height { marks.removeLast() } else { _ = try pop() }
    case .popMark: _ = try popToMark()
    case .dup:
      let value = try pop()
      stack += [value, value]
    case .binPut: try memoize(UInt32(try next(UInt8.self)))
    case .longBinPut: try memoize(try next(UInt32.self))
    case .put: try memoize(try memoKey("PUT"))
    case .memoize: try memoize(UInt32(memo.count))
    case .binGet: try recall(UInt32(try next(UInt8.self)))
    case .longBinGet: try recall(try next(UInt32.self))
    case .get: try recall(try memoKey("GET"))
    case .emptyTuple: stack.append(.tuple(0))
    case .emptyList: stack.append(.list(try newContainer([])))
    case .emptyDict: stack.append(.dictionary(try newContainer([])))
    case .emptySet: stack.append(.set(try newContainer([])))
    case .tuple: stack.append(.tuple(try newContainer(try popToMark())))
    case .tuple1: try pushTuple(1)
    case .tuple2: try pushTuple(2)
    case .tuple3: try pushTuple(3)
    case .list: stack.append(.list(try newContainer(try popToMark())))
    case .frozenSet: stack.append(.set(try newContainer(try popToMark())))
    case .dict:
      let pairs = try popToMark()
      guard pairs.count % 2 == 0 else { throw malformed("DICT", "a key without a value") }
      stack.append(.dictionary(try newContainer(pairs)))
    case .append: try append([try pop()], "APPEND")
    case .appends: try append(try popToMark(), "APPENDS")
    case .addItems: try addItems(try popToMark())
    case .setItem:
      let value = try pop()
      try setItems([try pop(), value], "SETITEM")
    case .setItems: try setItems(try popToMark(), "SETITEMS")
    default: throw malformed("\(opcode)", "it is not handled")
    }
  }

  // MARK: - Stack, memo and containers

  func malformed(_ opcode: String, _ reason: String) -> FormatError {
    .malformed(field: "pickle opcode \(opcode)", offset: opcodeOffset, reason: reason)
  }

  mutating func next<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type
  ) throws(FormatError) -> Value {
    try cursor.value(type, "pickle")
  }

  /// Pops a value, which must lie above the last MARK.
  mutating func pop() throws(FormatError) -> PickleValue {
    guard stack.count > marks.last ?? 0, let value = stack.popLast() else {
      throw .malformed(field: "pickle", offset: opcodeOffset, reason: "takes a value from an empty stack")
    }
    return value
  }

  mutating func popToMark() throws(FormatError) -> [PickleValue] {
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
    guard memo.count <= memoLimit else {
      throw .limitExceeded(what: "number of memoised values", offset: opcodeOffset, limit: memoLimit)
    }
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
    case .object(let position): noteElements(of: position)
    default: throw malformed(opcode, "its target is \(pickle.summary(target)), not a list")
    }
  }

  private mutating func addItems(_ values: [PickleValue]) throws(FormatError) {
    guard stack.count > marks.last ?? 0, let target = stack.last else {
      throw malformed("ADDITEMS", "the stack is empty")
    }
    switch target {
    case .set(let position):
      try count(values.count)
      pickle.containers[Int(position)].append(contentsOf: values)
    case .opaque: break
    case .object(let position): noteElements(of: position)
    default: throw malformed("ADDITEMS", "its target is \(pickle.summary(target)), not a set")
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
    case .object(let position): noteElements(of: position)
    default: throw malformed(opcode, "its target is \(pickle.summary(target)), not a dictionary")
    }
  }

  private mutating func noteElements(of object: UInt32) { pickle.objects[Int(object)].hasElements = true }
}
