import Checkpoints
import Testing

/// Names of classes that training scripts save alongside the tensors.
@Suite struct ClassNamesTests {
  private static func list(_ names: [String]) -> [UInt8] {
    [0x5D, 0x28] + names.flatMap { PickleTests.text($0) } + [0x65]
  }

  private static func tuple(_ names: [String]) -> [UInt8] { PickleTests.tuple(names.map { PickleTests.text($0) }) }

  private static func toIndices(_ pairs: [(String, Int)]) -> [UInt8] {
    PickleTests.dictionary(pairs.map { ($0.0, PickleTests.int($0.1)) })
  }

  private static func ofIndices(_ pairs: [(Int, String)]) -> [UInt8] {
    let items: [UInt8] = pairs.flatMap { PickleTests.int($0.0) + PickleTests.text($0.1) }
    return [0x7D, 0x28] + items + [0x75]
  }

  /// The names that a checkpoint has with these entries next to its state dict.
  private static func names(_ entries: [(String, [UInt8])]) throws -> [String] {
    let state = PickleTests.dictionary([("fc.weight", PickleTests.tensor())])
    let bytes = PickleTests.stream(PickleTests.dictionary([("state_dict", state)] + entries))
    return try TemporaryFile(bytes).read().classNames
  }

  @Test func everyFormIsReadInTheClassifiersOrder() throws {
    let (names, order) = (["dog", "cat", "axolotl"], ["dog": 0, "cat": 1, "axolotl": 2])
    let pairs = order.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    #expect(try Self.names([("classes", Self.list(names))]) == names)
    #expect(try Self.names([("CLASSES", Self.tuple(names))]) == names)
    #expect(try Self.names([("class_to_idx", Self.toIndices(pairs))]) == names)
    #expect(try Self.names([("idx_to_class", Self.ofIndices(pairs.map { ($0.1, $0.0) }))]) == names)
    let texts = pairs.map { ("\($0.1)", PickleTests.text($0.0)) }
    #expect(try Self.names([("id2label", PickleTests.dictionary(texts))]) == names)
    // In the dictionary of a script's settings, and twice where both agree.
    let settings = PickleTests.dictionary([("class_names", Self.list(names))])
    #expect(try Self.names([("hyper_parameters", settings), ("classes", Self.list(names))]) == names)
  }

  /// Thousands of dictionaries whose classes are the same dictionary.
  @Test(.timeLimit(.minutes(1))) func sharedDictionariesAreReadOnce() throws {
    let names = (0..<5000).map { "n\($0)" }
    let shared = Self.toIndices(names.enumerated().map { ($1, $0) }) + [0x71, 0]
    let others = (0..<5000).map { ("d\($0)", PickleTests.dictionary([("classes", [0x68, 0])])) }
    #expect(try Self.names([("classes", shared)] + others) == names)
  }

  /// Lists that have their texts in common, which would be copied for each.
  @Test func sharedTextsAreCounted() throws {
    let texts = (0..<64).map { PickleTests.text("\($0)" + String(repeating: "x", count: 1000)) + [0x71, UInt8($0)] }
    let first: [UInt8] = [0x5D, 0x28] + texts.joined() + [0x65]
    let again: [UInt8] = [0x5D, 0x28] + (0..<64).flatMap { [0x68, UInt8($0)] } + [0x65]
    let reversed: [UInt8] = [0x5D, 0x28] + (0..<64).reversed().flatMap { [0x68, UInt8($0)] } + [0x65]
    func names(_ count: Int) throws -> [String] {
      let lists = (0..<count).map { ("d\($0)", PickleTests.dictionary([("classes", again)])) }
      return try Self.names(
        [("classes", first)] + lists + [("last", PickleTests.dictionary([("classes", reversed)]))])
    }
    #expect(try names(4).isEmpty)
    #expect(try names(1000).count == 64)
  }

  @Test func whatIsNoListOfClassesIsNone() throws {
    #expect(try Self.names([]).isEmpty)
    #expect(try Self.names([("epoch", PickleTests.int(3))]).isEmpty)
    #expect(try Self.names([("classes", PickleTests.int(3))]).isEmpty)
    #expect(try Self.names([("classes", Self.list(["a"]))]).isEmpty)
    #expect(try Self.names([("classes", Self.list(["a", "a"]))]).isEmpty)
    // Gaps, and an index that is there twice.
    #expect(try Self.names([("class_to_idx", Self.toIndices([("a", 0), ("b", 2)]))]).isEmpty)
    #expect(try Self.names([("class_to_idx", Self.toIndices([("a", 0), ("b", 0)]))]).isEmpty)
    #expect(try Self.names([("class_to_idx", Self.toIndices([("a", -1), ("b", 0)]))]).isEmpty)
    // Two that contradict each other.
    #expect(try Self.names([("classes", Self.list(["a", "b"])), ("labels", Self.list(["b", "a"]))]).isEmpty)
  }
}
