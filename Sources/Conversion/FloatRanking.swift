import Fidelity
import Graphs
import Pixels
import Quantization
import Search
import Tensors

/// Ranks layers by how much drift of the embedding their rounded weights cause.
///
/// Drift is measured for runs of neighbouring layers: with their weights rounded and everything else in float. It is
/// divided among the layers of a run by the power of the rounding errors relative to that of the weights, because the
/// effect of a layer's noise on the embedding changes with depth, but little between neighbours.
enum FloatRanking {
  /// The maximum number of runs whose drift is measured, and of images that it is measured on.
  private static let (runLimit, imageLimit) = (12, 6)

  private struct Layer {
    /// The index of the node in the float graph.
    let index: Int
    var noise = 0.0
    var drift = 0.0
  }

  /// The layers that can be kept in float, in the order in which a search keeps them.
  ///
  /// - Parameters:
  ///   - pixels: images, resized and cropped.
  ///   - deadline: when to stop measuring. The drift of the remaining runs is estimated from their noise.
  static func layers(
    _ network: QuantizedNetwork, _ pixels: [RGBImage], threads: Int, deadline: ContinuousClock.Instant?
  ) throws -> [RankedLayer] {
    let graph = network.float.graph
    let decides = graph.ancestors(ofOutput: GraphOutput.normalizedEmbedding)
    var layers = graph.nodes.enumerated().compactMap { index, node -> Layer? in
      guard decides.contains(node.output), node.hasRoundedWeights, network.levels[node] != nil else { return nil }
      return Layer(index: index)
    }
    let probe = try IsolatedDrift(
      try network.float.executable(), pixels.spread(imageLimit), threads: threads)
    network.float.unload()
    let runLength = max(1, (layers.count + runLimit - 1) / runLimit)
    var (measuredDrift, measuredNoise) = (0.0, 0.0)
    for first in stride(from: 0, to: layers.count, by: runLength) {
      let run = first..<min(first + runLength, layers.count)
      var constants: [Int: [String: Tensor]] = [:]
      for position in run {
        let node = graph.nodes[layers[position].index]
        guard let rounded = network.levels[node]?.realConstants(node, in: graph) else {
          preconditionFailure("\(node.name) is ranked but has no levels")
        }
        layers[position].noise = noise(node.constants["weight"], rounded["weight"])
        constants[layers[position].index] = rounded
      }
      let noise = layers[run].reduce(0) { $0 + $1.noise }
      let isLate = deadline.map { ContinuousClock.now >= $0 } ?? false
      let drift =
        isLate
        ? noise * (measuredNoise > 0 ? measuredDrift / measuredNoise : 1)
        : try probe.drift(replacingConstants: constants)
      if !isLate { (measuredDrift, measuredNoise) = (measuredDrift + drift, measuredNoise + noise) }
      for position in run where noise > 0 { layers[position].drift = drift * layers[position].noise / noise }
    }
    return RankedLayer.ranked(
      layers.map { layer in
        let node = graph.nodes[layer.index]
        return RankedLayer(
          name: node.name, weightCount: node.constants["weight"]?.elementCount ?? 0, drift: layer.drift,
          reason: "for the gates: its rounded weights cause a drift of about \(formatted("%.2g", layer.drift))")
      })
  }

  /// The power of the rounding errors divided by that of the weights; 0 where they cannot be compared.
  private static func noise(_ weight: Tensor?, _ rounded: Tensor?) -> Double {
    guard let weight, let rounded, weight.elementCount == rounded.elementCount else { return 0 }
    let (signal, error) = weight.withElements(as: Float.self) { exact in
      rounded.withElements(as: Float.self) { other in
        exact.indices.reduce(into: (0.0, 0.0)) { sums, index in
          let (value, difference) = (Double(exact[index]), Double(exact[index]) - Double(other[index]))
          sums.0 += value * value
          sums.1 += difference * difference
        }
      }
    }
    weight.releasePages()
    return signal > 0 ? error / signal : 0
  }
}

extension Graph {
  /// The values that an output depends on, itself included.
  fileprivate func ancestors(ofOutput name: String) -> Set<ValueID> {
    guard let output = output(named: name) else { return [] }
    var result: Set<ValueID> = [output]
    for node in nodes.reversed() where result.contains(node.output) { result.formUnion(node.inputs) }
    return result
  }
}
