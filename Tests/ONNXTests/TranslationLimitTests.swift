import Checkpoints
import Graphs
import ModelImport
import Operators
import Testing

/// ONNX models of a few bytes whose translation could take minutes or gigabytes, and what messages show of them.
@Suite struct TranslationLimitTests {
  // MARK: Memory

  /// Zeros, as the indices of channels.
  private static func zeros(_ count: Int) -> (node: [UInt8], tensor: [UInt8]) {
    let zero =
      Message.text(1, "value") + Message.bytes(5, Message.tensor("", [1], type: 7, [Int64(0)])) + Message.integer(20, 4)
    return (
      Message.node("ConstantOfShape", ["n"], "zeros") + Message.bytes(5, zero),
      Message.tensor("n", [1], type: 7, [Int64(count)])
    )
  }

  @Test(.timeLimit(.minutes(1))) func constantsOfWideMapsAreRefused() throws {
    let count = 1 << 18
    let (zeros, size) = Self.zeros(count)
    var nodes = [zeros, Message.node("Gather", ["x", "zeros"], "y0", ["axis": 1])]
    for index in 0..<60 {
      nodes.append(Message.node("Mul", ["y\(index)", "k"], "z\(index)"))
      nodes.append(Message.node("Relu", ["z\(index)"], "y\(index + 1)"))
    }
    let tensors = [size, Message.tensor("k", [], type: 1, [Float(1.5)])]
    let message = Self.refusal { try Self.network(nodes, tensors, last: "y60") }
    #expect(message?.contains("bytes of constants or lists of channels") == true, "\(message ?? "accepted")")
  }

  @Test(.timeLimit(.minutes(1))) func listsOfChannelsAreCounted() throws {
    let count = 1 << 17
    let (zeros, size) = Self.zeros(count)
    var nodes = [zeros, Message.node("Gather", ["x", "zeros"], "g", ["axis": 1]), Message.node("Relu", ["g"], "y")]
    var tensors = [size, Message.tensor("axis", [1], type: 7, [Int64(1)])]
    for index in 0..<60 {
      tensors.append(Message.tensor("s\(index)", [1], type: 7, [Int64(index)]))
      tensors.append(Message.tensor("e\(index)", [1], type: 7, [Int64(count - 60 + index)]))
      nodes.append(Message.node("Slice", ["y", "s\(index)", "e\(index)", "axis"], "p\(index)"))
      nodes.append(Message.node("Relu", ["p\(index)"], "r\(index)"))
      nodes.append(Message.node("Add", [index == 0 ? "r0" : "t\(index - 1)", "r\(index)"], "t\(index)"))
    }
    let message = Self.refusal { try Self.network(nodes, tensors, last: "t59") }
    #expect(message?.contains("bytes of constants or lists of channels") == true, "\(message ?? "accepted")")
  }

  @Test func selectionsOfUsualSizesAreRead() throws {
    let (zeros, size) = Self.zeros(4096)
    let nodes = [zeros, Message.node("Gather", ["x", "zeros"], "y", ["axis": 1])]
    let graph = try Self.network(nodes, [size], last: "y").graph
    #expect(graph.nodes.contains { ($0.op as? ChannelSelection)?.channels.count == 4096 })
  }

  @Test(.timeLimit(.minutes(1))) func wideConcatenationsAreRefused() throws {
    let names = [String](repeating: "x", count: 1024)
    let widest = try Self.network([Message.node("Concat", names, "y", ["axis": 1])], last: "y").graph
    #expect(widest.nodes.contains { $0.op is Concatenation && $0.inputs.count == 1024 })
    for count in [1025, 100_000] {
      let names = [String](repeating: "x", count: count)
      let message = Self.refusal { try Self.network([Message.node("Concat", names, "y", ["axis": 1])], last: "y") }
      #expect(message?.contains("has \(count) inputs") == true, "\(message ?? "accepted")")
    }
  }

  // MARK: Time

  /// Each product could be a gate of any value before it.
  @Test(.timeLimit(.minutes(1))) func longChainsAreTranslated() throws {
    let count = 3000
    var nodes = (0..<count).map { Message.node("Add", [$0 == 0 ? "x" : "a\($0 - 1)", "h"], "a\($0)") }
    nodes += (0..<count).map {
      Message.node("Mul", [$0 == 0 ? "a\(count - 2)" : "m\($0 - 1)", "a\(count - 1)"], "m\($0)")
    }
    let graph = try Self.network(nodes, [Message.tensor("h", [], type: 1, [Float(0.5)])], last: "m\(count - 1)").graph
    #expect(graph.nodes.count { $0.op is BatchNormalization } == count)
    #expect(graph.nodes.count { $0.op is Multiplication } == count)
  }

  @Test func gatesAreFoundThroughArithmetic() throws {
    let numbers: [(name: String, value: Float)] = [("three", 3), ("sixth", 1 / 6), ("six", 6), ("zero", 0)]
    let nodes = [
      Message.node("Add", ["x", "three"], "a"), Message.node("Clip", ["a", "zero", "six"], "b"),
      Message.node("Mul", ["b", "sixth"], "c"), Message.node("Mul", ["x", "c"], "y"),
    ]
    let tensors = numbers.map { Message.tensor($0.name, [], type: 1, [$0.value]) }
    let graph = try Self.network(nodes, tensors, last: "y").graph
    #expect(graph.nodes.contains { ($0.op as? Nonlinearity)?.function == .hardSwish })
  }

  /// Each output is tried, with a copy of the run.
  @Test(.timeLimit(.minutes(1))) func manyOutputsOfManyInitialisersAreTried() throws {
    var nodes = Self.pooling("x")
    for index in 0..<31 {
      nodes.append(Message.node("Relu", ["embedding"], "o\(index)"))
      nodes.append(Message.node("Mystery", ["o\(index)"], "u\(index)"))
    }
    let outputs = (0..<31).flatMap { ["o\($0)", "u\($0)"] }
    let tensors = (0..<20_000).map { Message.tensor("i\($0)", [0], type: 1, [Float]()) }
    let model = Self.model(nodes, tensors, outputs: ["embedding"] + outputs, dimensions: [1, 3, nil, nil])
    #expect {
      try Self.read(model)
    } throws: { "\($0)".contains("and 23 more are all computed from the embedding") }
  }

  // MARK: Messages

  @Test func messagesShowTheFirstItems() throws {
    let weight = Message.tensor("w", [3, 3, 3, 3], type: 1, [Float](repeating: 0, count: 81))
    let names = [String](repeating: "x", count: 1000) + ["y"]
    let nodes = [Message.node("Conv", ["x", "w"], "y"), Message.node("Concat", names, "z", ["axis": 1])]
    let joined = try #require(Self.refusal { try Self.network(nodes, [weight], last: "z") })
    #expect(joined.contains(" and 993 more"), "\(joined)")
    #expect(joined.utf8.count < 1000)

    let axes = (0..<100_000).flatMap { _ in Message.integer(8, 2) }
    let list = Message.bytes(5, Message.text(1, "perm") + axes + Message.integer(20, 7))
    let transpose = Message.node("Transpose", ["x"], "z") + list
    let permuted = try #require(Self.refusal { try Self.network([transpose], last: "z") })
    #expect(permuted.contains("cannot permute"), "\(permuted)")
    #expect(permuted.utf8.count < 3000)
  }

  /// People copy the options that messages suggest.
  @Test(arguments: [
    ("logits", "logits"), ("head/fc.0:1-a_B", "head/fc.0:1-a_B"), ("a b;touch /tmp/x #", "'a b;touch /tmp/x #'"),
    ("it's", "'it'\\''s'"), ("$(id)", "'$(id)'"), ("größe", "'größe'"),
  ]) func suggestedOptionsAreQuoted(name: String, word: String) throws {
    let nodes = Self.pooling("x", output: "pooled") + [Message.node("Gemm", ["pooled", "w"], name, ["transB": 1])]
    let weight = Message.tensor("w", [5, 3], type: 1, [Float](repeating: 1, count: 15))
    let network = try Self.read(Self.model(nodes, [weight], outputs: [name]))
    let options = network.assumptions.compactMap(\.option).filter { $0.hasPrefix("--embedding-output") }
    // An output of this name is the logits.
    #expect(options == (name == "logits" ? [] : ["--embedding-output \(word)"]))
  }

  // MARK: Models

  private static func pooling(_ input: String, output: String = "embedding") -> [[UInt8]] {
    [Message.node("GlobalAveragePool", [input], "p"), Message.node("Flatten", ["p"], output)]
  }

  /// A network of one pooling, before which there are further nodes.
  private static func network(
    _ nodes: [[UInt8]], _ tensors: [[UInt8]] = [], last: String
  ) throws -> ImportedNetwork {
    try read(model(nodes + pooling(last), tensors, outputs: ["embedding"]))
  }

  private static func read(_ model: [UInt8]) throws -> ImportedNetwork {
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(model))
    return try ModelImporter().importNetwork(try #require(checkpoint.network))
  }

  private static func refusal(_ body: () throws -> ImportedNetwork) -> String? {
    do {
      _ = try body()
      return nil
    } catch { return "\(error)" }
  }

  private static func model(
    _ nodes: [[UInt8]], _ tensors: [[UInt8]], outputs: [String], dimensions: [Int?] = [1, 3, 8, 8]
  ) -> [UInt8] {
    var graph: [UInt8] = nodes.flatMap { Message.bytes(1, $0) } + Message.text(2, "toy")
    graph += tensors.flatMap { Message.bytes(5, $0) }
    let shape = dimensions.flatMap { Message.bytes(1, $0.map { Message.integer(1, $0) } ?? Message.text(2, "d")) }
    graph += Message.bytes(
      11, Message.text(1, "x") + Message.bytes(2, Message.bytes(1, Message.integer(1, 1) + Message.bytes(2, shape))))
    graph += outputs.flatMap {
      Message.bytes(12, Message.text(1, $0) + Message.bytes(2, Message.bytes(1, Message.integer(1, 1))))
    }
    return Message.model(graph: graph)
  }
}
