import Calibration
import Graphs
import Operators
import Passes
import Quantization
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct WideReadingTests {
  /// A random network quantised, and the same with everything read as 16 bits that can be.
  private struct Case {
    let network: RandomNetwork
    let candidates: [WideReading.Candidate]
    let plan: QuantizationPlan
    let wide: Graph

    init(seed: Int) throws {
      var random = SplitMix64(seed: UInt64(seed))
      network = try RandomNetwork(seed: seed, &random)
      let reading = WideReading(network.float, network.statistics)
      candidates = reading.candidates(in: network.plan)
      plan = reading.widening(candidates, in: network.plan)
      wide = try LoweringTests.lower(network.float, plan)
    }
  }

  /// Over many networks most of the drift goes, for it comes from activations; what stays is that of weights.
  @Test func embeddingsDriftLess() throws {
    let cases = try (0..<40).map { try Case(seed: $0) }
    let affected = cases.filter { !$0.candidates.isEmpty }
    #expect(affected.count > 10)
    let before = try affected.reduce(0) { $0 + (try $1.network.drift($1.network.plain)) }
    let after = try affected.reduce(0) { $0 + (try $1.network.drift($1.wide)) }
    #expect(after < 0.7 * before, "\(after) of \(before)")
  }

  @Test(arguments: 0..<20)
  func everyTierGivesTheSameBits(seed: Int) throws {
    let problem = try Case(seed: seed)
    var first: [Float]?
    for (tier, kernels) in KernelTiers.runnable {
      let outputs = try LoweringTests.run(problem.wide, problem.network.pixels, batch: 2, kernels: kernels)
      let embedding = try #require(outputs[GraphOutput.normalizedEmbedding]).elements(as: Float.self)
      #expect(embedding == first ?? embedding, "\(tier)")
      first = embedding
    }
  }

  @Test(arguments: 0..<20)
  func onlyWhatIsReadWithRemaindersHasThem(seed: Int) throws {
    let problem = try Case(seed: seed)
    let graph = problem.wide
    for candidate in problem.candidates {
      #expect(!graph.format(of: candidate.value).isPlainUInt8, "\(candidate.name)")
      #expect(candidate.noise > 0)
    }
    for node in graph.nodes {
      guard let convolution = node.op as? Convolution, convolution.readsInputRemainder else { continue }
      #expect(!graph.format(of: node.inputs[0]).isPlainUInt8, "\(node.name) reads remainders that nothing keeps")
    }
    // Nothing is left to widen, and widening nothing changes nothing.
    let reading = WideReading(problem.network.float, problem.network.statistics)
    #expect(reading.candidates(in: problem.plan).isEmpty)
    #expect(reading.widening([], in: problem.network.plan) == problem.network.plan)
  }

  /// The halves of a map, joined the other way round, have the range of the map; when that of the sum grows, theirs must
  /// not.
  @Test func selectionsKeepTheFormatOfWhatTheySelect() throws {
    var random = SplitMix64(seed: 4)
    var graph = Graph(architecture: "halves", preprocessing: .imageNet)
    func convolution(_ name: String, _ input: ValueID, _ channels: Int) -> ValueID {
      graph.append(
        Convolution(window: Window(3, padding: 1), groups: 1), name: name, inputs: [input],
        constants: ["weight": Tensor(random.floats(8 * 9 * channels), shape: [8, 3, 3, channels])])
    }
    let map = convolution("first", graph.input, 3)
    let halves = try [[4, 5, 6, 7], [0, 1, 2, 3]].enumerated().map { index, channels in
      graph.append(try ChannelSelection(channels), name: "half\(index)", inputs: [map])
    }
    let joined = graph.append(Concatenation(), name: "joined", inputs: halves)
    let pooled = graph.append(
      GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [convolution("second", joined, 8)])
    let unit = graph.append(L2Normalization(), name: "normalize", inputs: [pooled])
    graph.outputs = [GraphOutput(name: GraphOutput.normalizedEmbedding, value: unit)]
    let pixels = LoweringTests.pixels(2, &random)
    let statistics = try LoweringTests.statistics(graph, pixels, batch: 2)
    let plan = QuantizationPlanner(rangeMethod: .minMax).plan(graph, statistics: statistics)
    let reading = WideReading(graph, statistics)
    let wide = reading.widening(reading.candidates(in: plan), in: plan)
    #expect(wide.values["half0"]?.format == wide.values["first"]?.format)
    let outputs = try LoweringTests.run(try LoweringTests.lower(graph, wide), pixels, batch: 2)
    let expected = try LoweringTests.run(graph, pixels, batch: 2)
    let name = GraphOutput.normalizedEmbedding
    let embeddings = try [outputs, expected].map { try #require($0[name]).elements(as: Float.self) }
    #expect(LoweringTests.cosine(embeddings[0], embeddings[1]) > 0.999)
  }
}
