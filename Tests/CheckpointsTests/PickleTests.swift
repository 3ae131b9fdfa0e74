import Checkpoints
import Tensors
import Testing

/// Legacy streams written by hand: what a pickle may say about its tensors, and what is refused.
@Suite struct PickleTests {
  /// A legacy stream around an object's pickle (without PROTO and STOP), with storages of floats.
  static func stream(_ body: [UInt8], storages: [(key: String, count: Int)] = [("0", 4)]) -> [UInt8] {
    let magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
    let system = pickle([0x7D] + text("little_endian") + [0x88, 0x73])
    let keys = storages.reduce([0x5D]) { $0 + text($1.key) + [0x61] }
    let header = magic + pickle([0x4D, 0xE9, 0x03]) + system + pickle(body) + pickle(keys)
    return storages.reduce(header) { bytes, storage in
      bytes + littleEndian(Int64(storage.count)) + (0..<storage.count).flatMap { littleEndian(Float($0).bitPattern) }
    }
  }

  static func pickle(_ body: [UInt8]) -> [UInt8] { [0x80, 2] + body + [0x2E] }
  static func text(_ text: String) -> [UInt8] { [0x58] + littleEndian(UInt32(text.utf8.count)) + Array(text.utf8) }
  static func global(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
  static func int(_ value: Int) -> [UInt8] { [0x8A, 8] + littleEndian(Int64(value)) }
  static func tuple(_ items: [[UInt8]]) -> [UInt8] { [0x28] + items.joined() + [0x74] }
  static func dictionary(_ items: [(String, [UInt8])]) -> [UInt8] {
    let content: [UInt8] = items.flatMap { text($0.0) + $0.1 }
    return [0x7D, 0x28] + content + [0x75]
  }

  static func storage(
    _ key: String = "0", count: Int = 4, type: String = "FloatStorage", view: [UInt8] = [0x4E]
  ) -> [UInt8] {
    tuple([text("storage"), global("torch", type), text(key), text("cpu"), int(count), view]) + [0x51]
  }

  static func tensor(
    _ storage: [UInt8] = storage(), offset: Int = 0, size: [Int] = [4], strides: [Int] = [1]
  ) -> [UInt8] {
    let extents = { (values: [Int]) in tuple(values.map(int)) }
    return global("torch._utils", "_rebuild_tensor_v2")
      + tuple([storage, int(offset), extents(size), extents(strides), [0x89], [0x7D]]) + [0x52]
  }

  static func values(_ body: [UInt8]) throws -> [Float]? {
    try TemporaryFile(stream(body)).read()["w"]?.elements(as: Float.self)
  }

  @Test func viewOfAStorage() throws {
    let view = Self.tuple([Self.text("v"), Self.int(1), Self.int(2)])
    let tensor = Self.tensor(Self.storage(view: view), size: [2])
    #expect(try Self.values(Self.dictionary([("w", tensor)])) == [1, 2])
  }

  @Test func stridesThatNothingStepsByMayBeAnything() throws {
    let tensor = Self.tensor(size: [1, 2, 1], strides: [.max, 2, .max])
    #expect(try Self.values(Self.dictionary([("w", tensor)])) == [0, 2])
    let empty = Self.tensor(offset: 3, size: [0, 5], strides: [.max, .max])
    #expect(try Self.values(Self.dictionary([("w", empty)])) == [])
  }

  @Test func parameterAndSubclassAreTheirTensors() throws {
    let parameter =
      Self.global("torch._utils", "_rebuild_parameter") + Self.tuple([Self.tensor(), [0x88], [0x7D]]) + [0x52]
    #expect(try Self.values(Self.dictionary([("w", parameter)])) == [0, 1, 2, 3])
    let arguments = Self.tuple([
      Self.storage(), Self.int(1), Self.tuple([Self.int(3)]), Self.tuple([Self.int(1)]), [0x89], [0x7D],
    ])
    let subclass =
      Self.global("torch._tensor", "_rebuild_from_type_v2")
      + Self.tuple([
        Self.global("torch._utils", "_rebuild_tensor_v2"), Self.global("torch.nn.parameter", "Parameter"), arguments,
        [0x7D],
      ]) + [0x52]
    #expect(try Self.values(Self.dictionary([("w", subclass)])) == [1, 2, 3])
  }

  /// `torch._neg_view(t)` is saved with the storage of `t`, and PyTorch negates what it loads.
  @Test(
    arguments: [
      (dictionary([]), nil), ([0x4E], nil), (dictionary([("neg", [0x89]), ("conj", [0x89])]), nil),
      (dictionary([("neg", [0x88])]), "a negative view"), (dictionary([("conj", [0x88])]), "a negative view"),
      (dictionary([("neg", [0x89]), ("later", [0x88])]), "a negative view"), ([0x88], "its metadata are True"),
      (dictionary((0..<17).map { ("\($0)", [0x89]) }), "its metadata are a dictionary of 17"),
    ] as [([UInt8], String?)])
  func viewsThatAlterValuesAreNotReadAsStored(metadata: [UInt8], problem: String?) throws {
    let fields = [Self.storage(), Self.int(0), Self.tuple([Self.int(4)]), Self.tuple([Self.int(1)]), [0x89], [0x7D]]
    let tensors = [
      Self.global("torch._utils", "_rebuild_tensor_v2") + Self.tuple(fields + [metadata]) + [0x52],
      Self.global("torch._utils", "_rebuild_tensor_v3")
        + Self.tuple(fields + [Self.global("torch", "float32"), metadata]) + [0x52],
    ]
    for tensor in tensors {
      try Self.expect(tensor, isRead: problem == nil, words: problem ?? "")
    }
  }

  /// Expects a tensor to be read as its storage, or refused with these words.
  private static func expect(_ tensor: [UInt8], isRead: Bool, words: String) throws {
    let body = dictionary([("w", tensor)])
    if isRead {
      #expect(try values(body) == [0, 1, 2, 3])
    } else {
      #expect {
        _ = try values(body)
      } throws: { "\($0)".contains(words) }
    }
  }

  /// Members of a tensor's state become attributes, and `data` is the tensor itself.
  @Test(arguments: ["data", "real", "note"]) func statesThatReplaceValuesAreNotIgnored(key: String) throws {
    let state = Self.dictionary([(key, Self.tensor(offset: 1, size: [3]))])
    let parameter =
      Self.global("torch._utils", "_rebuild_parameter_with_state")
      + Self.tuple([Self.tensor(), [0x88], [0x7D], Self.tuple([state, [0x4E]])]) + [0x52]
    let arguments = Self.tuple([
      Self.storage(), Self.int(0), Self.tuple([Self.int(4)]), Self.tuple([Self.int(1)]), [0x89], [0x7D],
    ])
    let subclass =
      Self.global("torch._tensor", "_rebuild_from_type_v2")
      + Self.tuple([
        Self.global("torch._utils", "_rebuild_tensor_v2"), Self.global("torch.nn.parameter", "Parameter"), arguments,
        state,
      ]) + [0x52]
    for tensor in [parameter, subclass] {
      try Self.expect(tensor, isRead: key == "note", words: "replaced by an attribute '\(key)'")
    }
  }

  /// Members count from when they are there, and a state is not looked at again for each of its tensors.
  @Test(.timeLimit(.minutes(1))) func sharedStatesAreExaminedOnce() throws {
    func parameter(_ state: [UInt8]) -> [UInt8] {
      Self.global("torch._utils", "_rebuild_parameter_with_state")
        + Self.tuple([Self.tensor(), [0x88], [0x7D], state]) + [0x52]
    }
    let members = (0..<20_000).map { ("k\($0)", [0x4E] as [UInt8]) }
    let first = parameter(Self.dictionary(members) + [0x71, 0])
    let others = (0..<4000).map { ("t\($0)", parameter([0x68, 0])) }
    #expect(try Self.values(Self.dictionary([("w", first)] + others)) == [0, 1, 2, 3])
    // The state gets its `data` after the first tensor.
    let later: [UInt8] = [0x68, 0] + Self.text("data") + [0x4E, 0x73, 0x30]
    let body = Self.dictionary([("w", first)]) + later
    #expect(try Self.values(body) == [0, 1, 2, 3])
    #expect {
      _ = try Self.values(body + Self.text("x") + parameter([0x68, 0]) + [0x73])
    } throws: { "\($0)".contains("an attribute 'data'") }
  }

  @Test func orderedDictOfPairs() throws {
    let pairs = [0x5D] + Self.text("w") + Self.tensor() + [0x86, 0x61]
    let body = Self.global("collections", "OrderedDict") + pairs + [0x85, 0x52]
    #expect(try Self.values(body) == [0, 1, 2, 3])
  }

  @Test func opaqueObjectsSwallowWhatIsDoneToThem() throws {
    let opaque =
      Self.global("mine", "Table") + [0x29, 0x81] + Self.text("k") + [0x4E, 0x73, 0x4E, 0x61, 0x7D, 0x62]
    let body = Self.dictionary([("w", Self.tensor()), ("o", opaque)])
    #expect(try Self.values(body) == [0, 1, 2, 3])
  }

  static let refused: [(body: [UInt8], words: String)] = [
    ([0x4E, 0x4B, 1, 0x4E, 0x73], "SETITEM"),  // on None
    ([0x29, 0x28, 0x4E, 0x4E, 0x75], "not a dictionary"),  // SETITEMS on a tuple
    ([0x7D, 0x28, 0x4E, 0x75], "a key without a value"),
    ([0x7D, 0x4E, 0x61], "not a list"),  // APPEND to a dictionary
    ([0x4B, 1, 0x7D, 0x62], "BUILD"),
    (tensor() + [0x7D, 0x62], "BUILD"),
    ([0x4E, 0x29, 0x52], "REDUCE"),
    (global("torch", "Size") + [0x4E, 0x52], "not a tuple"),
    ([0x52], "empty stack"),
    ([0x74], "no MARK"),
    ([0x4B, 1, 0x28, 0x73], "empty stack"),  // may not reach below the MARK
    ([0x68, 9], "nothing was stored under 9"),
    ([0x71, 0], "the stack is empty"),
    ([0x4E, 0x4E], "still holds 1"),
    ([0x93], "empty stack"), ([0x94], "the stack is empty"), ([0x69], "INST"), ([0x6F], "no MARK"),
    ([0x82, 1], "EXT1"), ([0x83, 1, 0], "EXT2"), ([0x84, 1, 0, 0, 0], "EXT4"), ([0x97], "NEXT_BUFFER"),
    ([0x98], "READONLY_BUFFER"), ([0x50, 0x31, 0x0A], "PERSID"),
    ([0xF0], "opcode 0xF0"),
    ([0x80, 6], "pickle protocol 6"),
    ([0x95] + littleEndian(UInt64(1 << 40)), "FRAME"), ([0x8D] + littleEndian(UInt64.max), "length in the pickle"),
    ([0x49, 0x31, 0x78, 0x0A], "INT"), ([0x46, 0x78, 0x0A], "FLOAT"), ([0x53, 0x61, 0x0A], "STRING"),
    ([0x67, 0x2D, 0x31, 0x0A], "GET"), ([0x4E, 0x70, 0x78, 0x0A], "PUT"),
    ([0x28, 0x4E, 0x64], "a key without a value"),
    ([0x7D, 0x28, 0x4E, 0x90], "not a set"), ([0x4E, 0x8C, 1, 0x61, 0x93], "STACK_GLOBAL"),
    (text("os") + text("system") + [0x93], "os.system"),
    (text("mine") + text("Class.__globals__") + [0x93], "Class.__globals__"),
    (Array("(imine\nos.system\n".utf8), "os.system"),
    (global("torch.serialization", "load"), "torch.serialization.load"), (global("builtins", "exec"), "builtins.exec"),
    ([0x58, 2, 0, 0, 0, 0xC3, 0x28], "UTF-8"),
    (global("os", "system"), "os.system"),
    (global("builtins", "getattr"), "builtins.getattr"),
    (global("numpy.testing._private.utils", "runstring"), "runstring"),
    (global("torch.hub", "load"), "torch.hub.load"),
    (global("torch", "load"), "torch.load"),
    (global("torch.nn.modules.linear", "os.system"), "os.system"),
    (global("collections", "OrderedDict.__init__"), "OrderedDict.__init__"),
    (text("7") + [0x51], "not a storage id"),
    (storage(type: "Size"), "not a storage of 6 fields"),
    (storage(count: -1), "not a storage"),
    (storage(view: tuple([text("v"), int(3), int(2)])), "exceeds its storage"),
    (storage(view: tuple([text("v"), int(.max), int(.max)])), "exceeds its storage"),
    (dictionary([("w", tensor(size: [5]))]), "exceeds its storage of 16 bytes"),
    (dictionary([("w", tensor(offset: 1))]), "exceeds its storage"),
    (dictionary([("w", tensor(offset: -1))]), "offset -1"),
    (dictionary([("w", tensor(offset: .max))]), "exceeds its storage"),
    (dictionary([("w", tensor(size: [2, 2], strides: [.max, 1]))]), "exceeds its storage"),
    (dictionary([("w", tensor(size: [.max, 2], strides: [0, 1]))]), "impossible extents"),
    (dictionary([("w", tensor(size: [0, .max, 9], strides: [1, 1, 1]))]), "impossible extents"),
    (dictionary([("w", tensor(size: [2], strides: [-1]))]), "strides holds the integer -1"),
    (dictionary([("w", tensor(size: [2, 2], strides: [1]))]), "2 axes, 1 strides"),
    (dictionary([("w", tensor(size: [1 << 40], strides: [0]))]), "exceeds the limit of"),
    (
      dictionary([("w", tensor(size: .init(repeating: 1, count: 65), strides: .init(repeating: 1, count: 65)))]),
      "65 axes"
    ),
    (dictionary([("w", tensor()), ("w", tensor())]), "two tensors are named w"),
    (dictionary([("w", tensor()), ("v", tensor(storage(count: 3)))]), "two sizes or types"),
    (dictionary([("w", tensor()), ("v", tensor(storage(type: "IntStorage")))]), "two sizes or types"),
    (dictionary([("w", tensor(storage("1")))]), "not a storage of the pickle"),
    (dictionary([("w", tensor(storage(count: 1 << 62)))]), "it is 4"),
    (dictionary([("w", tensor()), ("v", tensor(storage("1")))]), "not in the file"),
    (dictionary([("w", tensor()), ("v", tensor(storage("1", type: "QInt8Storage")))]), "torch.QInt8Storage"),
    ([0x7D, 0x4B, 1] + tensor() + [0x73], "not a string"),
    (dictionary([("w", tensor(storage(type: "FooStorage")))]), "not a storage of 6 fields"),
  ]

  @Test(arguments: refused.indices) func refusalSaysWhy(index: Int) {
    let (body, words) = Self.refused[index]
    let message = refusal(of: Self.stream(body, storages: body.isEmpty ? [] : [("0", 4)]))
    #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
  }

  @Test func streamAroundTheObjectIsChecked() {
    let good = Self.stream(Self.dictionary([("w", Self.tensor())]))
    #expect(refusal(of: good) == nil)
    #expect(refusal(of: good + [0])?.contains("1 more bytes follow") == true)
    #expect(refusal(of: Array(good.prefix(15)) + good.dropFirst(16))?.contains("pickle") == true)
    var bigEndian = good
    if let flag = bigEndian.firstIndex(of: 0x88) { bigEndian[flag] = 0x89 }
    #expect(refusal(of: bigEndian)?.contains("big-endian") == true)
  }

  /// A megabyte of one opcode after another must cost neither the stack nor much memory.
  @Test(
    arguments: [
      [0x5D], [0x28], [0x7D], [0x5D, 0x61], [0x4E], [0x29], [0x5D, 0x71, 0, 0x68, 0, 0x61], [0x85], [0x32], [0x94],
      [0x8F],
      [0x8C, 1, 0x61, 0x32, 0x93, 0x30],
    ]
      as [[UInt8]])
  func repeatedOpcodesEnd(pattern: [UInt8]) {
    let repeated: [[UInt8]] = Array(repeating: pattern, count: (1 << 20) / pattern.count)
    let body: [UInt8] = [0x5D, 0x5D] + Array(repeated.joined())
    #expect(refusal(of: Self.stream(body)) != nil)
  }

  /// One long text used over and over must not cost its length each time.
  @Test func longTextsAreNotCopied() {
    let long = String(repeating: "module.", count: 100_000)
    #expect(refusal(of: Self.stream(Self.dictionary([(long, Self.tensor())])))?.contains("700000 bytes") == true)
    let items = Array(repeating: [0x68, 0, 0x68, 1] as [UInt8], count: 30_000).joined()
    let first = Self.text(String(repeating: "n", count: 1000)) + [0x71, 0] + Self.tensor() + [0x71, 1]
    #expect(refusal(of: Self.stream([0x7D, 0x28] + first + items + [0x75]))?.contains("it appears twice") == true)
    let key = Self.storage(String(repeating: "0", count: 65))
    #expect(refusal(of: Self.stream(key))?.contains("not a storage of 6 fields") == true)
  }

  @Test func messagesDoNotSteerTheTerminal() {
    let message = refusal(of: Self.stream(Self.dictionary([("\u{1B}[2J", Self.tensor(size: [9]))])))
    #expect(message?.contains(#"\u{1B}[2J"#) == true)
  }

  @Test func aListMayHoldItself() throws {
    let cycle: [UInt8] = [0x5D, 0x71, 0, 0x68, 0, 0x61]
    #expect(try Self.values(Self.dictionary([("cycle", cycle), ("w", Self.tensor())])) == [0, 1, 2, 3])
  }

  // MARK: - Other protocols

  /// Values in protocol 0's lines of text.
  @Test func linesOfText() throws {
    func line(_ text: String) -> [UInt8] { Array("\(text)\n".utf8) }
    let key = [0x56] + line("w") + [0x70] + line("7") + [0x30, 0x67] + line("7")
    let values: [[UInt8]] = [
      [0x49] + line("42"), [0x49] + line("01"), [0x4C] + line("-7L"), [0x4C] + line("123456789012345678901234L"),
      [0x46] + line("-1.5e3"), [0x46] + line("inf"), [0x53] + line("'a\\n'"), [0x56] + line("\\u00e9"), [0x28, 0x6C],
      [0x28, 0x64],
    ]
    // [0x28, 0x31] opens and drops a part of the stack; 0x32 doubles a value, and 0x30 drops it.
    let list: [UInt8] = [0x28] + values.joined() + [0x6C, 0x28, 0x4E, 0x31, 0x32, 0x30]
    let body: [UInt8] = [0x28] + Self.text("others") + list + key + Self.tensor() + [0x64]
    #expect(try Self.values(body) == [0, 1, 2, 3])
  }

  /// What protocols 3 to 5 add.
  @Test func framesBytesSetsAndClassesFromTheStack() throws {
    func short(_ text: String) -> [UInt8] { [0x8C, UInt8(text.utf8.count)] + Array(text.utf8) }
    let long = { (opcode: UInt8, count: Int) in [opcode] + littleEndian(UInt64(count)) }
    let object = short("mine") + [0x94] + short("Outer.Inner") + [0x94, 0x93, 0x94, 0x29, 0x7D, 0x92, 0x94]
    let others: [[UInt8]] = [
      [0x43, 2, 0xFF, 0], [0x42, 1, 0, 0, 0, 0xFF], long(0x8E, 1) + [9], long(0x96, 1) + [9],
      long(0x8D, 1) + [0x61], [0x8F, 0x94, 0x28, 0x4B, 1, 0x90], [0x28, 0x4B, 1, 0x91], object + [0x7D, 0x62],
      [0x8B, 1, 0, 0, 0, 5], [0x28] + Self.global("mine", "C") + [0x4B, 1, 0x6F], Array("(imine\nD\n".utf8),
    ]
    let body = Self.dictionary([("others", [0x5D, 0x94, 0x28] + others.joined() + [0x65]), ("w", Self.tensor())])
    let file = TemporaryFile(Self.stream([0x95] + littleEndian(UInt64(0)) + body))
    let checkpoint = try file.read()
    #expect(checkpoint["w"]?.elements(as: Float.self) == [0, 1, 2, 3])
    #expect(checkpoint.foreignObjects == ["mine.Outer.Inner", "mine.C", "mine.D"])
  }

  @Test(arguments: [
    ("omegaconf.dictconfig", "DictConfig"), ("__main__", "Meter"), ("functools", "partial"), ("enum", "Enum"),
    ("types", "SimpleNamespace"), ("torch.optim.lr_scheduler", "LambdaLR"), ("torch.nn.functional", "relu"),
    ("numpy.random", "__RandomState_ctor"), ("pathlib", "PosixPath"), ("builtins", "set"),
  ]) func objectsOfOtherClassesAreRepresented(module: String, name: String) throws {
    let object = Self.global(module, name) + [0x29, 0x52, 0x7D, 0x62]
    #expect(try Self.values(Self.dictionary([("o", object), ("w", Self.tensor())])) == [0, 1, 2, 3])
  }

  // MARK: - Dictionaries of tensors

  @Test func dictionariesAreFoundWhereverTheyLie() throws {
    let inner = Self.dictionary([("w", Self.tensor())])
    for body in [inner, Self.tuple([inner, Self.int(3)]), [0x5D, 0x4E, 0x61] + inner + [0x61]] {
      #expect(try Self.values(body) == [0, 1, 2, 3])
    }
    #expect(
      try Self.values(Self.dictionary([("a", Self.dictionary([("b", Self.tuple([[0x4E], inner]))]))])) == [0, 1, 2, 3])
    let two = Self.dictionary([("a", inner), ("b", Self.dictionary([("v", Self.tensor())]))])
    #expect(refusal(of: Self.stream(two))?.contains("2 dictionaries of tensors: 'a', 'b'") == true)
    let file = TemporaryFile(Self.stream(two))
    let outline = try CheckpointOutline.open(path: file.path)
    #expect(outline.groups.map(\.path) == [["a"], ["b"]] && outline.groups.map(\.names) == [["w"], ["v"]])
    #expect(try outline.checkpoint(of: [1], below: ["b"]).tensors.names == ["v"])
    #expect(try outline.checkpoint(of: [0, 1]).tensors.names == ["a.w", "b.v"])
    #expect(try outline.checkpoint(of: [1], below: ["b"]).ignored.map(\.name) == ["a"])
  }

  @Test func whatACallableWouldMakeIsNoTensor() throws {
    let made = Self.global("mine", "make") + [0x29, 0x52]
    let alone = Self.stream(Self.dictionary([("w", made)]), storages: [])
    #expect(refusal(of: alone)?.contains("'w' is an object made by mine.make, which is not run") == true)
    let file = TemporaryFile(Self.stream(Self.dictionary([("v", made), ("w", Self.tensor())])))
    let checkpoint = try file.read()
    #expect(checkpoint.tensors.names == ["w"])
    #expect(checkpoint.unreadable["v"]?.contains("mine.make") == true)
  }

  /// The legacy format keeps a module's class with its source code by a persistent id.
  @Test func wholeModulesAreNamed() {
    let fields = [
      Self.text("module"), Self.global("torch.nn.modules.linear", "Linear"), Self.text("f"), Self.text("s"),
    ]
    let module = Self.tuple(fields) + [0x51, 0x29, 0x81, 0x7D, 0x62]
    let message = refusal(of: Self.stream(module, storages: []))
    #expect(message?.contains("torch.nn.modules.linear.Linear; save a module's state_dict()") == true)
  }

  @Test func prefixesAreKept() throws {
    let both = Self.dictionary([("module.a", Self.tensor()), ("module.b", Self.tensor())])
    #expect(try TemporaryFile(Self.stream(both)).read().tensors.names == ["module.a", "module.b"])
  }
}
