import Checkpoints
import Testing

/// ONNX models of a few bytes that stand for many.
@Suite struct ONNXLimitTests {
  // MARK: Functions

  /// A function of one Relu, with more in it or in the function itself.
  private static func function(_ more: [UInt8] = [], attributes: [UInt8] = [], inputs: Int = 1) -> [UInt8] {
    let node = Message.text(1, "i0") + Message.text(2, "b") + Message.text(4, "Relu") + attributes
    return Message.text(1, "f") + (0..<inputs).flatMap { Message.text(4, "i\($0)") } + Message.text(5, "b")
      + Message.bytes(7, node) + Message.text(10, "d")
      + more
  }

  /// A model that calls a function, each call with the result of the one before it.
  private static func model(_ function: [UInt8], calls: Int) -> [UInt8] {
    let nodes = (0..<calls).flatMap {
      Message.bytes(
        1,
        Message.text(1, $0 == 0 ? "x" : "c\($0 - 1)") + Message.text(2, "c\($0)") + Message.text(4, "f")
          + Message.text(7, "d"))
    }
    return Message.model(graph: nodes) + Message.bytes(25, function)
  }

  private static func branch(_ graph: [UInt8]) -> [UInt8] {
    Message.bytes(5, Message.text(1, "then_branch") + Message.bytes(6, graph) + Message.integer(20, 5))
  }

  private static func initializer(_ name: String) -> [UInt8] {
    Message.integer(1, 0) + Message.integer(2, 1) + Message.text(8, name)
  }

  private static func count(_ count: Int, _ item: (Int) -> [UInt8]) -> [UInt8] { (0..<count).flatMap(item) }

  private let scratch: Scratch

  init() throws { scratch = try Scratch() }

  private func read(_ model: [UInt8]) throws -> Checkpoint { try Checkpoint.read(path: try scratch.write(model)) }

  private func refusal(of model: [UInt8]) -> String? {
    do {
      _ = try read(model)
      return nil
    } catch { return "\(error)" }
  }

  @Test(.timeLimit(.minutes(1))) func whatCallsCopyIsLimited() throws {
    let functions = [
      Self.function(attributes: Self.branch(Self.count(5000) { Message.bytes(5, Self.initializer("i\($0)")) })),
      Self.function(attributes: Self.branch(Self.count(10_000) { Message.bytes(12, Message.text(1, "o\($0)")) })),
      Self.function(
        attributes: Self.count(5000) {
          Message.bytes(5, Message.text(1, "a\($0)") + Message.integer(3, 1) + Message.integer(20, 2))
        }),
    ]
    for function in functions {
      #expect(refusal(of: Self.model(function, calls: 8000))?.contains("the number of nodes in functions") == true)
      // A few calls are read.
      #expect(try read(Self.model(function, calls: 3)).network?.nodes.count == 3)
    }
  }

  /// Inputs and attributes that no call states cost nothing for each call.
  @Test(.timeLimit(.minutes(1))) func whatCallsLeaveOutIsNotCopied() throws {
    let defaults = Self.count(5000) {
      Message.bytes(11, Message.text(1, "a\($0)") + Message.integer(3, $0) + Message.integer(20, 2))
    }
    let reference = Message.bytes(5, Message.text(1, "alpha") + Message.text(21, "a7") + Message.integer(20, 2))
    let function = Self.function(defaults, attributes: reference, inputs: 5000)
    let network = try #require(try read(Self.model(function, calls: 5000)).network)
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
    Message.integer(1, 1) + Message.integer(2, 1) + Message.text(8, name)
      + Message.bytes(13, Message.text(1, "location") + Message.text(2, location))
      + Message.bytes(13, Message.text(1, "length") + Message.text(2, "4")) + Message.integer(14, 1)
  }

  /// Each file counts once, however its path is spelled.
  @Test func externalFilesAreCountedOnce() throws {
    let (name, otherName) = ("data", "other")
    _ = try scratch.write([UInt8](repeating: 0, count: 1000), to: name)
    _ = try scratch.write([0, 0, 0, 0], to: otherName)
    let spellings = [name, "./\(name)", ".//\(name)", "././/./\(name)", otherName]
    let tensors = spellings.enumerated().flatMap { Message.bytes(5, Self.external("t\($0)", $1)) }
    let checkpoint = try read(Message.model(graph: tensors))
    let network = try #require(checkpoint.network)
    #expect(network.externalFiles == [name, otherName])
    #expect(network.byteCount == Message.model(graph: tensors).count + 1004)
    #expect(checkpoint.byteCount == network.byteCount)
    #expect(checkpoint.tensors.count == spellings.count)
  }

  /// Spellings of a file that was read are refused where the file system refuses them.
  @Test func otherSpellingsAreStillRefused() throws {
    let name = "data"
    _ = try scratch.write([0, 0, 0, 0], to: name)
    for spelling in ["\(name)/", "\(name)/.", "/\(name)", "a/../\(name)", "./../\(name)"] {
      let tensors = [name, spelling].enumerated().flatMap { Message.bytes(5, Self.external("t\($0)", $1)) }
      #expect(refusal(of: Message.model(graph: tensors)) != nil, "\(spelling)")
    }
  }
}
