import Graphs
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing

/// Which pooling is that of the embedding, whatever other poolings a network has.
@Suite struct EmbeddingPoolingTests {
  /// A network of three channels, and what is expected of it.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// The name of the node that pools the embedding; `nil` where there is none.
    let pooling: String?
    /// What the error names where there is none.
    var named: [String] = []
    let build: @Sendable (inout Graph, ValueID) -> ValueID
  }

  private static func pool(_ graph: inout Graph, _ map: ValueID, _ name: String, _ exponent: Double) -> ValueID {
    graph.append(GeneralizedMeanPooling(exponent: exponent), name: name, inputs: [map])
  }

  /// Squeeze-and-excitation: its pooling takes part in every embedding.
  private static func squeezed(_ graph: inout Graph, _ map: ValueID) -> ValueID {
    let means = pool(&graph, map, "squeeze", 1)
    let gates = linear(&graph, means, "excite")
    let sigmoid = graph.append(Sigmoid(), name: "sigmoid", inputs: [gates])
    return graph.append(ChannelScaling(), name: "scale", inputs: [map, sigmoid])
  }

  /// A convolution that covers the map of 16 x 16 pixels.
  private static func flattened(_ graph: inout Graph, _ map: ValueID) -> ValueID {
    graph.append(
      Convolution(window: Window(16)), name: "flatten", inputs: [map],
      constants: ["weight": Tensor((0..<3 * 768).map { Float($0 % 7) - 3 }, shape: [3, 16, 16, 3])])
  }

  private static func linear(_ graph: inout Graph, _ input: ValueID, _ name: String, inputs: Int = 3) -> ValueID {
    graph.append(
      Linear(), name: name, inputs: [input],
      constants: ["weight": Tensor((0..<3 * inputs).map { Float($0 % 5) - 1.5 }, shape: [3, inputs])])
  }

  static let cases: [Case] = [
    Case(testDescription: "one pooling", pooling: "pool") { pool(&$0, $1, "pool", 3) },
    Case(testDescription: "an average", pooling: "pool") { pool(&$0, $1, "pool", 1) },
    Case(testDescription: "a linear layer after it", pooling: "pool") {
      linear(&$0, pool(&$0, $1, "pool", 3), "fc")
    },
    Case(testDescription: "whitening after it", pooling: "pool") { graph, map in
      let pooled = graph.append(
        GeneralizedMeanPooling(exponent: 3, appendsOne: true), name: "pool", inputs: [map])
      let normalized = graph.append(L2Normalization(), name: "whitening.normalize", inputs: [pooled])
      let centered = graph.append(
        Centering(), name: "whitening.center", inputs: [normalized],
        constants: ["mean": Tensor([0.1, 0.2, 0.3, 0.4] as [Float])])
      return linear(&graph, centered, "whitening.project", inputs: 4)
    },
    Case(testDescription: "two ways after it", pooling: "pool") { graph, map in
      let pooled = pool(&graph, map, "pool", 3)
      let sum = [linear(&graph, pooled, "left"), linear(&graph, pooled, "right")]
      return graph.append(Addition(), name: "add", inputs: sum)
    },
    Case(testDescription: "squeeze-and-excitation before it", pooling: "pool") {
      pool(&$0, squeezed(&$0, $1), "pool", 3)
    },
    Case(testDescription: "a gate after it", pooling: "pool") { graph, map in
      let pooled = pool(&graph, map, "pool", 3)
      let gate = graph.append(Sigmoid(), name: "sigmoid", inputs: [linear(&graph, pooled, "fc")])
      return graph.append(Multiplication(), name: "gate", inputs: [pooled, gate])
    },
    Case(testDescription: "a flattened map", pooling: nil, named: ["'flatten'"]) { flattened(&$0, $1) },
    Case(testDescription: "squeeze-and-excitation and a flattened map", pooling: nil, named: ["'flatten'"]) {
      flattened(&$0, squeezed(&$0, $1))
    },
    Case(testDescription: "average and maximum", pooling: nil, named: ["'average'", "'maximum'"]) { graph, map in
      let both = [pool(&graph, map, "average", 1), pool(&graph, map, "maximum", .infinity)]
      return graph.append(Addition(), name: "add", inputs: both)
    },
    Case(testDescription: "two exponents", pooling: nil, named: ["'two'", "'four'"]) { graph, map in
      let both = [pool(&graph, map, "two", 2), pool(&graph, map, "four", 4)]
      return linear(&graph, graph.append(Concatenation(), name: "join", inputs: both), "fc", inputs: 6)
    },
    Case(testDescription: "the response of a channel beside it", pooling: nil, named: ["'response'"]) { graph, map in
      let response = graph.append(ChannelResponse(epsilon: 1e-6), name: "response", inputs: [map])
      return graph.append(Addition(), name: "add", inputs: [pool(&graph, map, "pool", 3), response])
    },
    Case(testDescription: "an exponent for each channel", pooling: nil, named: ["'channelwise'"]) { graph, map in
      let squeezed = squeezed(&graph, map)
      guard let op = try? ChannelwiseMeanPooling(floor: 1e-6) else { return squeezed }
      return graph.append(
        op, name: "channelwise", inputs: [squeezed], constants: ["exponent": Tensor([1, 2, 3] as [Float])])
    },
    Case(testDescription: "no vector", pooling: nil, named: ["'again'"]) {
      $0.append(ReLU(), name: "again", inputs: [$1])
    },
  ]

  private static func network(_ test: Case) -> Graph {
    var graph = Graph(architecture: "none", preprocessing: .imageNet)
    let map = graph.append(ReLU(), name: "relu", inputs: [graph.input])
    let embedding = test.build(&graph, map)
    let normalized = graph.append(L2Normalization(), name: "normalize", inputs: [embedding])
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
      GraphOutput(name: GraphOutput.embedding, value: embedding),
    ]
    return graph
  }

  @Test(arguments: cases)
  func onlyTheEmbeddingsPoolingChanges(test: Case) throws {
    let original = Self.network(test)
    var graph = original
    guard let name = test.pooling else {
      #expect(graph.poolingExponent == nil)
      let errors = [
        { _ = try graph.setPoolingExponent(4) }, { _ = try Executable(graph).pooling(by: 4) },
        { _ = try PoolingGrid(graph, exponents: [4], outputs: [GraphOutput.normalizedEmbedding]) },
      ].map { body in #expect(throws: GraphError.self) { try body() } }
      for error in errors {
        for name in test.named { #expect("\(try #require(error))".contains(name)) }
      }
      #expect("\(graph)" == "\(original)")
      return
    }
    let index = try graph.setPoolingExponent(4)
    #expect(graph.nodes[index].name == name && graph.poolingExponent == 4)
    for (before, after) in zip(original.nodes, graph.nodes) where after.name != name {
      #expect(before.op.attributes == after.op.attributes, "\(before.name) changed")
    }
    let grid = try PoolingGrid(original, exponents: [2, 4], outputs: [GraphOutput.normalizedEmbedding])
    var random = SplitMix64(seed: 1)
    let input = random.floats(16 * 16 * 3)
    let together = try Session(Executable(grid.graph)).run(input, shape: [1, 16, 16, 3])
    let alone = try Session(Executable(graph)).run(input, shape: [1, 16, 16, 3])
    #expect(
      together[PoolingGrid.name(GraphOutput.normalizedEmbedding, 1)] == alone[GraphOutput.normalizedEmbedding])
  }

  /// The mean of a single pixel, such as a linear layer of a flattened map, has no exponent to choose.
  @Test func onePixelIsNotPooled() throws {
    var graph = Graph(architecture: "none", preprocessing: .imageNet)
    let map = Self.flattened(&graph, Self.squeezed(&graph, graph.input))
    let pooled = Self.pool(&graph, map, "mean", 1)
    graph.outputs = [GraphOutput(name: GraphOutput.embedding, value: pooled)]
    #expect(graph.averagesOnePixel(side: 16))
    #expect(!graph.averagesOnePixel(side: 17))
    try graph.setPoolingExponent(3)
    #expect(!graph.averagesOnePixel(side: 16))
  }

  /// Where the logits are pooled in another way, the exponent is that of the embedding.
  @Test func logitsMayBePooledOtherwise() throws {
    var graph = Self.network(Self.cases[0])
    let average = Self.pool(&graph, graph.nodes[0].output, "average", 1)
    let logits = Self.linear(&graph, average, "fc")
    graph.outputs.append(GraphOutput(name: GraphOutput.logits, value: logits))
    let index = try graph.setPoolingExponent(4)
    #expect(graph.nodes[index].name == "pool")
    let error = #expect(throws: GraphError.self) {
      try PoolingGrid(graph, exponents: [1], outputs: [GraphOutput.normalizedEmbedding, GraphOutput.logits])
    }
    let text = "\(try #require(error))"
    #expect(text.contains("'pool'") && text.contains("'average'"))
  }

  /// A classifier without an embedding is pooled, too.
  @Test func logitsAloneArePooled() throws {
    var graph = Self.network(Self.cases[2])
    let logits = try #require(graph.output(named: GraphOutput.embedding))
    graph.outputs = [GraphOutput(name: GraphOutput.logits, value: logits)]
    #expect(graph.poolingExponent == 3)
    graph.outputs = []
    #expect(graph.poolingExponent == nil)
  }
}
