import Checkpoints
import Files
import Foundation
import Testing

/// Pickles and JSON of plain values, as ground truth has them.
@Suite struct PlainPickleTests {
  private static let revisited = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("fixtures/retrieval/revisited")

  private static func reading<Value>(_ bytes: [UInt8], _ read: (String) throws -> Value) throws -> Value {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("quern-\(UUID().uuidString)")
    try Data(bytes).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    return try read(url.path)
  }

  /// What Python wrote in several protocols, with lists or with arrays of NumPy, is what it wrote as JSON.
  @Test(
    arguments: ["gnd_roxford5k.pkl", "gnd_rparis6k.pkl"] + [0, 2, 3, 5].map { "gnd_arrays_protocol\($0).pkl" })
  func picklesEqualJSON(name: String) throws {
    let pickle = try PlainPickle.read(path: Self.revisited.appendingPathComponent(name).path)
    let json = try PlainValue.readJSON(path: Self.revisited.appendingPathComponent("gnd_roxford5k.json").path)
    func numbers(_ value: PlainValue) -> PlainValue {
      switch value {
      case .int(let value): .double(Double(value))
      case .list(let values): .list(values.map(numbers))
      case .dictionary(let members): .dictionary(members.mapValues(numbers))
      default: value
      }
    }
    #expect(numbers(pickle) == numbers(json))
    guard case .dictionary(let members) = pickle, case .list(let names)? = members["imlist"] else {
      return #expect(Bool(false), "no list of names")
    }
    #expect(names.count == 6)
  }

  /// `os.system('true')`: protocol 0, as hand-written exploits have it.
  @Test func aPickleThatRunsCommandsIsRefused() {
    #expect {
      try Self.reading(Array("cos\nsystem\n(S'true'\ntR.".utf8), PlainPickle.read)
    } throws: { "\($0)".contains("os.system") }
  }

  /// The message names what is no plain value, and says what to do.
  @Test func otherObjectsAreRefused() {
    #expect {
      try Self.reading(Array("cnumpy\narray\n((lp0\ntR.".utf8), PlainPickle.read)
    } throws: { "\($0)".contains("numpy.array") && "\($0)".contains("JSON") }
  }

  /// Arrays with a state that contradicts itself: too few bytes, a side below 0, sides whose product is too large, an
  /// element type of complex numbers, and no state.
  @Test(
    arguments: [
      ("(I3\ntp1\n", "i8", "bytes"), ("(I-1\ntp1\n", "i8", "side"),
      ("(I4294967296\nI4294967296\nI4294967296\ntp1\n", "i8", "limit"), ("(I1\ntp1\n", "c8", "c8"),
      (nil, "i8", "state"),
      ("(I1\ntp1\n", String(repeating: "i", count: 17), "the element type of an array is"),
      ("(" + String(repeating: "I1\n", count: 65) + "tp1\n", "i8", "the shape of an array is a tuple of 65"),
    ] as [(String?, String, String)])
  func damagedArraysAreRefused(shape: String?, type: String, problem: String) {
    let made = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    let state = shape.map { "(I1\n\($0)cnumpy\ndtype\n(S'\(type)'\nI0\nI1\ntRI00\nS'12345678'\ntb" } ?? ""
    #expect {
      try Self.reading(Array((made + state + ".").utf8), PlainPickle.read)
    } throws: { "\($0)".contains(problem) }
  }

  /// The order of a buffer is one letter, which many arrays could refer to.
  @Test func longOrdersOfArraysAreRefused() {
    let type = "cnumpy\ndtype\n(S'i8'\nI0\nI1\ntR"
    let array = "cnumpy.core.numeric\n_frombuffer\n(S'12345678'\n\(type)(I1\ntS'FF'\ntR."
    #expect {
      try Self.reading(Array(array.utf8), PlainPickle.read)
    } throws: { "\($0)".contains("the order of an array of NumPy is the string") }
  }

  /// A thousand dictionaries whose key is one text of 64 KB.
  @Test func sharedKeysDoNotExpandWithoutBound() {
    var bytes: [UInt8] =
      [0x80, 2] + PickleTests.text(String(repeating: "k", count: 1 << 16)) + [0x71, 0, 0x30, 0x5D, 0x28]
    for _ in 0..<1000 { bytes += [0x7D, 0x68, 0, 0x4B, 1, 0x73] }
    bytes += [0x65, 0x2E]
    #expect { try Self.reading(bytes, PlainPickle.read) } throws: { "\($0)".contains("bytes of texts") }
  }

  /// A list of two references to a list of two references ..., 40 levels deep, would expand to 2^40 values; a list that
  /// holds itself has no end.
  @Test func sharedListsDoNotExpandWithoutBound() {
    var wide: [UInt8] = [0x80, 2, 0x5D, 0x71, 0, 0x30]
    for level in 1...40 {
      wide += [0x5D, 0x28, 0x68, UInt8(level - 1), 0x68, UInt8(level - 1), 0x65, 0x71, UInt8(level), 0x30]
    }
    wide += [0x68, 40, 0x2E]
    #expect { try Self.reading(wide, PlainPickle.read) } throws: { "\($0)".contains("limit") }
    #expect {
      try Self.reading([0x80, 2, 0x5D, 0x71, 0, 0x68, 0, 0x61, 0x2E], PlainPickle.read)
    } throws: { "\($0)".contains("limit") }
  }

  @Test(arguments: [
    "{\"a\": [1, -2.5e3, true, null, \"\\u00e9\"]}", " [ ] ", "\"x\"", "3",
  ])
  func jsonIsRead(text: String) throws {
    let value = try Self.reading(Array(text.utf8), PlainValue.readJSON)
    switch text {
    case " [ ] ": #expect(value == .list([]))
    case "3": #expect(value == .int(3))
    case "\"x\"": #expect(value == .string("x"))
    default: #expect(value == .dictionary(["a": .list([.int(1), .double(-2500), .bool(true), .null, .string("é")])]))
    }
  }

  @Test(arguments: ["", "{", "[1,]", "[1] 2", "{\"a\": 1, \"a\": 2}", "nul", "NaN", "[1e999]", "{1: 2}", "'a'"])
  func otherTextIsRefused(text: String) {
    #expect(throws: (any Error).self) { try Self.reading(Array(text.utf8), PlainValue.readJSON) }
  }

  @Test func deepJSONIsRefused() {
    let text = String(repeating: "[", count: 100_000)
    #expect(throws: (any Error).self) { try Self.reading(Array(text.utf8), PlainValue.readJSON) }
  }
}
