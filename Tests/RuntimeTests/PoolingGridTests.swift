import Graphs
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct PoolingGridTests {
  private static let outputs = [GraphOutput.normalizedEmbedding, GraphOutput.logits]

  /// One run with all exponents gives the bits of a run with each of them, whatever the threads.
  @Test(arguments: 0..<12 as Range<UInt64>)
  func oneRunIsThatOfEachExponent(seed: UInt64) throws {
    var graph = RandomGraph.make(seed: seed)
    let exponents = [0.5, 1, 1.7, 3, 4, .infinity]
    let grid = try PoolingGrid(graph, exponents: exponents, outputs: Self.outputs)
    try grid.graph.validate()
    var random = SplitMix64(seed: seed)
    let shape: Shape = [2, 19, 17, 3]
    let input = random.floats(shape.elementCount)
    let executable = try Executable(grid.graph)
    let together = try Session(executable).run(input, shape: shape)
    #expect(together.count == Self.outputs.count * exponents.count)
    for (number, exponent) in exponents.enumerated() {
      try graph.setPoolingExponent(exponent)
      let alone = try Session(Executable(graph)).run(input, shape: shape)
      for name in Self.outputs {
        let expected = try #require(alone[name])
        #expect(together[PoolingGrid.name(name, number)] == expected, "seed \(seed), p = \(exponent), \(name)")
      }
    }
  }

  private static func network(_ build: (inout Graph, ValueID) -> ValueID) -> Graph {
    var graph = Graph(architecture: "none", preprocessing: .imageNet)
    let map = graph.append(ReLU(), name: "relu", inputs: [graph.input])
    let embedding = build(&graph, map)
    let normalized = graph.append(L2Normalization(), name: "normalize", inputs: [embedding])
    graph.outputs = [GraphOutput(name: GraphOutput.normalizedEmbedding, value: normalized)]
    return graph
  }

  /// Where the image reaches the embedding without the pooling, its exponent is not that of the embedding.
  @Test func otherSourcesAreNamed() throws {
    let pooled = Self.network { $0.append(GeneralizedMeanPooling(exponent: 3), name: "pool", inputs: [$1]) }
    #expect(try PoolingGrid(pooled, exponents: [1], outputs: [GraphOutput.normalizedEmbedding]).graph.nodes.count == 3)
    let squeezed = Self.network { graph, map in
      let means = graph.append(GeneralizedMeanPooling(exponent: 1), name: "squeeze", inputs: [map])
      let scaled = graph.append(ChannelScaling(), name: "scale", inputs: [map, means])
      return graph.append(
        Convolution(window: Window(1)), name: "flatten", inputs: [scaled],
        constants: ["weight": Tensor([1, 0, 0], shape: [1, 1, 1, 3])])
    }
    let plain = Self.network { $0.append(ReLU(), name: "again", inputs: [$1]) }
    for (graph, name) in [(squeezed, "relu"), (plain, "again")] {
      do {
        _ = try PoolingGrid(graph, exponents: [1], outputs: [GraphOutput.normalizedEmbedding])
        Issue.record("the network was not refused")
      } catch { #expect("\(error)".contains("'\(name)'"), "\(error)") }
    }
  }

  @Test(arguments: [0, -1, Double.nan])
  func exponentsArePositive(exponent: Double) {
    #expect(throws: GraphError.self) {
      try PoolingGrid(RandomGraph.make(seed: 0), exponents: [1, exponent], outputs: Self.outputs)
    }
  }
}
