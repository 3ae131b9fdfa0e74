import Checkpoints
import Testing

/// The entries that dictionaries have in Python once a pickle is read, or why they are not read.
@Suite struct PickledDictionaryTests {
  private typealias Wire = PickleTests

  private static let entries: [UInt8] = Wire.dictionary([("w", Wire.tensor())])
  private static let pair: [UInt8] = Wire.text("w") + Wire.tensor() + [0x86]
  private static let pairs: [UInt8] = [0x5D] + pair + [0x61]

  /// `module.name(*arguments)`
  private static func call(_ module: String, _ name: String, _ arguments: [[UInt8]]) -> [UInt8] {
    Wire.global(module, name) + Wire.tuple(arguments) + [0x52]
  }

  /// `dictionary["name"] = value`
  private static func set(_ name: String, _ value: [UInt8]) -> [UInt8] { Wire.text(name) + value + [0x73] }

  private static func names(_ body: [UInt8]) throws -> [String] {
    try TemporaryFile(Wire.stream(body)).read().tensors.names
  }

  private static func outline(_ body: [UInt8]) throws -> CheckpointOutline {
    let file = TemporaryFile(Wire.stream(body))
    return try withExtendedLifetime(file) { try CheckpointOutline.open(path: file.path) }
  }

  private static func paths(_ body: [UInt8]) throws -> [[String]] { try outline(body).groups.map(\.path) }

  // MARK: - Arguments

  /// Calls that make `{"w": tensor}`.
  private static let calls: [[UInt8]] = [
    call("collections", "OrderedDict", [entries]),
    call("collections", "OrderedDict", [pairs]),
    call("collections", "OrderedDict", [Wire.tuple([pair])]),
    call("builtins", "dict", [entries]),
    call("__builtin__", "dict", [pairs]),
    call("collections", "Counter", [entries]),
    call("collections", "defaultdict", [[0x4E], entries]),
    call("collections", "defaultdict", [Wire.global("builtins", "list"), pairs]),
    // OBJ and INST call a class that has arguments.
    [0x28] + Wire.global("collections", "OrderedDict") + pairs + [0x6F],
    [0x28] + pairs + Array("icollections\nOrderedDict\n".utf8),
  ]

  @Test(arguments: calls.indices) func argumentsAreEntries(index: Int) throws {
    let made = Self.calls[index]
    #expect(try Wire.values(made) == [0, 1, 2, 3])
    #expect(try Self.names(made + Self.set("v", Wire.tensor())) == ["w", "v"])
  }

  /// `__new__` ignores the arguments. A dictionary is copied when it is an argument.
  @Test func whatIsNoEntryIsNone() throws {
    let new: [UInt8] =
      Wire.global("collections", "OrderedDict") + Self.pairs + [0x85, 0x81] + Self.set("v", Wire.tensor())
    #expect(try Self.names(new) == ["v"])
    let source = Self.entries + [0x71, 0]
    let copy = Self.call("collections", "OrderedDict", [source])
    let later: [UInt8] = [0x68, 0] + Self.set("v", Wire.tensor()) + [0x30]
    #expect(try Self.names(copy + later) == ["w"])
  }

  private static let otherCalls: [(made: [UInt8], words: String)] = [
    (call("collections", "Counter", [pairs]), "the entries of collections.Counter are not a dictionary"),
    (call("collections", "OrderedDict", [[0x4B, 1]]), "are not a dictionary or a list of pairs"),
    (call("collections", "OrderedDict", [[0x5D, 0x4E, 0x61]]), "are not a dictionary or a list of pairs"),
    (call("collections", "defaultdict", [[0x4E], [0x4B, 1]]), "the entries of collections.defaultdict are not"),
    (call("builtins", "dict", [entries, entries]), "the entries of builtins.dict are not"),
  ]

  @Test(arguments: otherCalls.indices) func otherArgumentsAreRefused(index: Int) {
    let (made, words) = Self.otherCalls[index]
    let message = refusal(of: Wire.stream(made + Self.set("v", Wire.tensor())))
    #expect(message?.contains(words) == true, "\(message ?? "accepted")")
  }

  // MARK: - Equal keys

  private static let long = String(repeating: "k", count: 200)
  private static let memoised: [UInt8] = [0x7D] + Wire.text("w") + [0x71, 0] + Wire.tensor() + [0x73]

  private static let equalKeys: [(body: [UInt8], words: String)] = [
    (entries + set("w", [0x4E]), "two entries are named w"),
    (Wire.dictionary([("w", [0x4E])]) + set("w", Wire.tensor()), "two entries are named w"),
    (entries + set("w", Wire.tensor()), "two tensors are named w"),
    // A string of Python 2, and one from the memo.
    (entries + [0x55, 1, 0x77, 0x4E, 0x73], "two entries are named w"),
    (memoised + [0x68, 0, 0x4E, 0x73], "it appears twice"),
    (call("collections", "Counter", [entries]) + set("w", [0x4E]), "two entries are named w"),
    (Wire.dictionary([("a", entries), ("a", entries)]), "two entries are named a"),
    (Wire.dictionary([("v", Wire.tensor()), ("a", entries), ("a", [0x4E])]), "two entries are named a"),
    // Too long for the key of anything but a tensor.
    (Wire.dictionary([(long, Wire.tensor())]) + set(long, [0x4E]), "two entries are named kkk"),
  ]

  /// Python keeps the last of two equal keys. Nothing that saves dictionaries writes two.
  @Test(arguments: equalKeys.indices) func equalKeysAreRefused(index: Int) {
    let (body, words) = Self.equalKeys[index]
    let message = refusal(of: Wire.stream(body))
    #expect(message?.contains(words) == true, "\(message ?? "accepted")")
  }

  /// Bytes, numbers and tuples equal no string.
  @Test(
    arguments: [
      [0x43, 1, 0x77], [0x4B, 1], [0x88], [0x4E], [0x4B, 1, 0x85],
      call("_codecs", "encode", [Wire.text("w"), Wire.text("latin1")]),
    ] as [[UInt8]])
  func otherKeysAreNotTheSame(key: [UInt8]) throws {
    #expect(try Wire.values(Self.entries + key + [0x4E, 0x73]) == [0, 1, 2, 3])
  }

  /// In Python, each of these equals "w".
  @Test(
    arguments: [
      (Array("V\\u0077\n".utf8), "is a string with escapes"), (Array("S'\\x77'\n".utf8), "is a string with escapes"),
      (call("numpy", "str_", [Wire.text("w")]), "is an object made by numpy.str_"),
      (call("_codecs", "encode", [Wire.text("j"), Wire.text("rot13")]), "is an object made by _codecs.encode"),
    ] as [([UInt8], String)])
  func keysThatMayBeEqualAreRefused(key: [UInt8], words: String) throws {
    let other: [UInt8] = key + [0x4E, 0x73]
    let top = refusal(of: Wire.stream(Self.entries + other))
    #expect(top?.contains("a key at the top \(words), which may equal another key") == true, "\(top ?? "accepted")")
    let around = refusal(of: Wire.stream(Wire.dictionary([("a", Self.entries)]) + other))
    #expect(around?.contains("a key at the top \(words)") == true, "\(around ?? "accepted")")
    let within = refusal(of: Wire.stream(Wire.dictionary([("a", Self.entries + other)])))
    #expect(within?.contains("a key of 'a' \(words)") == true, "\(within ?? "accepted")")
    let labels: [UInt8] = [0x7D] + other
    #expect(try Wire.values(Wire.dictionary([("labels", labels), ("w", Wire.tensor())])) == [0, 1, 2, 3])
  }

  /// A name that consists of several keys may be that of another tensor, even if one of them cannot be read.
  @Test func equalNamesOfSeveralKeysAreRefused() throws {
    let quantised = Self.call("torch._utils", "_rebuild_qtensor", [])
    for (flat, nested) in [(Wire.tensor(), quantised), (quantised, Wire.tensor())] {
      let body = Wire.dictionary([("a.w", flat), ("a", Wire.dictionary([("w", nested)]))])
      let outline = try Self.outline(body)
      #expect {
        _ = try outline.checkpoint(of: [0, 1])
      } throws: { "\($0)".contains("two tensors are named a.w") }
    }
  }

  // MARK: - One dictionary in several places

  private static let shared: [UInt8] = entries + [0x71, 5]

  @Test func sharedPartsBelongToEachNetwork() throws {
    let first = Wire.dictionary([("trunk", Self.entries), ("head", Self.shared)])
    let second = Wire.dictionary([("trunk", Self.entries), ("head", [0x68, 5])])
    let expected: [[String]] = [["a", "trunk"], ["a", "head"], ["b", "trunk"], ["b", "head"]]
    #expect(try Self.paths(Wire.dictionary([("a", first), ("b", second)])) == expected)
    // A part that holds itself.
    let entry = Self.set("w", Wire.tensor())
    let cycle: [UInt8] = [0x7D, 0x71, 5] + entry + Self.set("itself", [0x68, 5])
    let around = Wire.dictionary([("trunk", Self.entries), ("head", cycle)])
    #expect(try Self.paths(Wire.dictionary([("a", around), ("b", second)])) == expected)
  }

  @Test func aNetworkInSeveralPlacesIsOne() throws {
    let again: [UInt8] = [0x68, 5]
    let within = Wire.dictionary([("c", again), ("epoch", Wire.int(1))])
    #expect(try Self.paths(Wire.dictionary([("a", Self.shared), ("b", again)])) == [["a"]])
    #expect(try Self.paths(Wire.dictionary([("a", Self.shared), ("b", within)])) == [["a"]])
    let reversed = Wire.dictionary([("b", Wire.dictionary([("c", Self.shared)])), ("a", again)])
    #expect(try Self.paths(reversed) == [["b", "c"]])
    // The optimiser's tensors are next to both.
    let optimiser = ("optimizer", Wire.dictionary([("momentum", Wire.tensor())]))
    #expect(
      try Self.paths(Wire.dictionary([("a", Self.shared), ("b", again), optimiser])) == [["a"], ["optimizer"]])
  }

  @Test(.timeLimit(.minutes(1))) func sharedPartsDoNotExpandWithoutBound() {
    let value: [UInt8] = [0x68, 0]
    let part = Wire.dictionary((0..<3000).map { ("k\($0)", value) }) + [0x71, 1]
    let networks = (0..<2000).map { ("n\($0)", Wire.dictionary([("trunk", value), ("head", [0x68, 1])])) }
    let first = ("w", Wire.tensor() + [0x71, 0])
    let body = Wire.dictionary([first, ("part", part)] + networks)
    #expect(refusal(of: Wire.stream(body))?.contains("elements of containers in several places") == true)
  }
}
