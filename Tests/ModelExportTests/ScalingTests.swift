import Graphs
import ModelImport
import Operators
import Passes
import ReferenceOperators
import Tensors
import Testing

/// Layer norms, PReLUs, products and clips, exported and read back.
@Suite struct ScalingTests {
  private struct Builder {
    var random: SplitMix64
    var graph = Graph(architecture: "scaling", preprocessing: .imageNet)

    mutating func convolution(
      _ name: String, _ input: ValueID, _ inputs: Int, _ outputs: Int, _ activation: ActivationFunction = .none
    ) -> ValueID {
      graph.append(
        Convolution(window: Window(3, padding: 1), activation: activation), name: name, inputs: [input],
        constants: ["weight": Tensor(random.floats(outputs * 9 * inputs), shape: [outputs, 3, 3, inputs])])
    }

    mutating func layerNorm(_ name: String, _ input: ValueID, epsilon: Double = 1e-6) -> ValueID {
      graph.append(
        LayerNormalization(epsilon: epsilon), name: name, inputs: [input],
        constants: ["weight": Tensor(random.floats(6, 0.5...1.5)), "bias": Tensor(random.floats(6))])
    }

    mutating func prelu(_ name: String, _ input: ValueID) -> ValueID {
      graph.append(PReLU(), name: name, inputs: [input], constants: ["slope": Tensor(random.floats(6))])
    }

    /// The mean of a map, an operator on rows, and the embedding.
    mutating func finish(_ map: ValueID, _ row: (inout Builder, ValueID) -> ValueID = { $1 }) -> Graph {
      let pooled = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [map])
      let row = row(&self, pooled)
      let unit = graph.append(L2Normalization(), name: "normalize", inputs: [row])
      graph.outputs = [
        GraphOutput(name: GraphOutput.normalizedEmbedding, value: unit),
        GraphOutput(name: GraphOutput.embedding, value: row),
      ]
      return graph
    }
  }

  /// The operators of the exported model, read back and folded.
  private func kinds(_ graph: Graph) throws -> [String] {
    let read = try ModelImporter(embeddingOutput: GraphOutput.embedding).importGraph(try exported(graph))
    return try PassPipeline.fold.run(read).graph.nodes.map(\.kind)
  }

  private func images(_ random: inout SplitMix64) -> Tensor {
    Tensor(random.floats(2 * 16 * 16 * 3, -3...3), shape: [2, 16, 16, 3])
  }

  @Test func layerNormsAreReadBack() throws {
    var b = Builder(random: SplitMix64(seed: 1))
    let map = b.layerNorm("norm", b.convolution("conv", b.graph.input, 3, 6), epsilon: 1e-3)
    let graph = b.finish(map) { $0.layerNorm("row norm", $1) }
    try expectSameOutputs(graph, images(&b.random))
    #expect(
      try kinds(graph) == [
        "convolution", "layer_normalization", "gem_pooling", "layer_normalization", "l2_normalization",
      ])
  }

  @Test func parametricReLUsAreReadBack() throws {
    var b = Builder(random: SplitMix64(seed: 2))
    let map = b.prelu("prelu", b.convolution("conv", b.graph.input, 3, 6))
    let graph = b.finish(map) { $0.prelu("row prelu", $1) }
    try expectSameOutputs(graph, images(&b.random))
    #expect(try kinds(graph) == ["convolution", "prelu", "gem_pooling", "prelu", "l2_normalization"])
  }

  /// Of maps, of a map and factors of pixels, and of rows.
  @Test func productsAreReadBack() throws {
    var b = Builder(random: SplitMix64(seed: 3))
    let (left, right) = (b.convolution("left", b.graph.input, 3, 6), b.convolution("right", b.graph.input, 3, 6))
    let product = b.graph.append(Multiplication(), name: "product", inputs: [left, right])
    let factors = b.convolution("factors", product, 6, 1)
    let scaled = b.graph.append(Multiplication(), name: "scaled", inputs: [product, factors])
    let graph = b.finish(scaled) { b, row in
      let other = b.prelu("other", row)
      return b.graph.append(Multiplication(), name: "row product", inputs: [row, other])
    }
    try expectSameOutputs(graph, images(&b.random))
    #expect(try kinds(graph).filter { $0 == "multiplication" }.count == 3)
  }

  /// Clips in the epilogues of convolutions and sums become operators, which are fused again.
  @Test(arguments: ActivationFunction.examples.filter(\.fitsEpilogues))
  func epiloguesAreReadBack(activation: ActivationFunction) throws {
    var b = Builder(random: SplitMix64(seed: 4))
    // A sum of a value with itself is not fused into a convolution.
    let plain = b.convolution("plain", b.graph.input, 3, 6)
    let sum = b.graph.append(Addition(activation: activation), name: "sum", inputs: [plain, plain])
    let graph = b.finish(b.convolution("conv", sum, 6, 6, activation))
    try expectSameOutputs(graph, images(&b.random))
    let read = try ModelImporter(embeddingOutput: GraphOutput.embedding).importGraph(try exported(graph))
    let folded = try PassPipeline.fold.run(read).graph
    #expect(folded.nodes.compactMap { ($0.op as? Convolution)?.activation } == [.none, activation])
    #expect(folded.nodes.compactMap { ($0.op as? Addition)?.activation } == [activation])
  }

  /// Statistics of levels are in double precision, as formats/package.md has them.
  @Test func layerNormsOfLevelsAreTheirArithmetic() throws {
    var b = Builder(random: SplitMix64(seed: 5))
    let map = b.convolution("conv", b.graph.input, 3, 6)
    let levels = b.graph.append(
      Requantize(), name: "quantize", inputs: [map], format: .uint8(QuantizationParameters(scale: 0.02, zeroPoint: 90)))
    let norm = b.layerNorm("norm", levels)
    b.graph.setFormat(.uint8(QuantizationParameters(scale: 0.03, zeroPoint: 120)), of: norm)
    let model = try exported(b.finish(norm))
    let inner = model.nodes.filter { $0.name.hasPrefix("norm.") || $0.name == "norm" }
    #expect(inner.contains { $0.operatorType == "ReduceSum" } && inner.contains { $0.operatorType == "Sqrt" })
    #expect(!inner.contains { $0.operatorType == "ReduceMean" })
  }
}
