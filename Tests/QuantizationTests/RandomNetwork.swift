import Calibration
import Graphs
import Passes
import Quantization
import ReferenceOperators
import Testing

/// A random network, two images, and what quantisation makes of them.
struct RandomNetwork {
  let float: Graph
  let pixels: [UInt8]
  let statistics: ActivationStatistics
  let plan: QuantizationPlan
  let plain: Graph

  /// - Parameter random: gives the pixels.
  init(seed: Int, _ random: inout SplitMix64) throws {
    float = try PassPipeline.fold.run(RandomGraph.make(seed: UInt64(seed), nodes: 12, isPlain: true)).graph
    pixels = LoweringTests.pixels(2, &random)
    statistics = try LoweringTests.statistics(float, pixels, batch: 2)
    (plan, plain) = try LoweringTests.quantize(float, pixels, batch: 2, .meanSquaredError)
  }

  func embedding(_ graph: Graph) throws -> [Float] {
    try #require(LoweringTests.run(graph, pixels, batch: 2)[GraphOutput.normalizedEmbedding]).elements(as: Float.self)
  }

  /// 1 - cosine between the embeddings of a graph and the float one.
  func drift(_ graph: Graph) throws -> Double {
    1 - LoweringTests.cosine(try embedding(float), try embedding(graph))
  }

  /// A plan with everything read as 16 bits that can be.
  func widening(_ plan: QuantizationPlan) -> QuantizationPlan {
    let reading = WideReading(float, statistics)
    return reading.widening(reading.candidates(in: plan), in: plan)
  }
}
