import Graphs
import ModelExport
import Operators
import ReferenceOperators
import Tensors
import Testing

/// Nodes may be called whatever they like: a model's names have one meaning each.
@Suite struct NamesTests {
  /// What the exporter calls things itself, and what it makes of the names of nodes.
  static let unfortunate: [[String]] = [
    ["input", "normalized_embedding", "embedding", "logits", "map"],
    ["one", "spatial_axes", "corner", "fine", "uint8_zero", "int8_weight_zero", "greatest_remainder"],
    ["input.scale", "input.offset", "input.scaled", "input.pixels", "input.quantized", "input.dequantized"],
    ["a", "a.weight", "a.bias", "a.conv", "a.cut", "a.pads", "a.quantized", "a.output_scale", "a.sum", "a.padded"],
    ["", "unnamed", "unnamed_2", "_2", "a_2", "a"],
    ["é", "e\u{301}.weight", "é.weight_2", "层1"],
  ]

  /// The graph with its first nodes renamed, and the others numbered.
  static func renamed(_ graph: Graph, _ names: [String]) -> Graph {
    var graph = graph
    for index in graph.nodes.indices { graph.nodes[index].name = index < names.count ? names[index] : "n\(index)" }
    return graph
  }

  @Test(arguments: unfortunate) func floatGraphsAreReadBack(_ unfortunate: [String]) throws {
    for seed in 0..<6 {
      let plain = RandomGraph.make(seed: UInt64(seed), nodes: 10, isPlain: true)
      let graph = Self.renamed(plain, unfortunate)
      let given = names(of: try exported(graph, side: RandomGraph.side))
      #expect(Set(given).count == given.count)
      var random = SplitMix64(seed: UInt64(seed))
      let side = RandomGraph.side
      try expectSameOutputs(graph, Tensor(random.floats(side * side * 3), shape: [1, side, side, 3]), side: side)
    }
  }

  @Test(arguments: unfortunate) func quantisedGraphsHaveNoNameTwice(_ unfortunate: [String]) throws {
    let graph = Self.renamed(try Int8Graph.make(), unfortunate)
    let model = try exported(graph)
    let given = names(of: model)
    #expect(Set(given).count == given.count)
    #expect(Set(model.nodes.map(\.name)).count == model.nodes.count)
    #expect(model.inputs.map(\.name) == ["input"])
    #expect(model.outputs.map(\.name) == ["normalized_embedding", "embedding"])
    for output in model.outputs { #expect(model.nodes.contains { $0.outputs == [output.name] }) }
  }

  @Test func namesDoNotDependOnTheRun() throws {
    let graph = Self.renamed(try Int8Graph.make(), ["a", "a.weight", "a_2"])
    #expect(names(of: try exported(graph)) == names(of: try exported(graph)))
  }

  @Test(arguments: ["input", "embedding"]) func outputsThatCollideAreRefused(_ name: String) throws {
    var graph = try Int8Graph.make()
    graph.outputs[0].name = name
    #expect(throws: GraphError.self) { try exported(graph) }
  }
}

/// A quantised graph of the operators that export to more than one node, its values with remainders where they may be.
enum Int8Graph {
  static func make() throws -> Graph {
    var graph = Graph(
      architecture: "int8", preprocessing: .imageNet,
      inputFormat: .uint8(QuantizationParameters(scale: 1, zeroPoint: 0)))
    let format = QuantizationParameters(scale: 0.5, zeroPoint: 7)
    var random = SplitMix64(seed: 1)
    func weights(_ shape: Shape) -> [String: Tensor] {
      [
        "weight": Tensor(random.weights(shape.elementCount), shape: shape),
        "weight_scale": Tensor([Float](repeating: 0.01, count: shape[0])),
      ]
    }
    let first = graph.append(
      Convolution(window: Window(3, padding: 1), groups: 1), name: "first", inputs: [graph.input],
      constants: weights([4, 3, 3, 3]).merging([
        "bias": Tensor([Int32](repeating: 3, count: 4)), "padding_value": Tensor([UInt8](repeating: 9, count: 3)),
      ]) { $1 }, format: .uint8WithRemainder(format))
    let second = graph.append(
      Convolution(window: Window(1), groups: 1), name: "second", inputs: [first], constants: weights([4, 1, 1, 4]),
      format: .uint8(format))
    let sum = graph.append(Addition(), name: "sum", inputs: [first, second], format: .uint8WithRemainder(format))
    let pooled = graph.append(
      AveragePooling(window: Window(3, stride: 2, padding: 1), countsPadding: true), name: "average", inputs: [second],
      format: .uint8(format))
    let joined = graph.append(Concatenation(), name: "joined", inputs: [sum, pooled], format: .uint8(format))
    let mean = graph.append(GeneralizedMeanPooling(exponent: 3), name: "pool", inputs: [joined])
    let unit = graph.append(L2Normalization(), name: "normalize", inputs: [mean])
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: unit),
      GraphOutput(name: GraphOutput.embedding, value: mean),
    ]
    try graph.validate()
    return graph
  }
}
