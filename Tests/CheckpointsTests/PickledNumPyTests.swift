import Checkpoints
import Files
import Tensors
import Testing

/// Arrays of NumPy in pickles of plain values, each as `pickle.loads` reads it, or refused.
@Suite struct PickledNumPyTests {
  private static func value(_ pickle: String) throws -> PlainValue {
    let bytes = Array(pickle.utf8)
    let storage = TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
    return try PlainPickle.read(try MappedFile(storage: storage, path: "arrays.pkl"))
  }

  private static func elements(_ code: String, _ state: String = "") -> String {
    "cnumpy\ndtype\n(S'\(code)'\nI0\nI1\ntR\(state)"
  }

  /// An array of one dimension.
  private static func array(
    _ type: String, count: Int = 1, _ data: String = "S'ab'\n", subtype: String = "cnumpy\nndarray\n"
  ) -> String {
    "cnumpy.core.multiarray\n_reconstruct\n(\(subtype)(I0\ntS'b'\ntR(I1\n(I\(count)\nt\(type)I00\n\(data)tb"
  }

  private static func buffer(_ order: String) -> String {
    "cnumpy.core.numeric\n_frombuffer\n(S'abcd'\n\(elements("i1"))(I2\nI2\ntS'\(order)'\ntR"
  }

  private static func state(_ order: String) -> String { "(I3\nS'\(order)'\nNNNI-1\nI-1\nI0\ntb" }

  private static func encoded(_ text: String, _ encoding: String) -> String {
    "c_codecs\nencode\n(\(text)\n\(encoding)tR"
  }

  /// The bytes 0x61 and 0x62 are 25185 in little-endian order, and 24930 in big-endian order. The state of the element
  /// type decides, and else the prefix of its code.
  @Test(
    arguments: [
      (elements("i2"), 25185), (elements(">i2"), 24930), (elements("<i2", state(">")), 24930),
      (elements(">i2", state("<")), 25185),
      (elements(">i2", state("|")), 25185), (elements("i2", "(I1\nS'>'\nNNI-1\nI-1\ntb"), 24930),
    ] as [(String, Int)])
  func theStateDecidesTheByteOrder(type: String, number: Int) throws {
    #expect(try Self.value(Self.array(type) + ".") == .list([.int(number)]))
  }

  @Test func buffersAreReadInTheirOrder() throws {
    let (rows, columns) = ([[97, 98], [99, 100]], [[97, 99], [98, 100]])
    for (order, expected) in [("C", rows), ("F", columns)] {
      let lists = expected.map { PlainValue.list($0.map { .int($0) }) }
      #expect(try Self.value(Self.buffer(order) + ".") == .list(lists))
    }
  }

  /// An escape is `\u` after no other backslash that is left over.
  @Test func bytesAreLatin1() throws {
    let latin1 = "S'latin1'\n"
    let escaped = Self.array(Self.elements("i1"), count: 2, Self.encoded("V\\u0061b", latin1))
    #expect(try Self.value(escaped + ".") == .list([.int(97), .int(98)]))
    let backslashes = Self.array(Self.elements("i1"), count: 7, Self.encoded("V\\\\u0061", latin1))
    let numbers = [92, 92, 117, 48, 48, 54, 49]
    #expect(try Self.value(backslashes + ".") == .list(numbers.map { .int($0) }))
  }

  @Test(
    arguments: [
      // The state of the first NumPy, which had the byte order at its start, and that of an array of pairs.
      (array(elements("i2", "(S'>'\nNNI-1\nI-1\ntb")), "the element type of an array is"),
      (array(elements("i2", "(I3\nS'<'\n(I2\ntNNI-1\nI-1\nI0\ntb")), "the element type of an array is"),
      (array(elements("i2", state("x"))), "the element type of an array is"),
      // An element that is set, an array whose class is not NumPy's, and a buffer with a state.
      (array(elements("i2")) + "I0\nI7\ns", "made by numpy.core.multiarray._reconstruct"),
      (array(elements("i2"), subtype: "cmine\nArray\n"), "made by numpy.core.multiarray._reconstruct"),
      (buffer("C") + "(I1\n(I1\nt\(elements("i1"))I00\nS'a'\ntb", "made by numpy.core.numeric._frombuffer"),
      (buffer("K"), "the order of an array of NumPy is the string"),
      // A type that changes once the array is made.
      (array(elements("i2") + "p5\n") + "g5\n\(state(">"))0", "the element type of an array is"),
      (array(elements("i1"), count: 2, encoded("S'ab'", "S'utf-8'\n")), "the bytes of an array are an object"),
      (array(elements("i1"), count: 2, encoded("S'ab'", "")), "the bytes of an array are an object"),
      (array(elements("i1"), "S'\\x61'\n"), "the bytes of an array are a string with escapes"),
      (array(elements("i1"), encoded("V\\U00000061", "S'latin1'\n")), "no Latin-1"),
    ] as [(String, String)])
  func othersAreRefused(pickle: String, words: String) {
    #expect {
      _ = try Self.value(pickle + ".")
    } throws: { "\($0)".contains(words) }
  }

  /// `defaultdict(None, {"a": 1})`, then `["b"] = 2`.
  @Test func argumentsOfDictionariesAreEntries() throws {
    let pickle = "ccollections\ndefaultdict\n(N(S'a'\nI1\ndtRS'b'\nI2\ns."
    #expect(try Self.value(pickle) == .dictionary(["a": .int(1), "b": .int(2)]))
  }
}
