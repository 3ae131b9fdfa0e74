import Calibration
import Graphs
import Operators
import PackageFormat
import Passes
import Pixels
import Quantization
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct FloatLayersTests {
  /// A random network quantised, and the same with some layers kept in float.
  private struct Case {
    let network: RandomNetwork
    let kept: Set<String>
    let plan: QuantizationPlan
    let mixed: Graph

    /// - Parameters:
    ///   - share: of the layers, that is kept.
    ///   - isInt16: whether their weights are held in 16 bits.
    init(seed: Int, share: Double, isInt16: Bool = true) throws {
      var random = SplitMix64(seed: UInt64(seed))
      let network = try RandomNetwork(seed: seed, &random)
      self.network = network
      kept = Set(network.float.nodes.filter { $0.hasRoundedWeights && random.chance(share) }.map(\.name))
      plan = Self.keeping(kept, .init(isInt16 ? .int16Weights : .float), in: network)
      mixed = try LoweringTests.lower(network.float, plan)
    }

    static func keeping(
      _ names: Set<String>, _ layer: QuantizationPlan.Layer, in network: RandomNetwork
    ) -> QuantizationPlan {
      var plan = network.plan
      plan.keepFloat(Dictionary(uniqueKeysWithValues: names.map { ($0, layer) }), in: network.float)
      return plan
    }
  }

  /// Nothing is rounded between layers that are all kept: the outputs are the float network's.
  @Test(arguments: 0..<30, [false, true])
  func allKeptComputesWhatTheFloatNetworkComputes(seed: Int, isInt16: Bool) throws {
    let problem = try Case(seed: seed, share: 1, isInt16: isInt16)
    // Additions that are not fused with a convolution, and poolings before them, may still be held by levels.
    let rounds = problem.mixed.nodes.contains { problem.mixed.format(of: $0.output) != .float32 }
    let outputs = try LoweringTests.run(problem.mixed, problem.network.pixels, batch: 2)
    let expected = try LoweringTests.run(problem.network.float, problem.network.pixels, batch: 2)
    for (name, tensor) in expected {
      let (a, b) = (tensor.elements(as: Float.self), try #require(outputs[name]).elements(as: Float.self))
      let largest = a.reduce(1) { max($0, abs($1)) }
      if rounds {
        #expect(LoweringTests.cosine(a, b) > 0.9995)
      } else {
        // Weights of 16 bits are off by a 65534th of their largest at most.
        #expect(zip(a, b).allSatisfy { abs($0 - $1) <= (isInt16 ? 1e-3 : 2e-5) * largest }, "\(name)")
        #expect(1 - LoweringTests.cosine(a, b) < 1e-7, "\(name)")
      }
    }
    #expect(problem.mixed.nodes.allSatisfy { $0.constants["weight"]?.elementType != .int8 })
  }

  /// Each kept convolution gives what the naive reference makes of what it reads.
  @Test(arguments: 0..<20)
  func keptLayersGiveWhatTheReferenceGives(seed: Int) throws {
    let problem = try Case(seed: seed, share: 0.4)
    let graph = problem.mixed
    var held: [ValueID: (shape: Shape, values: [Double])] = [:]
    _ = try LoweringTests.run(graph, problem.network.pixels, batch: 2) { value, shape, bytes in
      guard graph.format(of: value) == .float32 else { return }
      held[value] = (shape, bytes.bindMemory(to: Float.self).map { Double($0) })
    }
    for node in graph.nodes where problem.kept.contains(node.name) && node.op is Convolution {
      let weight = try #require(node.constants["weight"])
      let scales = try #require(node.constants["weight_scale"]).elements(as: Float.self)
      let length = weight.elementCount / scales.count
      #expect(weight.elementType == .int16)
      var constants = node.constants
      constants["weight_scale"] = nil
      constants["weight"] = Tensor(
        weight.elements(as: Int16.self).enumerated().map { Float($1) * scales[$0 / length] }, shape: weight.shape)
      let inputs = try node.inputs.map { try #require(held[$0], "\(node.name)") }
      let expected = try FloatReference.evaluate(node.op, inputs, constants: constants)
      let actual = try #require(held[node.output])
      #expect(actual.shape == expected.shape)
      for index in expected.values.indices {
        let bound = 1e-5 * (1 + expected.bounds[index]) + 1e-5 * abs(expected.values[index])
        #expect(abs(actual.values[index] - expected.values[index]) <= bound, "\(node.name), \(index)")
      }
    }
  }

  @Test(arguments: 0..<20)
  func othersKeepTheirConstantsAndFormats(seed: Int) throws {
    let problem = try Case(seed: seed, share: 0.4)
    let plain = Dictionary(uniqueKeysWithValues: problem.network.plain.nodes.map { ($0.name, $0) })
    for node in problem.network.float.nodes {
      let after = try #require(problem.mixed.nodes.first { $0.name == node.name })
      let before = try #require(plain[node.name])
      guard !problem.kept.contains(node.name) else { continue }
      #expect(after.constants.mapValues { Self.bytes($0) } == before.constants.mapValues { Self.bytes($0) })
      let (new, old) = (problem.mixed.format(of: node.output), problem.network.plain.format(of: node.output))
      #expect(new == old || new == .float32)
    }
    #expect(Case.keeping([], .init(.float), in: problem.network) == problem.network.plan)
    #expect(Case.keeping(["nobody"], .init(.float), in: problem.network) == problem.network.plan)
  }

  private static func bytes(_ tensor: Tensor) -> [UInt8] { tensor.withBytes { Array($0) } }

  /// Over many networks the more is float, the less is lost; with all activations wide, too.
  @Test func embeddingsDriftLess() throws {
    let shares = [0, 0.5, 1.0]
    let drifts = try shares.map { share in
      try (0..<30).reduce(0) { sum, seed in
        let problem = try Case(seed: seed, share: share)
        return sum + (try problem.network.drift(problem.mixed))
      }
    }
    #expect(drifts[1] < 0.8 * drifts[0] && drifts[2] < 0.3 * drifts[0], "\(drifts)")
  }

  /// Conversions to float read remainders where there are any, and values read both ways are widened like others.
  @Test(arguments: 0..<20)
  func activationsBetweenCanBeWide(seed: Int) throws {
    let problem = try Case(seed: seed, share: 0.4)
    let plan = problem.network.widening(problem.plan)
    let wide = try LoweringTests.lower(problem.network.float, plan)
    try wide.validate()
    for node in wide.nodes {
      guard let conversion = node.op as? Requantize, node.inputs[0] != wide.input else { continue }
      let reads = wide.format(of: node.inputs[0])
      #expect(reads == .float32 || reads.isPlainUInt8 != conversion.readsInputRemainder, "\(node.name)")
    }
    let reading = WideReading(problem.network.float, problem.network.statistics)
    #expect(reading.candidates(in: plan).isEmpty)
    var first: [Float]?
    for (tier, kernels) in KernelTiers.runnable {
      let outputs = try LoweringTests.run(wide, problem.network.pixels, batch: 2, kernels: kernels)
      let embedding = try #require(outputs[GraphOutput.normalizedEmbedding]).elements(as: Float.self)
      #expect(embedding == first ?? embedding, "\(tier)")
      first = embedding
    }
  }

  @Test(arguments: 0..<10)
  func packagesKeepThem(seed: Int) throws {
    let problem = try Case(seed: seed, share: 0.5)
    let graph = try LoweringTests.lower(problem.network.float, problem.network.widening(problem.plan))
    let package = Package(
      graph: graph,
      info: PackageInfo(
        resolutions: [Resolution(try EvaluationProtocol(crop: .square, size: 18), poolingExponent: 3)],
        classCount: 5, embeddingDimension: 8),
      labels: [], metadata: "{}")
    let bytes = try PackageWriter.encode(package)
    let storage = TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
    let reader = try PackageReader(storage: storage, path: "package.quern")
    #expect((reader.majorVersion, reader.minorVersion) == (1, 0))
    let back = try reader.readGraph(decodeOperator: OperatorCatalogue.decode)
    #expect(try problem.network.embedding(back) == problem.network.embedding(graph))
  }

  /// Float weights of another shape than the graph has room for.
  @Test func damagedLayersAreTypedErrors() throws {
    let problem = try Case(seed: 3, share: 1)
    let index = try #require(problem.mixed.nodes.lastIndex { $0.op is Convolution })
    let weight = try #require(problem.mixed.nodes[index].constants["weight"])
    let outputs = weight.shape[0]
    let scale = Tensor([Float](repeating: 1, count: outputs))
    let damaged: [[String: Tensor]] = [
      [:], ["weight": weight.reshaped([weight.elementCount])],
      ["weight": Tensor([Float](repeating: 1, count: 7), shape: [7, 1, 1, 1])],
      ["weight": Tensor([Int8](repeating: 1, count: weight.elementCount), shape: weight.shape)],
      ["weight": weight], ["weight": weight, "weight_scale": Tensor([Float](repeating: 1, count: outputs + 1))],
      ["weight": weight, "weight_scale": Tensor([Float](repeating: -1, count: outputs))],
      ["weight": weight, "weight_scale": Tensor([Float](repeating: .nan, count: outputs))],
      ["weight": weight, "weight_scale": scale, "bias": Tensor([Float](repeating: 0, count: outputs + 1))],
      ["weight": weight, "weight_scale": scale, "bias": Tensor([Int32](repeating: 0, count: outputs))],
      [
        "weight": Tensor([Float](repeating: 1, count: weight.elementCount), shape: weight.shape), "weight_scale": scale,
      ],
    ]
    for constants in damaged {
      var graph = problem.mixed
      graph.nodes[index].constants = constants
      #expect(throws: GraphError.self, "\(constants)") {
        _ = try LoweringTests.run(graph, problem.network.pixels, batch: 2)
      }
    }
  }

  // MARK: - Names

  private static let named: Graph = {
    var graph = Graph(architecture: "names", preprocessing: .half)
    var value = graph.input
    for name in ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer10.0.conv1", "layer2.0.downsample.0"] {
      value = graph.append(
        Convolution(window: Window(1)), name: name, inputs: [value],
        constants: ["weight": Tensor([Float](repeating: 0, count: 9), shape: [3, 1, 1, 3])])
    }
    _ = graph.append(ReLU(), name: "layer1.0.relu", inputs: [value])
    return graph
  }()

  @Test(arguments: [
    ("conv1", ["conv1"]), ("layer1", ["layer1.0.conv1", "layer1.0.conv2"]), ("layer1.0.conv2", ["layer1.0.conv2"]),
    ("layer", []), ("layer1.", []), ("", []), ("*.conv1", ["layer1.0.conv1", "layer10.0.conv1"]),
    ("layer?", ["layer1.0.conv1", "layer1.0.conv2", "layer2.0.downsample.0"]), ("*relu", []),
    ("*down*", ["layer2.0.downsample.0"]), ("l*1*2", ["layer1.0.conv2"]), ("?onv1", ["conv1"]), ("Conv1", []),
  ])
  func patternsStandForLayers(pattern: String, names: [String]) {
    #expect(FloatLayers.names(matching: pattern, in: Self.named) == names)
  }

  @Test func nearNamesAreOffered() {
    #expect(FloatLayers.names(near: "layer1.0.cov1", in: Self.named).first == "layer1.0.conv1")
    #expect(FloatLayers.names(near: "layer1.0.relu", in: Self.named, limit: 2).count == 2)
    #expect(FloatLayers.names(near: "", in: Self.named).first == "conv1")
  }
}
