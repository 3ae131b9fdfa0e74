import Checkpoints
import Graphs
import ModelImport
import Operators
import Testing

/// Outputs that differ only by factors and offsets are one vector, and never the embedding and its logits.
@Suite struct OutputGroupTests {
  /// A classifier: the pooled vector is "f", that times 2 "f2", the scores "l", these times 3 "t", with a factor and an
  /// offset for each channel "v", the probabilities of "t" "p", and the normalised pooled vector "n".
  private static func network(
    _ outputs: [String], renaming names: [String: String] = [:]
  ) throws -> ImportedNetwork {
    func name(_ value: String) -> String { names[value] ?? value }
    func node(_ type: String, _ inputs: [String], _ output: String, _ attributes: [Wire] = []) -> Wire {
      Wire.node(type, inputs.map(name), [name(output)], attributes: attributes)
    }
    let nodes = [
      node("Conv", ["input", "w"], "c"), node("GlobalAveragePool", ["c"], "g"), node("Flatten", ["g"], "f"),
      node("Mul", ["f", "two"], "f2"), node("LpNormalization", ["f2"], "n", [Wire.int("axis", 1)]),
      node("Gemm", ["f", "m"], "l"), node("Mul", ["l", "three"], "t"), node("Softmax", ["t"], "p"),
      node("Mul", ["l", "factors"], "u"), node("Add", ["u", "factors"], "v"),
    ]
    let constants = [
      Wire.floats("w", [2, 3, 1, 1], [1, 2, 3, 4, 5, 6]), Wire.floats("m", [2, 2], [1, 2, 3, 4]),
      Wire.floats("two", [], [2]), Wire.floats("three", [], [3]), Wire.floats("factors", [2], [2, 5]),
    ]
    var graph = nodes.reduce(Wire()) { $0.message(1, $1) }.text(2, "toy")
    graph = constants.reduce(graph) { $0.message(5, $1) }.message(11, Wire.value("input", [-1, 3, 8, 8]))
    graph = outputs.reduce(graph) { $0.message(12, Wire.value(name($1), [-1, 2])) }
    let scratch = try Scratch()
    let checkpoint = try Checkpoint.read(path: try scratch.write(Wire.model(graph)))
    return try ModelImporter().importNetwork(try #require(checkpoint.network))
  }

  /// The operator that computes an output of the graph.
  private static func producer(_ output: String, of graph: Graph) -> (any Operator)? {
    guard let value = graph.outputs.first(where: { $0.name == output })?.value else { return nil }
    return graph.nodes.first { $0.output == value }?.op
  }

  private static func isStated(_ network: ImportedNetwork, option: String) -> Bool {
    network.assumptions.contains { $0.statement.contains("different factors or offsets") && $0.option == option }
  }

  /// Outputs, and whether the scores are read before they are multiplied.
  static let scores: [([String], Bool)] = [
    (["p", "l"], true), (["l", "p"], true), (["l", "t"], true), (["t", "l"], false), (["l", "v"], true),
    (["v", "p"], false),
  ]

  @Test(arguments: scores) func multiplesOfScoresAreLogits(outputs: [String], isPlain: Bool) throws {
    let network = try Self.network(outputs)
    #expect(Self.producer("embedding", of: network.graph) is GeneralizedMeanPooling)
    let isLinear = Self.producer("logits", of: network.graph) is Linear
    #expect(isLinear == isPlain)
    #expect(Self.isStated(network, option: "--logits-output"), "\(network.assumptions)")
  }

  /// The scores are computed from the vector before the factor.
  @Test(arguments: [["f", "f2", "l"], ["l", "f2", "f"], ["f2", "l"], ["n", "f", "l", "t"]])
  func multiplesOfAnEmbeddingAreOne(outputs: [String]) throws {
    let network = try Self.network(outputs)
    #expect(Self.producer("logits", of: network.graph) is Linear)
    #expect(!(Self.producer("embedding", of: network.graph) is Linear))
    #expect(Self.isStated(network, option: "--embedding-output") == (outputs.count > 2), "\(network.assumptions)")
  }

  @Test func aMultipleOfTheNamedEmbeddingIsNotItsLogits() throws {
    let network = try Self.network(["f", "f2"], renaming: ["f": "embedding"])
    #expect(!network.graph.outputs.contains { $0.name == "logits" })
    #expect(network.notes.contains { $0.contains("'f2' is not read") && $0.contains("factors") }, "\(network.notes)")
  }

  @Test func whatTheNamedLogitsAreAMultipleOfIsNotTheEmbedding() throws {
    let network = try Self.network(["t", "l"], renaming: ["t": "logits"])
    #expect(Self.producer("embedding", of: network.graph) is GeneralizedMeanPooling)
    #expect(network.notes.contains { $0.contains("'l' is not read") && $0.contains("factors") }, "\(network.notes)")
  }

  /// The softmax alone, and of the scores themselves, is as before.
  @Test func outputsOfOneVectorNeedNoAssumption() throws {
    let network = try Self.network(["p", "t"])
    #expect(Self.producer("embedding", of: network.graph) is GeneralizedMeanPooling)
    #expect(network.assumptions.allSatisfy { !$0.statement.contains("factors") }, "\(network.assumptions)")
  }
}
