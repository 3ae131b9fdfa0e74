import Graphs
import Operators
import Passes
import ReferenceOperators
import Tensors
import Testing

@Suite struct FoldingTests {
  /// The passes that this file is about.
  private static let folding = PassPipeline([FoldBatchNormalization(), FuseActivation(), FuseResidual()])

  /// Weights are rounded once more by folding; the rest is evaluated in double precision.
  private static let tolerance = 1e-5

  private static func outputs(_ graph: Graph, _ input: [Double], _ shape: Shape) throws -> [String: [Double]] {
    let values = try graph.referenceValues(input: input, shape: shape)
    return Dictionary(uniqueKeysWithValues: graph.outputs.map { ($0.name, values[$0.value]?.values ?? []) })
  }

  private static func expectEqual(
    _ a: Graph, _ b: Graph, seed: Int = 0, shape: Shape = [2, 16, 17, 3]
  ) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let input = (0..<shape.elementCount).map { _ in Double.random(in: -2...2, using: &random) }
    let (before, after) = (try outputs(a, input, shape), try outputs(b, input, shape))
    #expect(before.keys.sorted() == after.keys.sorted())
    for (name, values) in before {
      let folded = try #require(after[name])
      try #require(folded.count == values.count)
      let scale = max(values.map { abs($0) }.max() ?? 0, 1e-3)
      let difference = zip(values, folded).map { abs($0 - $1) }.max() ?? 0
      #expect(difference <= tolerance * scale, "\(name)")
    }
  }

  @Test(arguments: 0..<150)
  func foldingKeepsOutputs(seed: Int) throws {
    let graph = RandomGraph.make(seed: UInt64(seed), nodes: 6 + seed % 30)
    let (folded, notes) = try Self.folding.run(graph)
    try Self.expectEqual(graph, folded, seed: seed)
    try Self.expectEqual(graph, try PassPipeline.fold.run(graph).graph, seed: seed)
    // Every rewrite takes one node away and says so.
    #expect(notes.count == graph.nodes.count - folded.nodes.count)
    // Nothing is left to do.
    let (again, more) = try Self.folding.run(folded)
    #expect(more.isEmpty && again.nodes.count == folded.nodes.count)
  }

  /// Graphs with every operator of maps, whose sizes differ, too.
  @Test(arguments: 0..<300)
  func foldingKeepsOutputsOfRichGraphs(seed: Int) throws {
    let graph = RandomGraph.make(seed: UInt64(7000 + seed), nodes: 4 + seed % 20, isRich: true)
    let (folded, _) = try PassPipeline.fold.run(graph)
    try Self.expectEqual(graph, folded, seed: seed, shape: [1, 24, 27, 3])
    let rows = folded.rows
    #expect(
      !folded.nodes.contains { $0.op is BatchNormalization && !rows.contains($0.output) }, "a batch norm is left")
  }

  @Test(arguments: 0..<30)
  func eachPassKeepsOutputs(seed: Int) throws {
    let graph = RandomGraph.make(seed: UInt64(1000 + seed))
    for pass in [FoldBatchNormalization(), FuseActivation(), FuseResidual()] as [any Pass] {
      try Self.expectEqual(graph, try PassPipeline([pass]).run(graph).graph, seed: seed)
    }
  }

  // MARK: - Hand-made graphs

  private static let weight = Tensor(
    (0..<81).map { (index: Int) -> Float in Float(index % 7) / 7 - 0.4 }, shape: [3, 3, 3, 3])
  private static let norm = [
    "scale": Tensor([2, 0.5, -1] as [Float]), "shift": Tensor([0.1, 0.2, 0.3] as [Float]),
    "mean": Tensor([1, -1, 0.5] as [Float]), "variance": Tensor([0.25, 4, 1] as [Float]),
  ]

  private struct Builder {
    var graph = Graph(architecture: "made", preprocessing: .imageNet)

    mutating func convolution(_ name: String, _ input: ValueID) -> ValueID {
      graph.append(
        Convolution(window: Window(3, padding: 1)), name: name, inputs: [input], constants: ["weight": weight])
    }
    mutating func norm(_ name: String, _ input: ValueID) -> ValueID {
      graph.append(BatchNormalization(epsilon: 0), name: name, inputs: [input], constants: FoldingTests.norm)
    }
    mutating func relu(_ name: String, _ input: ValueID) -> ValueID {
      graph.append(ReLU(), name: name, inputs: [input])
    }
    mutating func add(_ name: String, _ a: ValueID, _ b: ValueID) -> ValueID {
      graph.append(Addition(), name: name, inputs: [a, b])
    }
    mutating func finish(_ values: ValueID...) -> Graph {
      graph.outputs = values.enumerated().map { GraphOutput(name: "output\($0)", value: $1) }
      return graph
    }
  }

  /// Folds, compares, and returns the kinds of the nodes that are left with the notes.
  private func fold(_ graph: Graph) throws -> (kinds: [String], notes: [String], graph: Graph) {
    let (folded, notes) = try Self.folding.run(graph)
    try Self.expectEqual(graph, folded)
    return (folded.nodes.map { "\($0.kind) \($0.name)" }, notes, folded)
  }

  @Test func aBlockBecomesItsConvolutions() throws {
    var b = Builder()
    let shortcut = b.norm("bn0", b.convolution("conv0", b.graph.input))
    var main = b.relu("relu1", b.norm("bn1", b.convolution("conv1", shortcut)))
    main = b.norm("bn2", b.convolution("conv2", main))
    let output = b.relu("relu", b.add("add", main, shortcut))
    let (kinds, notes, graph) = try fold(b.finish(output))
    #expect(kinds == ["convolution conv0", "convolution conv1", "convolution conv2"])
    #expect(graph.nodes.map(\.inputs.count) == [1, 1, 2])
    #expect(graph.nodes.map { ($0.op as? Convolution)?.activation } == [ActivationFunction.none, .relu, .relu])
    #expect(
      notes == [
        "bn0 folded into conv0", "bn1 folded into conv1", "bn2 folded into conv2", "relu1 fused into conv1",
        "relu fused into add", "add fused into conv2",
      ])
  }

  /// The weights of a layer norm are one for each channel.
  @Test func aNormAfterALayerNormIsFolded() throws {
    var b = Builder()
    let layerNorm = b.graph.append(
      LayerNormalization(epsilon: 1e-3), name: "ln", inputs: [b.convolution("conv", b.graph.input)],
      constants: ["weight": Tensor([1, -2, 0.5] as [Float]), "bias": Tensor([0.5, 1, -1] as [Float])])
    let (kinds, notes, graph) = try fold(b.finish(b.norm("bn", layerNorm)))
    #expect(kinds == ["convolution conv", "layer_normalization ln"])
    #expect(notes == ["bn folded into ln"])
    // 2 / 0.5, 0.5 / 2 and -1 times the weights, and the shifts less the means times these.
    #expect(graph.nodes[1].constants["weight"]?.elements(as: Float.self) == [4, -0.5, -0.5])
    #expect(graph.nodes[1].constants["weight"]?.shape == [3])
    let bias = try #require(graph.nodes[1].constants["bias"]).elements(as: Float.self)
    #expect(zip(bias, [-1.9, 0.7, 1.8] as [Float]).allSatisfy { abs($0 - $1) < 1e-6 }, "\(bias)")
  }

  @Test func aConvolutionWithTwoReadersKeepsItsNorm() throws {
    var b = Builder()
    let shared = b.convolution("conv", b.graph.input)
    let (first, second) = (b.norm("bn1", shared), b.norm("bn2", shared))
    let (kinds, notes, _) = try fold(b.finish(first, second))
    #expect(kinds == ["convolution conv", "batch_normalization bn1", "batch_normalization bn2"])
    #expect(notes.isEmpty)
  }

  @Test func intermediateOutputsStay() throws {
    var b = Builder()
    let map = b.convolution("conv", b.graph.input)
    let normed = b.norm("bn", map)
    let active = b.relu("relu", normed)
    let sum = b.add("add", active, b.convolution("conv2", active))
    let graph = b.finish(map, normed, active, sum)
    let (kinds, notes, _) = try fold(graph)
    #expect(
      kinds == ["convolution conv", "batch_normalization bn", "relu relu", "convolution conv2"])
    #expect(notes == ["add fused into conv2"])
  }

  @Test func aReLUWithTwoReadersIsFusedOnceForBoth() throws {
    var b = Builder()
    let active = b.relu("relu", b.convolution("conv", b.graph.input))
    let (kinds, _, _) = try fold(b.finish(b.convolution("a", active), b.convolution("b", active)))
    #expect(kinds == ["convolution conv", "convolution a", "convolution b"])
  }

  @Test func aValueReadWithAndWithoutReLUKeepsIt() throws {
    var b = Builder()
    let map = b.convolution("conv", b.graph.input)
    let (kinds, _, _) = try fold(b.finish(b.relu("relu1", map), b.relu("relu2", map)))
    #expect(kinds == ["convolution conv", "relu relu1", "relu relu2"])
  }

  /// The scaled map is read elsewhere, or belongs to another map, or the sum is of other values.
  @Test(arguments: ["merged", "read twice", "of another map"])
  func sumsOfAMapAndItsScaledChannels(variant: String) throws {
    var b = Builder()
    let x = b.convolution("x", b.graph.input)
    let y = variant == "of another map" ? b.convolution("y", b.graph.input) : x
    let responses = b.graph.append(ChannelResponse(epsilon: 1e-6), name: "responses", inputs: [x])
    let scaled = b.graph.append(ChannelScaling(), name: "scaled", inputs: [x, responses])
    let affine = b.norm("second", b.norm("first", scaled))
    var outputs = [b.convolution("next", b.add("sum", y, affine))]
    if variant == "read twice" { outputs.append(b.relu("other", affine)) }
    let graph = outputs.count == 1 ? b.finish(outputs[0]) : b.finish(outputs[0], outputs[1])
    let folded = try PassPipeline.fold.run(graph).graph
    try Self.expectEqual(graph, folded)
    // The factors have a norm that adds 1.
    #expect(folded.nodes.filter { $0.op is BatchNormalization }.count == (variant == "merged" ? 1 : 0))
    #expect(folded.nodes.contains { $0.op is ChannelScaling && $0.name == "scaled" })
  }

  @Test func anOffsetIsFoldedIntoAConvolutionOfSinglePixels() throws {
    for padding in 0...1 {
      var b = Builder()
      let offset = BatchNormalization.affineConstants(
        scale: Tensor([1, 1, 1] as [Float]), shift: Tensor([0.5, -1, 2] as [Float]))
      let shifted = b.graph.append(
        BatchNormalization(epsilon: 0), name: "offset", inputs: [b.relu("relu", b.convolution("conv", b.graph.input))],
        constants: offset)
      let weight = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 1, 1, 3])
      let next = b.graph.append(
        Convolution(window: Window(1, padding: padding)), name: "next", inputs: [shifted], constants: ["weight": weight]
      )
      let graph = b.finish(next)
      let (folded, notes) = try PassPipeline.fold.run(graph)
      try Self.expectEqual(graph, folded)
      let last = try #require(folded.nodes.last)
      #expect(folded.nodes.count == 2 + padding)
      #expect(notes.contains("offset folded into next") == (padding == 0))
      #expect(last.constants["bias"]?.elements(as: Float.self) == (padding == 0 ? [4.5, 9] : nil))
    }
  }

  @Test func normsInARowFoldOneAfterTheOther() throws {
    var b = Builder()
    let (kinds, notes, _) = try fold(b.finish(b.norm("bn2", b.norm("bn1", b.convolution("conv", b.graph.input)))))
    #expect(kinds == ["convolution conv"])
    #expect(notes == ["bn1 folded into conv", "bn2 folded into conv"])
  }

  @Test func aNormAfterAnActivationStays() throws {
    var b = Builder()
    let (kinds, _, _) = try fold(b.finish(b.norm("bn", b.relu("relu", b.convolution("conv", b.graph.input)))))
    #expect(kinds == ["convolution conv", "batch_normalization bn"])
  }

  @Test func sumsOfOneValueAndOfTheInputStayOrFuse() throws {
    var b = Builder()
    let map = b.convolution("conv", b.graph.input)
    let twice = b.add("twice", map, map)
    let withInput = b.add("with input", b.graph.input, b.convolution("conv2", twice))
    let (kinds, _, _) = try fold(b.finish(withInput))
    #expect(kinds == ["convolution conv", "addition twice", "convolution conv2"])
  }

  @Test func residualChainsFuseIntoEachLastConvolution() throws {
    var b = Builder()
    var value = b.convolution("conv", b.graph.input)
    for index in 0..<4 {
      let branch = b.convolution("branch\(index)", value)
      value = index % 2 == 0 ? b.add("add\(index)", branch, value) : b.add("add\(index)", value, branch)
      if index == 2 { value = b.relu("relu", value) }
    }
    let (kinds, _, graph) = try fold(b.finish(value))
    #expect(kinds == ["conv", "branch0", "branch1", "branch2", "branch3"].map { "convolution \($0)" })
    #expect(graph.nodes.dropFirst().allSatisfy { $0.inputs.count == 2 })
  }

  @Test func twoBranchesFuseIntoTheLater() throws {
    var b = Builder()
    let (left, right) = (b.convolution("left", b.graph.input), b.convolution("right", b.graph.input))
    let (kinds, notes, graph) = try fold(b.finish(b.add("add", left, right)))
    #expect(kinds == ["convolution left", "convolution right"])
    #expect(notes == ["add fused into right"])
    #expect(graph.nodes[1].inputs == [graph.input, left])
  }

  // MARK: - Errors

  @Test func errorsNameThePassAndTheNode() throws {
    var b = Builder()
    let output = b.norm("bn", b.convolution("conv", b.graph.input))
    var graph = b.finish(output)
    graph.nodes[1].constants["variance"] = Tensor([1, -4, 1] as [Float])
    let error = #expect(throws: GraphError.self) { try Self.folding.run(graph) }
    #expect(
      error?.description.hasPrefix("after the pass 'fold batch normalisation': node 'bn': constant 'variance'") == true)
    graph.nodes[1].constants = Self.norm.mapValues { _ in Tensor([1, 2] as [Float]) }
    #expect(throws: GraphError.self) { try Self.folding.run(graph) }
    graph.nodes[1].constants = Self.norm
    graph.nodes[0].constants["bias"] = Tensor([1, 2, 3] as [Int32])
    #expect(throws: GraphError.self) { try Self.folding.run(graph) }
    graph.nodes[0].constants["bias"] = Tensor([1] as [Float])
    #expect(throws: GraphError.self) { try Self.folding.run(graph) }
    graph.nodes[0].inputs = []
    #expect(throws: GraphError.self) { try Self.folding.run(graph) }
  }

  private struct Vandal: Pass {
    static let name = "vandal"
    func patch(for graph: Graph) throws(GraphError) -> GraphPatch {
      var patch = GraphPatch(for: graph)
      patch.remove(0)
      return patch
    }
  }

  @Test func aPassThatBreaksTheGraphIsNamed() throws {
    var b = Builder()
    let graph = b.finish(b.relu("relu", b.convolution("conv", b.graph.input)))
    let error = #expect(throws: GraphError.self) { try PassPipeline([Vandal()]).run(graph) }
    #expect(error?.description.hasPrefix("after the pass 'vandal': ") == true)
  }
}

@Suite struct GraphPatchTests {
  private static func chain(_ count: Int) -> Graph {
    var graph = Graph(architecture: "chain", preprocessing: .half)
    var value = graph.input
    for index in 0..<count { value = graph.append(ReLU(), name: "\(index)", inputs: [value]) }
    graph.outputs = [GraphOutput(name: "output", value: value)]
    return graph
  }

  @Test func anEmptyPatchChangesNothing() throws {
    let graph = Self.chain(3)
    let patch = GraphPatch(for: graph)
    #expect(patch.isEmpty)
    #expect(patch.applied(to: graph).nodes.map(\.name) == ["0", "1", "2"])
  }

  @Test func removedNodesAreBridged() throws {
    let graph = Self.chain(4)
    var patch = GraphPatch(for: graph)
    for index in [1, 2, 3] {
      patch.remove(index)
      patch.redirect(graph.nodes[index].output, to: graph.nodes[index].inputs[0])
    }
    let result = patch.applied(to: graph)
    try result.validate()
    #expect(result.nodes.map(\.name) == ["0"])
    // Redirections follow each other, to outputs, too.
    #expect(result.outputs[0].value == graph.nodes[0].output)
  }

  @Test func replacedNodesMayBeMoreAndHaveNewValues() throws {
    let graph = Self.chain(2)
    var patch = GraphPatch(for: graph)
    let format = ValueFormat.uint8(QuantizationParameters(scale: 2, zeroPoint: 1))
    let value = patch.makeValue(format: format)
    let node = graph.nodes[1]
    patch.replace(
      1,
      with: [
        Node(name: "in", op: Requantize(), inputs: node.inputs, output: value),
        Node(name: "out", op: Requantize(), inputs: [value], output: node.output),
      ])
    #expect(!patch.isEmpty)
    let result = patch.applied(to: graph)
    try result.validate()
    #expect(result.nodes.map(\.name) == ["0", "in", "out"])
    #expect(result.valueCount == graph.valueCount + 1)
    #expect(result.format(of: value) == format)
    #expect(graph.nodes.count == 2)
  }
}
