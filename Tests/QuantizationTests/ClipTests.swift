import Graphs
import Operators
import Quantization
import ReferenceOperators
import Tensors
import Testing

@Suite struct ClipTests {
  /// Bounds that lie outside of what a convolution gives are held, whether the clip alone reads it or others do, too.
  @Test(arguments: [(10.0, 12.0), (-12.0, -10.0), (-1e3, 1e3), (-0.01, 0.01)], [false, true])
  func boundsBeyondTheRangeAreHeld(bounds: (Double, Double), isReadByOthers: Bool) throws {
    var random = SplitMix64(seed: 5)
    var graph = Graph(architecture: "clip", preprocessing: .imageNet)
    let weight = random.floats(8 * 27)
    let map = graph.append(
      Convolution(window: Window(3)), name: "conv", inputs: [graph.input],
      constants: ["weight": Tensor(weight, shape: [8, 3, 3, 3])])
    var clipped = graph.append(try Clip(minimum: bounds.0, maximum: bounds.1), name: "clip", inputs: [map])
    if isReadByOthers { clipped = graph.append(Addition(), name: "add", inputs: [clipped, map]) }
    let pooled = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [clipped])
    graph.outputs = [.init(name: GraphOutput.normalizedEmbedding, value: pooled)]
    let pixels = LoweringTests.pixels(2, &random)
    let (_, quantized) = try LoweringTests.quantize(graph, pixels, batch: 2, .meanSquaredError)
    func embedding(_ graph: Graph) throws -> [Float] {
      try #require(LoweringTests.run(graph, pixels, batch: 2)[GraphOutput.normalizedEmbedding]).elements(as: Float.self)
    }
    let (expected, actual) = (try embedding(graph), try embedding(quantized))
    // Two steps of the coarsest map; a bound that is lost changes the means by far more.
    let step = quantized.nodes.compactMap { quantized.format(of: $0.output).quantization?.scale }.max() ?? 0
    for (a, b) in zip(expected, actual) { #expect(abs(a - b) <= 2 * step, "\(a) became \(b)") }
  }
}
