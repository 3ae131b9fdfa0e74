import Calibration
import Graphs
import Kernels
import Operators
import Passes
import Quantization
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct LoweringTests {
  static let side = 18

  static func pixels(_ count: Int, _ random: inout SplitMix64) -> [UInt8] {
    random.bytes(count * side * side * 3)
  }

  static func run(
    _ graph: Graph, _ pixels: [UInt8], batch: Int, kernels: KernelSet = KernelSet(), observer: Session.Observer? = nil
  ) throws -> [String: Tensor] {
    let session = Session(try Executable(graph, kernels: kernels))
    return try pixels.withUnsafeBufferPointer {
      try session.run(pixels: $0, batch: batch, height: side, width: side, observer: observer)
    }
  }

  /// What calibration would see of these pixels.
  static func statistics(_ graph: Graph, _ pixels: [UInt8], batch: Int) throws -> ActivationStatistics {
    var statistics = ActivationStatistics(values: QuantizationPlanner.observedValues(in: graph))
    _ = try run(graph, pixels, batch: batch) { value, _, bytes in
      statistics.histograms[value]?.count(Array(bytes.bindMemory(to: Float.self)))
    }
    return statistics
  }

  static func quantize(
    _ graph: Graph, _ pixels: [UInt8], batch: Int, _ method: RangeMethod
  ) throws -> (plan: QuantizationPlan, graph: Graph) {
    let plan = try QuantizationPlanner(rangeMethod: method)
      .plan(graph, statistics: statistics(graph, pixels, batch: batch))
    return (plan, try lower(graph, plan))
  }

  /// The quantised graph with weights at their nearest levels.
  static func lower(_ graph: Graph, _ plan: QuantizationPlan, threads: Int = 1) throws -> Graph {
    let levels = try WeightLevels.nearest(graph, plan: plan, threads: threads)
    return try Lowering.lower(graph, plan: plan, levels: levels).graph
  }

  static func cosine(_ a: [Float], _ b: [Float]) -> Double {
    func dot(_ x: [Float], _ y: [Float]) -> Double { zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
  }

  @Test(arguments: 0..<40)
  func int8IsCloseToFloatAndTheSameInEveryTier(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let graph = try PassPipeline.fold.run(RandomGraph.make(seed: UInt64(seed), nodes: 8, isPlain: true)).graph
    let pixels = Self.pixels(4, &random)
    let float = try Self.run(graph, pixels, batch: 4)
    for method in [RangeMethod.minMax, .meanSquaredError, .percentile(99.99)] {
      let quantized = try Self.quantize(graph, pixels, batch: 4, method).graph
      var first: [Float]?
      for (tier, kernels) in KernelTiers.runnable {
        let int8 = try Self.run(quantized, pixels, batch: 4, kernels: kernels)
        for (name, tensor) in float {
          let similarity = Self.cosine(
            tensor.elements(as: Float.self), try #require(int8[name]).elements(as: Float.self))
          #expect(similarity > 0.995, "\(name), \(method.name): cosine \(similarity)")
        }
        let embedding = try #require(int8[GraphOutput.normalizedEmbedding]).elements(as: Float.self)
        #expect(embedding == first ?? embedding, "\(tier)")
        first = embedding
      }
    }
  }

  @Test(arguments: 0..<10)
  func theGraphIsWhatThePlanSays(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let graph = try PassPipeline.fold.run(RandomGraph.make(seed: UInt64(seed), nodes: 8, isPlain: true)).graph
    let pixels = Self.pixels(2, &random)
    let (plan, quantized) = try Self.quantize(graph, pixels, batch: 2, .minMax)
    #expect(quantized.format(of: quantized.input) == .uint8(QuantizationParameters(scale: 1, zeroPoint: 0)))
    #expect(quantized.outputs == graph.outputs)
    for node in graph.nodes {
      let result = try #require(quantized.nodes.first { $0.name == node.name })
      let activation = try #require(plan.values[node.name])
      let arithmetic = plan.layers[node.name]?.arithmetic
      #expect(quantized.format(of: result.output) == activation.format)
      switch node.op {
      case is Convolution:
        #expect(arithmetic == .int8)
        #expect(result.constants["weight"]?.elementType == .int8)
        #expect(result.constants["bias"]?.elementType == .int32)
        #expect((result.constants["padding_value"] != nil) == (node.inputs[0] == graph.input))
      case is Linear:
        #expect(arithmetic == .int8Weights)
        #expect(result.constants["weight"]?.elementType == .int8)
        #expect(result.constants["bias"]?.elementType == node.constants["bias"]?.elementType)
      case is MaxPooling, is ReLU:
        #expect(
          quantized.format(of: result.output) == quantized.format(of: result.inputs[0]).withoutRemainder)
      case is L2Normalization, is GeneralizedMeanPooling:
        #expect(arithmetic == .float && activation.format == .float32)
      default: break
      }
      if let observed = activation.observed { #expect(observed.lowerBound <= observed.upperBound) }
    }
  }

  /// One convolution of pixels whose output is float: what comes out differs from the float result by no more than the
  /// rounding of its weights, of its bias, and of the colour that pads it.
  @Test(arguments: 0..<30)
  func preprocessingFoldsExactlyButForRounding(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let preprocessing: Preprocessing = random.pick([
      .imageNet, .half, Preprocessing(mean: [0, 1, 0.3], std: [1, 0.01, 7]),
    ])
    var graph = Graph(architecture: "first", preprocessing: preprocessing)
    let (size, outputs) = (random.pick([1, 3, 7]), random.int(1...20))
    let shape: Shape = [outputs, size, size, 3]
    let op = Convolution(window: Window(size, stride: random.int(1...2), padding: random.pick([0, size / 2])))
    var constants = ["weight": Tensor(random.floats(shape.elementCount), shape: shape)]
    if random.chance(0.7) { constants["bias"] = Tensor(random.floats(outputs, -10...10)) }
    let value = graph.append(op, name: "conv", inputs: [graph.input], constants: constants)
    graph.outputs = [GraphOutput(name: "output", value: value)]

    let pixels = Self.pixels(1, &random)
    let quantized = try Self.quantize(graph, pixels, batch: 1, .minMax).graph
    let output = try #require(Self.run(quantized, pixels, batch: 1)["output"])
    let (mean, std) = (preprocessing.mean.map { Double($0) }, preprocessing.std.map { Double($0) })
    let normalized = pixels.enumerated().map { (Double($1) / 255 - mean[$0 % 3]) / std[$0 % 3] }
    let input: Shape = [1, Self.side, Self.side, 3]
    let expected = try FloatReference.evaluate(op, [(input, normalized)], constants: constants)
    #expect(output.shape == expected.shape)
    let scales = try #require(quantized.nodes[0].constants["weight_scale"]).elements(as: Float.self)
    let weights = try #require(constants["weight"]).elements(as: Float.self)
    let values = output.elements(as: Float.self)
    for position in 0..<expected.shape.height * expected.shape.width {
      let taps = WindowReference.taps(op.window, position: position, input: input, output: expected.shape)
      for n in 0..<outputs {
        let step = Double(scales[n])
        var bound = step / 2 + 1e-5 * (1 + abs(expected.values[position * outputs + n]))
        for (tap, pixel) in taps.enumerated() {
          for c in 0..<3 {
            let weight = abs(Double(weights[(n * taps.count + tap) * 3 + c])) / std[c] / 255
            if let pixel {
              bound += Double(pixels[pixel * 3 + c]) * step / 2
            } else {
              // The padding is a whole pixel value, at most half of one off the mean; and its weight is rounded, too.
              bound += weight * 0.5 + mean[c] * 255 * step / 2 + step / 4
            }
            bound += 1e-6 * weight * 255 * 20
          }
        }
        let difference = abs(Double(values[position * outputs + n]) - expected.values[position * outputs + n])
        #expect(difference <= bound, "output \(n) at \(position): off by \(difference), bound \(bound)")
      }
    }
  }

  @Test func largeBiasesAndDeadChannelsKeepTheirMeaning() throws {
    var graph = Graph(architecture: "bias", preprocessing: .half)
    // Dead with a bias; tiny weights with a large bias; a common channel.
    let weight = Tensor([0, 0, 0, 1e-9, 1e-9, 1e-9, 0.5, -0.5, 0.25] as [Float], shape: [3, 1, 1, 3])
    let value = graph.append(
      Convolution(window: Window(1)), name: "conv", inputs: [graph.input],
      constants: ["weight": weight, "bias": Tensor([2.5, 1000, -1] as [Float])])
    graph.outputs = [GraphOutput(name: "output", value: value)]
    var random = SplitMix64(seed: 1)
    let pixels = Self.pixels(1, &random)
    let float = try #require(Self.run(graph, pixels, batch: 1)["output"]).elements(as: Float.self)
    let quantized = try Self.quantize(graph, pixels, batch: 1, .minMax).graph
    let int8 = try #require(Self.run(quantized, pixels, batch: 1)["output"]).elements(as: Float.self)
    for index in float.indices {
      let bound: Float = [0.51, 1e-3, 0.01][index % 3]
      #expect(abs(float[index] - int8[index]) <= bound, "channel \(index % 3): \(int8[index]), not \(float[index])")
    }
  }

  /// Only dense convolutions take pixels that are not normalised; what else reads the image does so in float.
  @Test func whatElseReadsTheImageComputesInFloat() throws {
    var graph = Graph(architecture: "pooled", preprocessing: .imageNet)
    let pooled = graph.append(MaxPooling(window: Window(2)), name: "pool", inputs: [graph.input])
    let weight = Tensor((0..<6).map { Float($0) - 2.5 }, shape: [2, 1, 1, 3])
    let map = graph.append(
      Convolution(window: Window(1)), name: "conv", inputs: [pooled], constants: ["weight": weight])
    graph.outputs = [GraphOutput(name: "output", value: map)]
    #expect(QuantizationPlanner.observedValues(in: graph) == [pooled, map])
    let plan = QuantizationPlanner().plan(graph, statistics: ActivationStatistics())
    #expect(plan.layers.mapValues(\.arithmetic) == ["pool": .float, "conv": .int8])
    let quantized = try Self.lower(graph, plan)
    #expect(quantized.nodes.map(\.name) == ["pool.dequantize0", "pool.normalize", "pool", "pool.quantize", "conv"])
  }

  @Test func whatCannotBeQuantisedGivesTypedErrors() throws {
    func apply(_ constants: [String: Tensor]) throws {
      var graph = Graph(architecture: "bad", preprocessing: .imageNet)
      let value = graph.append(
        Convolution(window: Window(1)), name: "conv", inputs: [graph.input], constants: constants)
      graph.outputs = [GraphOutput(name: "output", value: value)]
      let plan = QuantizationPlanner().plan(graph, statistics: ActivationStatistics())
      _ = try Self.lower(graph, plan)
    }
    let weight = Tensor([1, 2, 3] as [Float], shape: [1, 1, 1, 3])
    try apply(["weight": weight])
    let bad: [[String: Tensor]] = [
      [:], ["weight": Tensor([1, 2, 3] as [Int8], shape: [1, 1, 1, 3])], ["weight": weight.reshaped([3])],
      ["weight": weight.reshaped([3, 1, 1, 1])], ["weight": weight, "bias": Tensor([1] as [Int32])],
      ["weight": weight, "bias": Tensor([1, 2] as [Float])],
    ]
    for constants in bad { #expect(throws: GraphError.self, "\(constants)") { try apply(constants) } }
  }

  /// Every node of the float graph has one that computes it, with its operator and the number of its output, or, where it
  /// is followed by a conversion, another.
  @Test(arguments: 0..<20)
  func theCorrespondenceLeadsToWhatComputesANode(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let network = try RandomNetwork(seed: seed, &random)
    var plan = network.plan
    let kept = network.float.nodes.filter { $0.hasRoundedWeights && random.chance(0.3) }
    plan.keepFloat(
      Dictionary(uniqueKeysWithValues: kept.map { ($0.name, .init(.float, reason: "a test")) }), in: network.float)
    let levels = try WeightLevels.nearest(network.float, plan: plan, threads: 2)
    let lowered = try Lowering.lower(network.float, plan: plan, levels: levels)
    var seen: Set<Int> = []
    for node in network.float.nodes {
      #expect(seen.insert(lowered.index(of: node)).inserted)
      let other = lowered[node]
      #expect(other.name == node.name && other.kind == node.kind && other.id == node.id)
      #expect(other.output == node.output || plan.keepsFloat(node))
      #expect((lowered.levelsRead(by: node) != nil) == (node.op is Convolution && !plan.keepsFloat(node)))
    }
    #expect(Set(lowered.graph.nodes.map(\.id)).count == lowered.graph.nodes.count)
  }

  /// A bias is held in real units, whatever the format of what the layer reads, and rounded where that is known.
  @Test func biasesAreRoundedToTheUnitOfTheirInput() throws {
    var changed = 0
    for seed in 0..<20 {
      var random = SplitMix64(seed: UInt64(seed))
      let network = try RandomNetwork(seed: seed, &random)
      let float = network.float
      let levels = try WeightLevels.nearest(float, plan: network.plan, threads: 1)
      let before = network.plan.formats(in: float)
      for plan in [network.plan, network.widening(network.plan)] {
        let lowered = try Lowering.lower(float, plan: plan, levels: levels)
        for node in float.nodes {
          guard let input = lowered.levelsRead(by: node), let layer = levels[node], let real = layer.bias else {
            continue
          }
          if input != before[node.inputs[0].index].quantization { changed += 1 }
          let bias = try #require(lowered[node].constants["bias"]).elements(as: Int32.self)
          for channel in bias.indices {
            let unit = Double(input.scale) * Double(layer.scales[channel])
            #expect(abs(Double(bias[channel]) * unit - real[channel]) <= 0.5000001 * unit, "seed \(seed): \(node.name)")
          }
        }
      }
    }
    #expect(changed > 0)
  }
}
