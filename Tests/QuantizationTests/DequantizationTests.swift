import Calibration
import Graphs
import Operators
import Passes
import Quantization
import ReferenceOperators
import Tensors
import Testing

/// What quantised constants stand for is what they were made from, to half a step.
@Suite struct DequantizationTests {
  @Test(arguments: 0..<20)
  func constantsRoundTrip(seed: Int) throws {
    let graph = try PassPipeline.fold.run(RandomGraph.make(seed: UInt64(seed), nodes: 8, isPlain: true)).graph
    // Without statistics every range has scale 1.
    let plan = QuantizationPlanner().plan(graph, statistics: ActivationStatistics())
    let levels = try WeightLevels.nearest(graph, plan: plan, threads: 1)
    var weighted = 0
    for node in graph.nodes {
      guard let layer = levels[node] else {
        #expect(!node.hasRoundedWeights || plan.keepsFloat(node), "seed \(seed): \(node.name)")
        continue
      }
      weighted += 1
      let restored = layer.realConstants(node, in: graph)
      let expected = try #require(node.constants["weight"]).elements(as: Float.self)
      let actual = try #require(restored["weight"]).elements(as: Float.self)
      let scales = layer.scales
      let readsPixels = node.op is Convolution && node.inputs[0] == graph.input
      let std = graph.preprocessing.std
      let perChannel = expected.count / scales.count
      #expect(actual.count == expected.count)
      for index in expected.indices {
        let step = scales[index / perChannel] * (readsPixels ? 255 * std[index % 3] : 1)
        #expect(abs(actual[index] - expected[index]) <= 0.5001 * step, "seed \(seed): \(node.name), weight \(index)")
      }
      guard node.op is Convolution else { continue }
      let bias = try #require(restored["bias"]).elements(as: Float.self)
      for (channel, value) in bias.enumerated() {
        let before = node.constants["bias"]?.elements(as: Float.self)[channel] ?? 0
        // Weights that are off move the folded mean, too.
        var allowed = 1e-5 * (1 + abs(before))
        for index in channel * perChannel..<(channel + 1) * perChannel where readsPixels {
          allowed +=
            abs(actual[index] - expected[index]) * abs(graph.preprocessing.mean[index % 3]) / std[index % 3]
        }
        #expect(abs(value - before) <= allowed, "seed \(seed): \(node.name), bias \(channel)")
      }
    }
    #expect(weighted > 0)
  }
}
