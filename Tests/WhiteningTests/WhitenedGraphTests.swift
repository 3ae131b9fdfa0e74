import Graphs
import Operators
import Runtime
import Tensors
import Testing
import Whitening

/// A network of one convolution, GeM pooling and a classifier.
private func network(classes: Int = 4, channels: Int = 6, seed: UInt64 = 1) -> Graph {
  var generator = SeededGenerator(seed)
  func random(_ shape: Shape) -> Tensor {
    Tensor((0..<shape.elementCount).map { _ in Float.random(in: -1...1, using: &generator) }, shape: shape)
  }
  var graph = Graph(architecture: "test", preprocessing: .imageNet)
  let map = graph.append(
    Convolution(window: Window(1)), name: "conv", inputs: [graph.input],
    constants: ["weight": random([channels, 1, 1, 3]), "bias": random([channels])])
  let rectified = graph.append(ReLU(), name: "relu", inputs: [map])
  let pooled = graph.append(GeneralizedMeanPooling(exponent: 3), name: "pool", inputs: [rectified])
  let normalized = graph.append(L2Normalization(), name: "normalize", inputs: [pooled])
  let logits = graph.append(
    Linear(), name: "fc", inputs: [pooled],
    constants: ["weight": random([classes, channels]), "bias": random([classes])])
  graph.outputs = [
    GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized),
    GraphOutput(name: GraphOutput.embedding, value: pooled), GraphOutput(name: GraphOutput.logits, value: logits),
  ]
  return graph
}

private func run(_ graph: Graph, _ count: Int = 40, seed: UInt64 = 3) throws -> [[String: [Float]]] {
  var generator = SeededGenerator(seed)
  let session = Session(try Executable(graph, threads: 1))
  return try (0..<count).map { _ in
    let image = Tensor((0..<75).map { _ in Float.random(in: -1...2, using: &generator) }, shape: [1, 5, 5, 3])
    return try session.run(normalized: image).mapValues { $0.elements(as: Float.self) }
  }
}

private func whitened(_ graph: Graph, columns: Int?) throws -> (graph: Graph, head: WhiteningHead) {
  let head = try WhiteningHead(of: graph, keepsClassifier: true)
  let rows = try run(graph.vectorsToWhiten(head)).compactMap { $0[GraphOutput.normalizedEmbedding] }
  var moments = VectorMoments(dimension: rows[0].count)
  moments.add(rows.flatMap(\.self))
  let whitening = try Whitening(moments)
  let constants = try WhitenedHead(whitening, columns: columns ?? whitening.dimension, on: head)
  return (graph.whitened(head, by: constants), head)
}

@Suite struct WhitenedGraphTests {
  @Test(arguments: [nil, 3, 1]) func logitsAreDividedByTheNorm(columns: Int?) throws {
    let graph = network()
    let (result, head) = try whitened(graph, columns: columns)
    #expect(head.dividesLogits)
    try result.validate()
    for (before, after) in zip(try run(graph, seed: 8), try run(result, seed: 8)) {
      let pooled = try #require(before[GraphOutput.embedding])
      let norm = pooled.reduce(1) { $0 + Double($1) * Double($1) }.squareRoot()
      let (a, b) = (try #require(before[GraphOutput.logits]), try #require(after[GraphOutput.logits]))
      for (a, b) in zip(a, b) { #expect(abs(Double(a) - Double(b) * norm) < 2e-4) }
      #expect(after[GraphOutput.embedding]?.count == columns ?? 7)
    }
  }

  @Test func columnsAreTheFirstOfAll() throws {
    let graph = network()
    let (all, first) = (
      try run(try whitened(graph, columns: nil).graph), try run(try whitened(graph, columns: 3).graph)
    )
    for (all, first) in zip(all, first) {
      #expect(all[GraphOutput.embedding]?.prefix(3).elementsEqual(first[GraphOutput.embedding] ?? []) == true)
    }
  }

  @Test(arguments: [nil, 3]) func whiteningAgainKeepsLogits(columns: Int?) throws {
    let once = try whitened(network(), columns: columns).graph
    let (twice, head) = try whitened(once, columns: nil)
    #expect(head.isWhitened && !head.dividesLogits)
    for (before, after) in zip(try run(once, seed: 8), try run(twice, seed: 8)) {
      let (a, b) = (try #require(before[GraphOutput.logits]), try #require(after[GraphOutput.logits]))
      for (a, b) in zip(a, b) { #expect(abs(a - b) < 2e-4) }
    }
  }

  @Test func embeddingsOfOtherLayersAreRefused() throws {
    var graph = network()
    let embedding = graph.append(
      Linear(), name: "projection", inputs: [try #require(graph.output(named: GraphOutput.embedding))],
      constants: ["weight": Tensor([Float](repeating: 1, count: 12), shape: [2, 6])])
    graph.outputs[0].value = graph.append(L2Normalization(), name: "normalize2", inputs: [embedding])
    #expect { try WhiteningHead(of: graph, keepsClassifier: false) } throws: { "\($0)".contains("'projection'") }
  }

  @Test func classifiersOfOtherVectorsAreRefused() throws {
    var graph = network()
    let logits = try #require(graph.output(named: GraphOutput.logits))
    graph.outputs[2].value = graph.append(ReLU(), name: "hidden", inputs: [logits])
    #expect { try WhiteningHead(of: graph, keepsClassifier: true) } throws: { "\($0)".contains("'hidden'") }
    #expect(throws: Never.self) { try WhiteningHead(of: graph, keepsClassifier: false) }
  }
}
