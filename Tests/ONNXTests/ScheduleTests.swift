import Checkpoints
import Graphs
import ModelImport
import Testing

/// Models of up to a megabyte that once took seconds to minutes, as nodes were examined for each output and each size.
@Suite struct ScheduleTests {
  private static func read(_ nodes: [[UInt8]], outputs: [String], isSizeOpen: Bool) throws -> ImportedNetwork {
    var graph: [UInt8] = nodes.flatMap { Message.bytes(1, $0) } + Message.text(2, "toy")
    graph += Message.bytes(11, Wire.value("input", isSizeOpen ? [1, 3, -1, -1] : [1, 3, 8, 8]).bytes)
    graph += outputs.flatMap { Message.bytes(12, Wire.value($0, []).bytes) }
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(Message.model(graph: graph)))
    return try ModelImporter().importNetwork(try #require(checkpoint.network))
  }

  private static let embedding = [
    Message.node("GlobalAveragePool", ["input"], "p"), Message.node("Flatten", ["p"], "embedding"),
  ]

  private static func chain(_ count: Int, from input: String) -> [[UInt8]] {
    (0..<count).map { Message.node("Sigmoid", [$0 == 0 ? input : "s\($0 - 1)"], "s\($0)") }
  }

  @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func nodesOfManyInputsAreRefused(isSizeOpen: Bool) {
    let wide = Message.node("Relu", [String](repeating: "input", count: 200_000), "wide")
    let nodes = [wide] + (0..<64).map { Message.node("Relu", ["wide"], "o\($0)") }
    #expect {
      try Self.read(nodes, outputs: (0..<64).map { "o\($0)" }, isSizeOpen: isSizeOpen)
    } throws: { "\($0)".contains("has 200000 inputs, and quern reads at most 1024") }
  }

  /// Outputs all along a chain, which are no vectors.
  @Test(.timeLimit(.minutes(1)), arguments: [false, true]) func outputsOfALongChainAreTried(isSizeOpen: Bool) throws {
    let count = 8000
    let nodes = Self.embedding + Self.chain(count, from: "input")
    let outputs = ["embedding"] + (1...63).map { "s\(count - $0)" }
    let network = try Self.read(nodes, outputs: outputs, isSizeOpen: isSizeOpen)
    #expect(network.notes.count { $0.contains("is not one vector per image") } == 63)
    // Only the pooling and the norm are left.
    #expect(network.graph.nodes.count == 2)
  }

  /// A node that cannot be translated is tried once, and its outputs have its message.
  @Test func outputsOfAFailureHaveItsMessage() throws {
    let nodes =
      Self.embedding + [
        Message.node("Mystery", ["embedding"], "m"), Message.node("Relu", ["m"], "a"), Message.node("Relu", ["a"], "b"),
      ]
    let notes = try Self.read(nodes, outputs: ["embedding", "a", "b"], isSizeOpen: false).notes
    #expect(notes.count { $0.contains("Mystery") && $0.contains("is not read") } == 2, "\(notes)")
  }

  /// Too many nodes to be translated for several sizes in a second.
  @Test func longChainsAreReadForOneSize() throws {
    let nodes =
      Self.chain(12_000, from: "input") + [
        Message.node("GlobalAveragePool", ["s11999"], "p"), Message.node("Flatten", ["p"], "embedding"),
      ]
    let network = try Self.read(nodes, outputs: ["embedding"], isSizeOpen: true)
    #expect(network.fixedImageSize == FixedImageSize(height: 224, width: 224))
    #expect(network.assumptions.contains { $0.statement.contains("too many nodes") }, "\(network.assumptions)")
  }
}
