import Calibration
import Glibc
import Graphs
import Operators
import Passes
import Quantization
import ReferenceOperators
import Tensors
import Testing

@Suite struct WeightStepTests {
  /// Layers of normal weights whose noise differs by orders of magnitude; all weights are in the sample.
  private static func layers(seed: Int) -> [WeightStepPlanner.Layer] {
    var random = SplitMix64(seed: UInt64(seed))
    return (0..<random.int(1...5)).map { index in
      let (channels, length) = (random.int(1...6), random.int(20...200))
      let noise = exp2(Double(random.int(-30...(-10))))
      let sample = (0..<channels * length).map { _ in random.floats(12).reduce(0, +) / 6 }
      var finest = [Float](repeating: 0, count: channels)
      for (place, weight) in sample.enumerated() {
        finest[place / length] = max(finest[place / length], abs(weight) / 127)
      }
      return WeightStepPlanner.Layer(
        name: "layer\(index)", noise: noise, finest: finest, weightCount: length, sample: sample)
    }
  }

  private static func step(_ steps: WeightSteps, _ finest: Float, _ name: String) -> Double {
    Double(max(finest, min(steps.least[name] ?? finest, 16 * finest)))
  }

  /// No noise that is less is found for the bits that are saved: coarsening, by a little at a time, the channel for which a
  /// bit costs least is the best for convex costs.
  @Test(arguments: 0..<40)
  func aBitIsSavedWhereItCostsLeast(seed: Int) {
    let layers = Self.layers(seed: seed)
    let planner = WeightStepPlanner(layers: layers)
    var channels = layers.flatMap { layer in
      layer.finest.map {
        (noise: layer.noise ?? 0, count: Double(layer.weightCount), finest: Double($0), step: Double($0))
      }
    }
    let factor = exp2(1.0 / 64)
    var saved = 0.0
    for slope in [1e-9, 1e-8, 1e-7] {
      let steps = planner.steps(slope: slope)
      let bits = layers.reduce(0.0) { sum, layer in
        layer.finest.reduce(sum) {
          $0 + Double(layer.weightCount) * log2(Self.step(steps, $1, layer.name) / Double($1))
        }
      }
      while saved < bits {
        let costs = channels.map { channel in
          channel.step >= 16 * channel.finest
            ? .infinity : channel.noise * channel.step * channel.step / channel.count
        }
        guard let cheapest = costs.indices.min(by: { costs[$0] < costs[$1] }), costs[cheapest].isFinite else { break }
        let step = min(channels[cheapest].step * factor, 16 * channels[cheapest].finest)
        saved += channels[cheapest].count * log2(step / channels[cheapest].step)
        channels[cheapest].step = step
      }
      let naive = channels.reduce(0) { $0 + $1.noise * $1.step * $1.step }
      let filled = planner.noise(steps)
      #expect(filled <= 1.000001 * naive, "slope \(slope): \(filled) against \(naive)")
      // The naive ones may have gone a step further than it took.
      #expect(filled >= 0.97 * naive, "slope \(slope): \(filled) against \(naive)")
    }
  }

  /// Noise and bytes are what a plain count of levels says.
  @Test(arguments: 0..<20)
  func bytesAreTheEntropyOfLevels(seed: Int) {
    let layers = Self.layers(seed: seed)
    for slope in [0, 1e-8, 1e-4] {
      let steps = WeightStepPlanner(layers: layers).steps(slope: slope)
      var bits = 0.0
      for layer in layers {
        var counts: [Float: Double] = [:]
        for (place, weight) in layer.sample.enumerated() {
          let channel = place / layer.weightCount
          counts[(weight / Float(Self.step(steps, layer.finest[channel], layer.name))).rounded(), default: 0] += 1
        }
        bits -= counts.values.reduce(0) { $0 + $1 * log2($1 / Double(layer.sample.count)) }
      }
      let estimate = WeightStepPlanner(layers: layers, threads: 3).estimatedBytes(steps)
      // A weight between two levels may fall to the other in float.
      #expect(abs(estimate - bits / 8) <= 0.01 * bits / 8 + 1, "slope \(slope)")
      #expect(estimate == WeightStepPlanner(layers: layers).estimatedBytes(steps))
    }
  }

  @Test(arguments: 0..<20)
  func budgetsAreKeptAndUsed(seed: Int) {
    let planner = WeightStepPlanner(layers: Self.layers(seed: seed))
    let finest = planner.estimatedBytes(WeightSteps())
    #expect(planner.steps(fitting: finest) == WeightSteps())
    var last = 0.0
    for share in [0.95, 0.8, 0.65] {
      let steps = planner.steps(fitting: share * finest)
      let bytes = planner.estimatedBytes(steps)
      // The levels of few weights are what they are: nothing is saved little by little.
      #expect(bytes <= share * finest && bytes >= 0.9 * share * finest, "\(bytes) of \(share * finest)")
      #expect(planner.noise(steps) >= last)
      last = planner.noise(steps)
    }
    // More than the coarsest steps save cannot be had.
    let coarsest = planner.steps(fitting: 0)
    #expect(planner.estimatedBytes(coarsest) > 0)
  }

  /// A random network, its statistics, and what planners of several threads choose for it.
  @Test(arguments: 0..<20)
  func stepsAreAppliedAsPlanned(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let graph = try PassPipeline.fold.run(RandomGraph.make(seed: UInt64(seed), nodes: 10, isPlain: true)).graph
    let pixels = LoweringTests.pixels(2, &random)
    let statistics = try LoweringTests.statistics(graph, pixels, batch: 2)
    let planner = WeightStepPlanner(graph, statistics: statistics)
    let steps = planner.steps(fitting: 0.8 * planner.estimatedBytes(WeightSteps()))
    let other = WeightStepPlanner(graph, statistics: statistics, threads: 3)
    #expect(other.steps(fitting: 0.8 * other.estimatedBytes(WeightSteps())) == steps)
    var plan = QuantizationPlanner(rangeMethod: .minMax).plan(graph, statistics: statistics)
    let plain = try LoweringTests.lower(graph, plan)
    plan.weightSteps = steps
    #expect(plan.weightSteps.least == steps.least)
    let coarse = try LoweringTests.lower(graph, plan, threads: 2)
    let coarsening = try WeightLevels.nearest(graph, plan: plan, threads: 2).coarsening
    #expect(coarsening.share <= 1 && coarsening.bitsPerWeight <= 4 && (coarsening.share > 0) == !steps.least.isEmpty)
    for (before, after) in zip(plain.nodes, coarse.nodes) {
      guard let a = before.constants["weight_scale"]?.elements(as: Float.self),
        let b = after.constants["weight_scale"]?.elements(as: Float.self)
      else { continue }
      for (finest, step) in zip(a, b) {
        #expect(Double(step) == Self.step(steps, finest, before.name), "\(before.name)")
      }
      // What reads pixels keeps its steps.
      if before.inputs[0] == plain.input { #expect(a == b) }
    }
  }

  /// What counts is the noise in a sum: the same for the same step of either of its branches, however small what it adds.
  @Test func branchesOfASumTakeTheSameSteps() throws {
    var random = SplitMix64(seed: 5)
    var graph = Graph(architecture: "branches", preprocessing: .half)
    func convolution(_ name: String, _ input: ValueID, _ inputs: Int, _ size: Float) -> ValueID {
      let weight = Tensor(random.floats(16 * inputs, -size...size), shape: [16, 1, 1, inputs])
      return graph.append(Convolution(window: Window(1)), name: name, inputs: [input], constants: ["weight": weight])
    }
    let stem = convolution("stem", graph.input, 3, 1)
    let large = convolution("large", stem, 16, 1)
    let small = convolution("small", stem, 16, 0.01)
    let sum = graph.append(Addition(), name: "sum", inputs: [large, small])
    graph.outputs = [GraphOutput(name: GraphOutput.embedding, value: sum)]
    let statistics = try LoweringTests.statistics(graph, LoweringTests.pixels(2, &random), batch: 2)
    let planner = WeightStepPlanner(graph, statistics: statistics)
    let noise = planner.layers.map(\.noise)
    #expect(noise[0] == nil)
    let (a, b) = (try #require(noise[1]), try #require(noise[2]))
    #expect(abs(a / b - 1) < 1e-6, "\(a) and \(b)")
    let steps = planner.steps(slope: 1)
    #expect(steps.least["stem"] == nil && steps.least["large"] == steps.least["small"])
  }
}
