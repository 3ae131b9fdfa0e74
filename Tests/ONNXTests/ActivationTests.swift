import Graphs
import Operators
import Passes
import Testing

/// However a model spells an activation function, the graph has one operator for it.
@Suite struct ActivationTests {
  @Test(arguments: [
    ("hard-swish", ActivationFunction.hardSwish), ("hard-swish-by-hard-sigmoid", .hardSwish),
    ("hard-swish-by-clip", .hardSwish), ("hard-swish-by-scaled-clip", .hardSwish),
    ("hard-swish-by-relu-and-minimum", .hardSwish), ("hard-swish-of-a-unit-interval", .hardSwish),
    ("silu", .silu), ("hard-sigmoid", .hardSigmoid),
  ])
  func isOneOperator(kind: String, function: ActivationFunction) throws {
    let graph = try PassPipeline.fold.run(try importGraph(Fixtures.path("kinds/\(kind).onnx"))).graph
    let kinds = graph.nodes.filter { $0.op.quantizationRule != .floatWithInt8Weights }.map(\.kind)
    #expect(
      kinds == [
        "convolution", "nonlinearity", "convolution", "nonlinearity", "gem_pooling", "nonlinearity", "l2_normalization",
      ])
    for node in graph.nodes {
      if let op = node.op as? Nonlinearity { #expect(op.function == function) }
    }
  }

  /// A factor that is left over folds into nothing here, and stays.
  @Test func aFactorStays() throws {
    let graph = try PassPipeline.fold.run(try importGraph(Fixtures.path("kinds/six-times-hard-swish.onnx"))).graph
    #expect(graph.nodes.filter { ($0.op as? Nonlinearity)?.function == .hardSwish }.count == 3)
    #expect(!graph.nodes.contains { $0.op is Clip })
  }
}
