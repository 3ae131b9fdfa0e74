import Calibration
import Glibc
import Graphs
import Kernels
import Operators
import Tensors
import Threads

/// Chooses the steps of weights by the noise they cause in a network's outputs and the bytes that their levels take.
///
/// A step s of a channel with n weights adds a s² to the outputs' relative noise, and takes -n log2 s bits plus a
/// constant. The noise for a given number of bits is minimal where all channels pay the same noise per bit: s²
/// proportional to n / a, but not below the step that the channel's largest weight requires. This is reverse
/// water-filling for parallel Gaussian sources (Cover and Thomas, Elements of Information Theory, 2nd edition, section
/// 10.3), here with weighted noise, and for the layers of networks the rule of Zhou et al., "Adaptive Quantization for
/// Deep Neural Network" (arXiv 1712.01048). As a is the same for all channels of a layer, so is their minimum step.
package struct WeightStepPlanner: Sendable {
  /// The properties of a layer's weights that steps depend on.
  package struct Layer: Sendable {
    /// The name of the node.
    package let name: String
    /// Relative noise power in the network's outputs divided by the squared step of a channel; `nil` for a layer that
    /// keeps its steps.
    package let noise: Double?
    /// For each channel, the step that its largest weight requires.
    package let finest: [Float]
    /// The number of weights of a channel.
    package let weightCount: Int
    /// Every `stride`-th weight of the layer, channel after channel.
    package let sample: [Float]
    /// The distance of the sampled weights.
    package let stride: Int

    package init(
      name: String, noise: Double?, finest: [Float], weightCount: Int, sample: [Float], stride: Int = 1
    ) {
      (self.name, self.noise, self.finest) = (name, noise, finest)
      (self.weightCount, self.sample, self.stride) = (weightCount, sample, stride)
    }
  }

  /// The layers whose steps are chosen.
  package let layers: [Layer]
  private let shares: NoiseShares?
  private let threads: Int

  /// The number of weights of a layer that its entropy is estimated from.
  private static let sampleSize = 1 << 13

  /// - Parameters:
  ///   - layers: the layers whose steps are chosen.
  ///   - threads: the number of threads that estimate bytes.
  package init(layers: [Layer], threads: Int = 1) {
    self.layers = layers
    shares = nil
    self.threads = threads
  }

  /// The layers of a graph.
  ///
  /// - Parameters:
  ///   - graph: the float graph to be quantised.
  ///   - statistics: the activations that calibration saw.
  ///   - kept: the names of layers whose weights stay float.
  ///   - threads: the number of threads to use.
  package init(
    _ graph: Graph, statistics: ActivationStatistics, keepingFloat kept: Set<String> = [], threads: Int = 1
  ) {
    let shares = NoiseShares(graph, statistics)
    let nodes = graph.nodes.filter {
      $0.traits.weights != .none && Self.hasWeights($0) && !kept.contains($0.name)
    }
    layers = ThreadTeam(count: min(threads, max(nodes.count, 1))).map(nodes.count) {
      // The power of pixels is not comparable to that of other maps, and the layer that reads them is small.
      Layer(nodes[$0], nodes[$0].inputs[0] == graph.input ? nil : shares)
    }
    self.shares = shares
    self.threads = threads
  }

  private static func hasWeights(_ node: Node) -> Bool {
    guard let weight = node.constants["weight"] else { return false }
    return weight.elementType == .float32 && weight.elementCount > 0
  }

  // MARK: - Steps

  /// The minimum steps at which a bit costs at most `slope` of relative noise power in the outputs.
  package func steps(slope: Double) -> WeightSteps {
    var result = WeightSteps()
    for layer in layers {
      guard let noise = layer.noise, slope > 0 else { continue }
      // The derivatives of noise and bits: 2 a s = slope n / (s ln 2).
      let step = Float(min(1e30, (slope * Double(layer.weightCount) / (2 * log(2.0) * noise)).squareRoot()))
      if layer.finest.contains(where: { $0 < step }) { result.least[layer.name] = step }
    }
    return result
  }

  /// The steps with the least noise whose levels take at most `bytes`, by their entropy; the coarsest steps where even
  /// these take more.
  ///
  /// - Parameters:
  ///   - bytes: the maximum number of bytes.
  ///   - finest: the steps to use if they suffice.
  package func steps(fitting bytes: Double, from finest: WeightSteps = WeightSteps()) -> WeightSteps {
    if estimatedBytes(finest) <= bytes { return finest }
    return steps { estimatedBytes($0) <= bytes }
  }

  /// The finest steps, over all slopes, that satisfy a condition which coarser steps also satisfy.
  private func steps(until holds: (WeightSteps) -> Bool) -> WeightSteps {
    // Exponents of two that bound the slope: noise per bit is below 1, and no single weight causes as little as 2^-90
    // of it.
    var (low, high) = (-90.0, 10.0)
    for _ in 0..<Self.bisectionSteps {
      let middle = (low + high) / 2
      if holds(steps(slope: exp2(middle))) { high = middle } else { low = middle }
    }
    return steps(slope: exp2(high))
  }

  private static let bisectionSteps = 24

  /// The steps at which a bit of every weight would cost `share` of the noise that a plan's rounding of activations
  /// causes in the outputs.
  ///
  /// - Parameters:
  ///   - share: the noise per bit, relative to that of activations.
  ///   - formats: the formats of all values, by the plan.
  package func steps(perBit share: Double, of formats: [ValueFormat]) -> WeightSteps {
    let weights = layers.reduce(0) { $0 + $1.finest.count * $1.weightCount }
    return steps(slope: share * (shares?.noise(of: formats) ?? 0) / Double(max(weights, 1)))
  }

  /// The relative noise in the outputs if weights are rounded to the nearest level with these steps.
  package func noise(_ steps: WeightSteps) -> Double {
    layers.reduce(0) { sum, layer in
      guard let noise = layer.noise else { return sum }
      return layer.finest.reduce(sum) {
        let step = Double(steps.step(finest: $1, of: layer.name))
        return $0 + noise * step * step
      }
    }
  }

  // MARK: - Estimates

  /// The bytes that the levels of all weights take, by the entropy of single levels (Shannon, "A Mathematical Theory of
  /// Communication", 1948), which zstd comes close to.
  package func estimatedBytes(_ steps: WeightSteps) -> Double {
    ThreadTeam(count: min(threads, max(layers.count, 1))).map(layers.count) { layers[$0].estimatedBytes(steps) }
      .reduce(0, +)
  }
}

extension WeightStepPlanner.Layer {
  fileprivate init(_ node: Node, _ shares: NoiseShares?) {
    let weight = node.constants["weight"]
    let outputs = weight?.shape[0] ?? 0
    let length = (weight?.elementCount ?? 0) / max(outputs, 1)
    // Odd, so that all positions in a kernel are sampled.
    let stride = max(1, outputs * length / WeightStepPlanner.sampleSize) | 1
    var (finest, squares, sample) = ([Float](), 0.0, [Float]())
    weight?.withElements(as: Float.self) { weights in
      for channel in 0..<outputs {
        var largest: Float = 0
        for index in channel * length..<(channel + 1) * length {
          largest = max(largest, abs(weights[index]))
          squares += Double(weights[index]) * Double(weights[index])
        }
        finest.append(WeightQuantizer.scale(absoluteMaximum: largest, minimum: 0))
      }
      for index in Swift.stride(from: 0, to: outputs * length, by: stride) {
        sample.append(weights[index])
      }
    }
    weight?.releasePages()
    let noise = shares?.noise(of: node, outputs: outputs, length: length, squares: squares)
    self.init(name: node.name, noise: noise, finest: finest, weightCount: length, sample: sample, stride: stride)
  }

  fileprivate func estimatedBytes(_ steps: WeightSteps) -> Double {
    let scales = finest.map { 1 / steps.step(finest: $0, of: name) }
    var counts = [Int](repeating: 0, count: 256)
    for (index, weight) in sample.enumerated() {
      let level = (weight * scales[index * stride / weightCount]).rounded(.toNearestOrEven)
      counts[Int(max(-127, min(127, level))) + 127] += 1
    }
    let total = Double(max(sample.count, 1))
    let entropy = counts.reduce(0.0) { $1 == 0 ? $0 : $0 - Double($1) / total * log2(Double($1) / total) }
    return entropy * Double(finest.count) * Double(weightCount) / 8
  }
}

extension NoiseShares {
  /// The assumed ratio of a fully connected layer's output power to that of the differences.
  private static let powerByDifferences = 16.0

  /// The outputs' relative noise divided by the squared step of one channel of a layer; `nil` where it is not known.
  ///
  /// Rounding to steps s has the variance s² / 12, and each of `length` weights contributes its input's mean square.
  /// The output power of a fully connected layer, which calibration does not see, is estimated from uncorrelated
  /// inputs; the differences between classes and images that it is read for are taken as a small part of it.
  fileprivate func noise(of node: Node, outputs: Int, length: Int, squares: Double) -> Double? {
    let byPower: Double
    if node.traits.weights == .matrix {
      byPower = squares > 0 ? Self.powerByDifferences / squares : 0
    } else {
      guard let input = power(of: node.inputs[0]), let output = power(of: node.output) else { return nil }
      byPower = input / (output * Double(outputs))
    }
    let noise = Double(length) * byPower * self[node.output] / 12
    return noise > 0 && noise.isFinite ? noise : nil
  }
}
