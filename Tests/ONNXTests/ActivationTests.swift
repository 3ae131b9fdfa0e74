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
    ("silu", .silu), ("hard-sigmoid", .hardSigmoid), ("gelu", .gelu), ("gelu-by-erf", .gelu),
    ("gelu-by-erf-of-a-product", .gelu), ("gelu-with-half-of-the-gate", .gelu), ("gelu-by-tanh", .tanhGELU),
    ("gelu-by-tanh-of-a-power", .tanhGELU), ("gelu-by-tanh-of-products", .tanhGELU),
    ("gelu-by-tanh-of-a-factored-cubic", .tanhGELU), ("mish", .mish), ("mish-by-softplus", .mish),
    ("leaky-relu", .leakyReLU(slope: Double(Float(0.1)))),
    ("leaky-relu-with-the-usual-slope", .leakyReLU(slope: Double(Float(0.01)))),
    ("parametric-relu-with-one-slope", .leakyReLU(slope: 0.25)), ("elu", .elu(alpha: 1)),
    ("elu-with-a-factor", .elu(alpha: 1.5)),
  ])
  func isOneOperator(kind: String, function: ActivationFunction) throws {
    let graph = try folded(kind)
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
    let graph = try folded("six-times-hard-swish")
    #expect(graph.nodes.filter { ($0.op as? Nonlinearity)?.function == .hardSwish }.count == 3)
    #expect(!graph.nodes.contains { $0.op is Clip })
  }

  @Test(arguments: [("twice-gelu", ActivationFunction.gelu), ("selu", .elu(alpha: Double(Float(1.673_263_2))))])
  func aFactorOfAFunctionStays(kind: String, function: ActivationFunction) throws {
    let graph = try folded(kind)
    #expect(graph.nodes.compactMap { ($0.op as? Nonlinearity)?.function } == [function, function, function])
  }

  @Test func slopesOfChannelsAreAnOperator() throws {
    let graph = try folded("parametric-relu")
    #expect(
      graph.nodes.filter { $0.op is PReLU }.map { $0.constants["slope"]?.shape } == [[6], [8], [8]])
    #expect(!graph.nodes.contains { $0.op is Nonlinearity })
  }

  /// Of convolutions, with and without a residual, and of sums.
  @Test func clipsAreFused() throws {
    let graph = try folded("clips-after-convolutions-and-sums")
    #expect(!graph.nodes.contains { $0.op is Clip })
    #expect(
      graph.nodes.compactMap { ($0.op as? Convolution)?.activation } == [
        .clip(minimum: 0, maximum: 6), .clip(minimum: -1, maximum: 0.5), .clip(minimum: -.infinity, maximum: 1),
      ])
    #expect(
      graph.nodes.compactMap { ($0.op as? Addition)?.activation } == [.clip(minimum: -0.25, maximum: 0.25)])
  }

  /// As one operator or as several; its factors and offsets belong to it.
  @Test(arguments: [
    ("layer-norm-between-transposes", 3, 1e-6), ("layer-norm-by-its-moments", 3, 1e-6),
    ("layer-norm-by-reciprocals", 2, 1e-5),
  ])
  func layerNormsAreOneOperator(kind: String, count: Int, epsilon: Double) throws {
    let graph = try folded(kind)
    let norms = graph.nodes.compactMap { $0.op as? LayerNormalization }
    #expect(norms.count == count && norms.prefix(2).allSatisfy { $0.epsilon == epsilon })
    #expect(!graph.nodes.contains { $0.op is BatchNormalization || $0.op is Centering })
  }

  /// The sum with the input becomes a part of the factors. The offset is folded into a layer without padding.
  @Test(arguments: [
    ("response-normalisation", 2, 1), ("response-normalisation-by-squares", 2, 0),
    ("response-normalisation-of-the-last-axis", 1, 0),
  ])
  func responseNormalisationIsOneScaling(kind: String, count: Int, depthwise: Int) throws {
    let graph = try folded(kind)
    #expect(graph.nodes.compactMap { ($0.op as? ChannelResponse)?.epsilon } == .init(repeating: 1e-6, count: count))
    #expect(graph.nodes.filter { $0.op is ChannelScaling }.count == count)
    #expect(!graph.nodes.contains { $0.op is Addition })
    #expect(graph.nodes.filter { ($0.op as? Convolution)?.groups ?? 1 > 1 }.count == depthwise)
  }

  /// Gates that are no part of a known function, and factors of pixels.
  @Test(arguments: [
    ("product-of-another-gate", 3), ("product-with-the-gate-of-another-map", 3), ("product-with-erf", 6),
    ("product-of-two-maps", 2), ("spatial-attention", 1), ("spatial-attention-with-the-factor-first", 1),
  ])
  func otherProductsAreProducts(kind: String, count: Int) throws {
    #expect(try folded(kind).nodes.filter { $0.op is Multiplication }.count == count)
  }

  private func folded(_ kind: String) throws -> Graph {
    try PassPipeline.fold.run(try importGraph(Fixtures.path("kinds/\(kind).onnx"))).graph
  }
}
