import Calibration
import Graphs
import Operators
import Passes
import Quantization
import ReferenceOperators
import Tensors
import Testing

/// Networks of functions that no epilogue applies, as MobileNets and EfficientNets have them.
@Suite struct NonlinearityTests {
  /// A stem, a block with squeeze-and-excitation and a residual, and a head.
  ///
  /// - Parameter hasExactWeights: whether int8 has every weight, so that only activations are rounded.
  private static func network(
    _ function: ActivationFunction, hasExactWeights: Bool = false, _ random: inout SplitMix64
  ) throws -> Graph {
    // Another deviation of each colour would take the weights of the stem off their grid.
    var graph = Graph(architecture: "nonlinear", preprocessing: hasExactWeights ? .half : .imageNet)
    func weights(_ outputs: Int, _ length: Int, _ spread: Float) -> [Float] {
      guard hasExactWeights else { return random.floats(outputs * length, -spread...spread) }
      // Multiples of a power of two, of which the largest is 127 for each output.
      return (0..<outputs).flatMap { _ in
        (0..<length).map { ($0 == 0 ? 127 : Float(random.int(-127...127))) * spread.binade / 64 }
      }
    }
    func convolution(
      _ name: String, _ input: ValueID, _ inputs: Int, _ outputs: Int, _ size: Int, groups: Int = 1
    ) -> ValueID {
      let depth = inputs / groups
      let spread = (6 / Float(size * size * depth)).squareRoot()
      return graph.append(
        Convolution(window: Window(size, padding: size / 2), groups: groups), name: name, inputs: [input],
        constants: [
          "weight": Tensor(weights(outputs, size * size * depth, spread), shape: [outputs, size, size, depth]),
          "bias": Tensor(random.floats(outputs)),
        ])
    }
    func active(_ name: String, _ input: ValueID, _ function: ActivationFunction) -> ValueID {
      graph.append(Nonlinearity(function), name: name, inputs: [input])
    }
    func linear(_ name: String, _ input: ValueID, _ inputs: Int, _ outputs: Int) -> ValueID {
      graph.append(
        Linear(), name: name, inputs: [input],
        constants: ["weight": Tensor(weights(outputs, inputs, 1), shape: [outputs, inputs])])
    }
    let stem = active("stem.act", convolution("stem", graph.input, 3, 8, 3), function)
    let wide = active("expand.act", convolution("expand", stem, 8, 16, 1), function)
    let deep = active("depthwise.act", convolution("depthwise", wide, 16, 16, 3, groups: 16), function)
    let squeezed = graph.append(GeneralizedMeanPooling(exponent: 1), name: "squeeze", inputs: [deep])
    let hidden = active("fc1.act", linear("fc1", squeezed, 16, 4), function)
    let gate = active("gate", linear("fc2", hidden, 4, 16), .hardSigmoid)
    let scaled = graph.append(ChannelScaling(), name: "excite", inputs: [deep, gate])
    let sum = graph.append(Addition(), name: "add", inputs: [stem, convolution("project", scaled, 16, 8, 1)])
    let last = active("last.act", convolution("last", sum, 8, 12, 1), function)
    let pooled = graph.append(GeneralizedMeanPooling(exponent: 3), name: "pool", inputs: [last])
    let embedding = graph.append(L2Normalization(), name: "normalize", inputs: [pooled])
    graph.outputs = [.init(name: GraphOutput.normalizedEmbedding, value: embedding)]
    return try PassPipeline.fold.run(graph).graph
  }

  private struct Case {
    let float: Graph
    let pixels: [UInt8]
    let plan: QuantizationPlan
    let int8: Graph

    init(_ function: ActivationFunction, seed: UInt64, hasExactWeights: Bool = false) throws {
      var random = SplitMix64(seed: seed)
      float = try NonlinearityTests.network(function, hasExactWeights: hasExactWeights, &random)
      pixels = LoweringTests.pixels(2, &random)
      (plan, int8) = try LoweringTests.quantize(float, pixels, batch: 2, .meanSquaredError)
    }

    func embedding(_ graph: Graph) throws -> [Float] {
      try #require(LoweringTests.run(graph, pixels, batch: 2)[GraphOutput.normalizedEmbedding]).elements(as: Float.self)
    }

    func drift(_ graph: Graph) throws -> Double { 1 - LoweringTests.cosine(try embedding(float), try embedding(graph)) }
  }

  @Test(arguments: Nonlinearity.functions) func int8IsCloseToFloatInEveryTier(function: ActivationFunction) throws {
    for seed in 0..<5 as Range<UInt64> {
      let problem = try Case(function, seed: seed)
      #expect(try problem.drift(problem.int8) < 0.003, "seed \(seed)")
      var first: [Float]?
      for (tier, kernels) in KernelTiers.runnable {
        let outputs = try LoweringTests.run(problem.int8, problem.pixels, batch: 2, kernels: kernels)
        let embedding = try #require(outputs[GraphOutput.normalizedEmbedding]).elements(as: Float.self)
        #expect(embedding == first ?? embedding, "\(tier), seed \(seed)")
        first = embedding
      }
    }
  }

  /// Of maps there are levels to look up; rows are float. No level is spent on arguments that make no difference.
  @Test(arguments: Nonlinearity.functions) func formatsAreTheirOwn(function: ActivationFunction) throws {
    let problem = try Case(function, seed: 1)
    for node in problem.int8.nodes {
      guard let op = node.op as? Nonlinearity else { continue }
      let (input, output) = (problem.int8.format(of: node.inputs[0]), problem.int8.format(of: node.output))
      if node.name == "gate" || node.name == "fc1.act" {
        #expect(input == .float32 && output == .float32)
        continue
      }
      let parameters = try #require(input.quantization)
      let range = op.function.responsiveRange
      // The zero point is a level, so either end may be off by half a step.
      #expect(Double(parameters.range.lowerBound) >= range.lowerBound - Double(parameters.scale))
      #expect(Double(parameters.range.upperBound) <= range.upperBound + Double(parameters.scale))
      // What is only pooled or scaled, in float, is not rounded.
      #expect((output == .float32) == ["depthwise.act", "last.act"].contains(node.name))
    }
  }

  /// Both roundings of a function's map can be taken off. Where weights are exact, most of the drift goes.
  @Test(arguments: Nonlinearity.functions) func argumentsAreReadAs16Bits(function: ActivationFunction) throws {
    var (before, after) = (0.0, 0.0)
    for seed in 0..<5 as Range<UInt64> {
      let problem = try Case(function, seed: seed, hasExactWeights: true)
      let statistics = try LoweringTests.statistics(problem.float, problem.pixels, batch: 2)
      let reading = WideReading(problem.float, statistics)
      let candidates = reading.candidates(in: problem.plan)
      #expect(candidates.contains { $0.name == "depthwise" } && candidates.contains { $0.name == "stem" })
      let wide = try LoweringTests.lower(problem.float, reading.widening(candidates, in: problem.plan))
      before += try problem.drift(problem.int8)
      after += try problem.drift(wide)
      for node in wide.nodes {
        guard let op = node.op as? Nonlinearity, problem.int8.format(of: node.output) != .float32 else { continue }
        #expect(op.readsInputRemainder, "\(node.name)")
      }
    }
    // What is left is that of ranges, and of values that are only read as 8 bits.
    #expect(after < 0.5 * before, "\(after) of \(before)")
  }

  /// Between layers kept in float, nothing is rounded.
  @Test func functionsBetweenFloatLayersAreFloat() throws {
    let problem = try Case(.hardSwish, seed: 3)
    let layers = problem.float.nodes.filter(\.hasRoundedWeights).map {
      ($0.name, QuantizationPlan.Layer(.float))
    }
    var plan = problem.plan
    plan.keepFloat(Dictionary(uniqueKeysWithValues: layers), in: problem.float)
    let kept = try LoweringTests.lower(problem.float, plan)
    for node in kept.nodes where node.op is Nonlinearity { #expect(kept.format(of: node.inputs[0]) == .float32) }
    #expect(try problem.drift(kept) < 1e-6)
  }
}
