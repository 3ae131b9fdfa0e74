import Checkpoints
import Testing

/// ONNX models of a few bytes that stand for many.
@Suite struct ONNXLimitTests {
  // MARK: Functions

  /// A function of one Relu, with more in it or in the function itself.
  private static func function(_ more: [UInt8] = [], attributes: [UInt8] = [], inputs: Int = 1) -> [UInt8] {
    let node = text(1, "i0") + text(2, "b") + text(4, "Relu") + attributes
    return text(1, "f") + (0..<inputs).flatMap { text(4, "i\($0)") } + text(5, "b") + bytes(7, node) + text(10, "d")
      + more
  }

  /// A model that calls a function, each call with the result of the one before it.
  private static func model(_ function: [UInt8], calls: Int) -> [UInt8] {
    let nodes = (0..<calls).flatMap {
      bytes(1, text(1, $0 == 0 ? "x" : "c\($0 - 1)") + text(2, "c\($0)") + text(4, "f") + text(7, "d"))
    }
    return model(graph: nodes) + bytes(25, function)
  }

  private static func model(graph: [UInt8]) -> [UInt8] {
    integer(1, 8) + bytes(7, graph) + bytes(8, integer(2, 17))
  }

  private static func branch(_ graph: [UInt8]) -> [UInt8] {
    bytes(5, text(1, "then_branch") + bytes(6, graph) + integer(20, 5))
  }

  private static func initializer(_ name: String) -> [UInt8] { integer(1, 0) + integer(2, 1) + text(8, name) }

  private static func count(_ count: Int, _ item: (Int) -> [UInt8]) -> [UInt8] { (0..<count).flatMap(item) }

  @Test(.timeLimit(.minutes(1))) func whatCallsCopyIsLimited() throws {
    let functions = [
      Self.function(attributes: Self.branch(Self.count(5000) { Self.bytes(5, Self.initializer("i\($0)")) })),
      Self.function(attributes: Self.branch(Self.count(10_000) { Self.bytes(12, Self.text(1, "o\($0)")) })),
      Self.function(
        attributes: Self.count(5000) {
          Self.bytes(5, Self.text(1, "a\($0)") + Self.integer(3, 1) + Self.integer(20, 2))
        }),
    ]
    for function in functions {
      #expect(refusal(of: Self.model(function, calls: 8000))?.contains("the number of nodes in functions") == true)
      // A few calls are read.
      #expect(try TemporaryFile(Self.model(function, calls: 3)).read().network?.nodes.count == 3)
    }
  }

  /// Inputs and attributes that no call states cost nothing for each call.
  @Test(.timeLimit(.minutes(1))) func whatCallsLeaveOutIsNotCopied() throws {
    let defaults = Self.count(5000) {
      Self.bytes(11, Self.text(1, "a\($0)") + Self.integer(3, $0) + Self.integer(20, 2))
    }
    let reference = Self.bytes(5, Self.text(1, "alpha") + Self.text(21, "a7") + Self.integer(20, 2))
    let function = Self.function(defaults, attributes: reference, inputs: 5000)
    let network = try #require(try TemporaryFile(Self.model(function, calls: 5000)).read().network)
    #expect(network.nodes.count == 5000)
    #expect(network.nodes.last?.inputs == ["c4998"])
    #expect(network.nodes.last?.outputs == ["c4999"])
    guard case .int(7)? = network.nodes.last?.attributes["alpha"] else {
      Issue.record("the default does not apply")
      return
    }
  }

  // MARK: External data

  private static func external(_ name: String, _ location: String) -> [UInt8] {
    integer(1, 1) + integer(2, 1) + text(8, name) + bytes(13, text(1, "location") + text(2, location))
      + bytes(13, text(1, "length") + text(2, "4")) + integer(14, 1)
  }

  /// Each file counts once, however its path is spelled.
  @Test func externalFilesAreCountedOnce() throws {
    let (data, other) = (TemporaryFile([UInt8](repeating: 0, count: 1000)), TemporaryFile([0, 0, 0, 0]))
    let name = String(try #require(data.path.split(separator: "/").last))
    let otherName = String(try #require(other.path.split(separator: "/").last))
    let spellings = [name, "./\(name)", ".//\(name)", "././/./\(name)", otherName]
    let tensors = spellings.enumerated().flatMap { Self.bytes(5, Self.external("t\($0)", $1)) }
    let model = TemporaryFile(Self.model(graph: tensors))
    let checkpoint = try model.read()
    let network = try #require(checkpoint.network)
    #expect(network.externalFiles == [name, otherName])
    #expect(network.byteCount == Self.model(graph: tensors).count + 1004)
    #expect(checkpoint.byteCount == network.byteCount)
    #expect(checkpoint.tensors.count == spellings.count)
  }

  /// Spellings of a file that was read are refused where the file system refuses them.
  @Test func otherSpellingsAreStillRefused() throws {
    let data = TemporaryFile([0, 0, 0, 0])
    let name = String(try #require(data.path.split(separator: "/").last))
    for spelling in ["\(name)/", "\(name)/.", "/\(name)", "a/../\(name)", "./../\(name)"] {
      let tensors = [name, spelling].enumerated().flatMap { Self.bytes(5, Self.external("t\($0)", $1)) }
      #expect(refusal(of: Self.model(graph: tensors)) != nil, "\(spelling)")
    }
  }

  // MARK: The wire format

  private static func varint(_ value: Int) -> [UInt8] {
    var (rest, bytes) = (UInt64(bitPattern: Int64(value)), [UInt8]())
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  private static func integer(_ field: Int, _ value: Int) -> [UInt8] { varint(field << 3) + varint(value) }

  private static func bytes(_ field: Int, _ content: [UInt8]) -> [UInt8] {
    varint(field << 3 | 2) + varint(content.count) + content
  }

  private static func text(_ field: Int, _ content: String) -> [UInt8] { bytes(field, Array(content.utf8)) }
}
