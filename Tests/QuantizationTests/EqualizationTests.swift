import Calibration
import Graphs
import Operators
import Passes
import Quantization
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct EqualizationTests {
  private static let side = 18

  /// Every value of a float graph on an image.
  private static func values(_ graph: Graph, _ pixels: [UInt8]) throws -> [ValueID: (shape: Shape, floats: [Float])] {
    var result: [ValueID: (shape: Shape, floats: [Float])] = [:]
    _ = try Session(try Executable(graph)).run(pixels: pixels, height: side, width: side) { value, shape, bytes in
      result[value] = (shape, Array(bytes.bindMemory(to: Float.self)))
    }
    return result
  }

  private static func range(_ floats: [Float], channels: Int) -> ChannelRange {
    var range = ChannelRange(channels: channels)
    floats.withUnsafeBufferPointer { range.include($0) }
    return range
  }

  /// A graph with every operator of maps, folded or as it is, and ranges that ask for scales far apart.
  private static func problem(_ seed: Int) throws -> (graph: Graph, scales: ChannelScales, pixels: [UInt8]) {
    var random = SplitMix64(seed: UInt64(seed))
    let made = RandomGraph.make(seed: UInt64(seed), isPlain: seed % 4 == 0, isRich: seed % 2 == 1)
    let graph = seed % 3 == 0 ? made : try PassPipeline.fold.run(made).graph
    let pixels = random.bytes(side * side * 3)
    var ranges: [ValueID: ChannelRange] = [:]
    for (value, known) in try values(graph, pixels) {
      let floats = (0..<known.shape.channels).map { _ in
        Float.random(in: -1...1, using: &random) * (random.chance(0.5) ? 1 : 0x1p-5)
      }
      ranges[value] = range(floats, channels: floats.count)
    }
    let scales = try ChannelEqualizer().scales(of: graph, imageSize: side, ranges: ranges)
    return (graph, scales, pixels)
  }

  /// Checks that a scaled graph holds `1 / scale` times every value of a graph.
  ///
  /// - Parameter tolerance: relative to a value's largest magnitude.
  private static func expectEqual(
    _ graph: Graph, _ scales: ChannelScales, _ pixels: [UInt8], tolerance: Float
  ) throws {
    var scaled = graph
    try scales.apply(to: &scaled)
    let expected = try values(graph, pixels)
    let actual = try values(scaled, pixels)
    for node in graph.nodes {
      let (shape, floats) = try #require(expected[node.output])
      let held = try #require(actual[node.output]).floats
      let scale = scales[node.output]
      let allowed = tolerance * floats.reduce(0) { max($0, abs($1)) }
      let differing = floats.indices.first { !(abs(held[$0] * scale[$0 % shape.channels] - floats[$0]) <= allowed) }
      #expect(differing == nil, "\(node.name), scales \(scale)")
    }
  }

  @Test(arguments: 0..<120)
  func everyValueIsItsScaleTimesWhatIsHeld(seed: Int) throws {
    let (graph, scales, pixels) = try Self.problem(seed)
    for value in 0..<graph.valueCount {
      #expect(scales[ValueID(value)].allSatisfy { $0 <= 1 && $0 >= 1 / 16 })
    }
    try Self.expectEqual(graph, scales, pixels, tolerance: 1e-5)
    for output in graph.outputs { #expect(!scales.isScaled(output.value)) }
    #expect(!scales.isScaled(graph.input))
  }

  /// Powers of two round nothing, so that what differs then is wrong.
  @Test(arguments: 0..<120)
  func powersOfTwoLeaveEveryBit(seed: Int) throws {
    let (graph, scales, pixels) = try Self.problem(seed)
    let powers = ChannelScales((0..<graph.valueCount).map { scales[ValueID($0)].map(\.binade) })
    try Self.expectEqual(graph, powers, pixels, tolerance: 0)
  }

  @Test func mostGraphsAreScaled() throws {
    let counts = try (0..<40).map { try Self.problem($0).scales.channelCount }
    #expect(counts.count { $0 > 0 } > 20, "\(counts)")
  }

  @Test(arguments: 0..<40)
  func whatIsReadByOtherOperatorsKeepsItsScale(seed: Int) throws {
    let (graph, scales, _) = try Self.problem(seed)
    for node in graph.nodes {
      for (slot, value) in node.inputs.enumerated() where node.op.channelRule(ofInput: slot) == .fixed {
        #expect(!scales.isScaled(value), "\(node.name) reads it")
      }
      switch node.op {
      case is BatchNormalization, is L2Normalization, is Sigmoid, is Linear: #expect(!scales.isScaled(node.output))
      case let pooling as GeneralizedMeanPooling where pooling.exponent == 3: #expect(!scales.isScaled(node.inputs[0]))
      default: break
      }
    }
  }

  /// Two convolutions with a map between them whose channels reach from 1 down to 1/8192 of the largest.
  private static func chain(_ reader: Convolution, _ weight: Tensor) -> Graph {
    var graph = Graph(architecture: "chain", preprocessing: .half)
    let magnitudes = (0..<8).map { Float(sign: .plus, exponent: -2 * $0, significand: 1.25) }
    let first = graph.append(
      Convolution(window: Window(1), activation: .relu), name: "first", inputs: [graph.input],
      constants: [
        "weight": Tensor(magnitudes.flatMap { [$0, $0, $0] }, shape: [8, 1, 1, 3]), "bias": Tensor(magnitudes),
      ])
    let pooled = graph.append(MaxPooling(window: Window(2)), name: "pool", inputs: [first])
    let second = graph.append(reader, name: "second", inputs: [pooled], constants: ["weight": weight])
    graph.outputs = [GraphOutput(name: "output", value: second)]
    return graph
  }

  /// A scale would move the bounds of a clip, wherever it is applied.
  @Test func clippedChannelsKeepTheirScale() throws {
    let weight = Tensor([Float](repeating: 0.3, count: 8), shape: [8, 1, 1, 1])
    let range = Self.range((0..<8).map { Float(sign: .plus, exponent: -$0, significand: 1) }, channels: 8)
    for activation in ActivationFunction.examples where activation.fitsEpilogues {
      var graph = Self.chain(Convolution(window: Window(1), groups: 8), weight)
      graph.nodes[0].op = Convolution(window: Window(1), activation: activation)
      let ranges = [graph.nodes[0].output: range]
      let scales = try ChannelEqualizer().scales(of: graph, imageSize: Self.side, ranges: ranges)
      #expect((scales.channelCount > 0) == activation.isHomogeneous, "\(activation)")
    }
    var graph = Self.chain(Convolution(window: Window(1), groups: 8), weight)
    graph.nodes[1].op = try Clip(minimum: 0, maximum: 6)
    let ranges = [graph.nodes[0].output: range, graph.nodes[1].output: range]
    #expect(try ChannelEqualizer().scales(of: graph, imageSize: Self.side, ranges: ranges).channelCount == 0)
  }

  /// The weights of a layer norm scale its output exactly; its input stays as it is.
  @Test func outputsOfLayerNormsAreScaled() throws {
    let weight = Tensor([Float](repeating: 0.3, count: 8), shape: [8, 1, 1, 1])
    var graph = Self.chain(Convolution(window: Window(1), groups: 8), weight)
    var random = SplitMix64(seed: 3)
    graph.nodes[1] = Node(
      name: "norm", op: LayerNormalization(epsilon: 1e-6), inputs: graph.nodes[1].inputs, output: graph.nodes[1].output,
      constants: ["weight": Tensor(random.floats(8)), "bias": Tensor(random.floats(8))])
    let (input, output) = (graph.nodes[1].inputs[0], graph.nodes[1].output)
    let range = Self.range((0..<8).map { Float(sign: .plus, exponent: -$0, significand: 1.5) }, channels: 8)
    #expect(ChannelEqualizer.observedValues(in: graph).contains(output))
    let scales = try ChannelEqualizer().scales(of: graph, imageSize: Self.side, ranges: [input: range, output: range])
    #expect(scales.isScaled(output) && !scales.isScaled(input))
    let pixels = random.bytes(Self.side * Self.side * 3)
    try Self.expectEqual(graph, scales, pixels, tolerance: 1e-5)
    let powers = ChannelScales((0..<graph.valueCount).map { scales[ValueID($0)].map(\.binade) })
    try Self.expectEqual(graph, powers, pixels, tolerance: 0)
    graph.nodes[1].constants["weight"] = Tensor([1, 2] as [Float])
    #expect(throws: GraphError.self) { try scales.apply(to: &graph) }
  }

  private static func scales(_ graph: Graph) throws -> (before: ChannelRange, after: ChannelRange, [Float]) {
    var random = SplitMix64(seed: 5)
    let pixels = random.bytes(side * side * 3)
    let value = graph.nodes[0].output
    let before = range(try #require(try values(graph, pixels)[value]).floats, channels: 8)
    #expect(ChannelEqualizer.observedValues(in: graph) == [value])
    let scales = try ChannelEqualizer().scales(of: graph, imageSize: side, ranges: [value: before])
    var scaled = graph
    try scales.apply(to: &scaled)
    return (before, range(try #require(try values(scaled, pixels)[value]).floats, channels: 8), scales[value])
  }

  /// Depthwise weights have a scale for each channel, so nothing speaks against equal ranges.
  @Test func rangesBecomeEqualBeforeDepthwiseConvolutions() throws {
    let weight = Tensor([Float](repeating: 0.3, count: 8), shape: [8, 1, 1, 1])
    let (before, after, scales) = try Self.scales(Self.chain(Convolution(window: Window(1), groups: 8), weight))
    let largest = before.maxima[0]
    #expect(after.maxima.max() == largest)
    // With room for 1.25 times what was seen, but not below 1/16.
    #expect(scales == [1, 1.25 * 0.25, 1.25 * 0.0625] + [Float](repeating: 0.0625, count: 5))
    #expect(after.maxima[0...2].allSatisfy { $0 > largest / 2 })
  }

  /// Where weights would suffer, ranges meet them half-way; a channel that hardly counts is not magnified at their cost.
  @Test func denseWeightsAreSpared() throws {
    let even = Tensor([Float](repeating: 0.3, count: 8), shape: [1, 1, 1, 8])
    let (_, _, scales) = try Self.scales(Self.chain(Convolution(window: Window(1)), even))
    // 255 / 127 times the root of the mean square's share is about 1/8: the scale is 0.354 times the root of a channel's
    // share, but no less than 1.25 times the share itself, nor than 1/16.
    let expected: [Float] = [1, 1.25 * 0.25, 0.0886, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625]
    #expect(zip(scales, expected).allSatisfy { abs($0 - $1) < 0.005 * $1 }, "\(scales)")
    let small = Tensor([0.3, 0.3 / 256] + [Float](repeating: 0.3, count: 6), shape: [1, 1, 1, 8])
    let spared = try Self.scales(Self.chain(Convolution(window: Window(1)), small)).2
    #expect(spared[1] == 1, "\(spared)")
  }

  @Test func whatWasNotSeenOrIsNotFiniteIsLeftAlone() throws {
    let weight = Tensor([Float](repeating: 0.3, count: 8), shape: [8, 1, 1, 1])
    let graph = Self.chain(Convolution(window: Window(1), groups: 8), weight)
    let unseen = try ChannelEqualizer().scales(of: graph, imageSize: Self.side, ranges: [:])
    #expect(unseen.channelCount == 0)
    let infinite = Self.range([.infinity] + [Float](repeating: 1, count: 7), channels: 8)
    let scales = try ChannelEqualizer().scales(
      of: graph, imageSize: Self.side, ranges: [graph.nodes[0].output: infinite])
    #expect(scales.channelCount == 0)
  }

  @Test func constantsThatDoNotFitGiveTypedErrors() throws {
    let weight = Tensor([Float](repeating: 0.3, count: 8), shape: [8, 1, 1, 1])
    let graph = Self.chain(Convolution(window: Window(1), groups: 8), weight)
    let range = Self.range((0..<8).map { 1 / Float(1 + $0) }, channels: 8)
    let ranges = [graph.nodes[0].output: range]
    let scales = try ChannelEqualizer().scales(of: graph, imageSize: Self.side, ranges: ranges)
    let bad: [[String: Tensor]] = [
      [:], ["weight": Tensor([Int8](repeating: 1, count: 8), shape: [8, 1, 1, 1])],
      ["weight": Tensor([1, 2, 3] as [Float], shape: [1, 1, 1, 3])],
    ]
    for constants in bad {
      var broken = graph
      broken.nodes[2].constants = constants
      let error = #expect(throws: GraphError.self) { try scales.apply(to: &broken) }
      #expect(error?.description.hasPrefix("node 'second': ") == true)
      #expect(throws: GraphError.self) {
        try ChannelEqualizer().scales(of: broken, imageSize: Self.side, ranges: ranges)
      }
    }
  }
}
