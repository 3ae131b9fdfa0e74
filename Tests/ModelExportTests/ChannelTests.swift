import Graphs
import ModelExport
import ModelImport
import Operators
import ReferenceOperators
import Tensors
import Testing

/// Operators that move channels and pixels, and those of the attention between channels, read back.
@Suite struct ChannelTests {
  private static func convolution(
    _ graph: inout Graph, _ input: ValueID, _ inputs: Int, _ outputs: Int, _ random: inout SplitMix64
  ) -> ValueID {
    graph.append(
      Convolution(window: Window(3, stride: 2, padding: 1), groups: 1), name: "conv\(graph.nodes.count)",
      inputs: [input],
      constants: ["weight": Tensor(random.floats(outputs * 9 * inputs), shape: [outputs, 3, 3, inputs])])
  }

  private static func finished(_ graph: Graph, _ row: ValueID) -> Graph {
    var graph = graph
    let unit = graph.append(L2Normalization(), name: "normalize", inputs: [row])
    graph.outputs = [
      GraphOutput(name: GraphOutput.normalizedEmbedding, value: unit),
      GraphOutput(name: GraphOutput.embedding, value: row),
    ]
    return graph
  }

  @Test(arguments: [[0, 4, 1, 5, 2, 6, 3, 7], [4, 5, 6, 7], [3, 0, 0, 7]])
  func selectionsOfMapsAndRowsAreReadBack(channels: [Int]) throws {
    var random = SplitMix64(seed: 11)
    var graph = Graph(architecture: "selection", preprocessing: .imageNet)
    let map = Self.convolution(&graph, graph.input, 3, 8, &random)
    let selected = graph.append(try ChannelSelection(channels), name: "select", inputs: [map])
    let mixed = Self.convolution(&graph, selected, channels.count, 8, &random)
    let pooled = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [mixed])
    let row = graph.append(try ChannelSelection(channels), name: "row", inputs: [pooled])
    try expectSameOutputs(
      Self.finished(graph, row), Tensor(random.floats(2 * 16 * 16 * 3), shape: [2, 16, 16, 3]))
  }

  @Test(arguments: Resizing.Interpolation.allCases, Resizing.Alignment.allCases)
  func resizingsAreReadBack(interpolation: Resizing.Interpolation, alignment: Resizing.Alignment) throws {
    var random = SplitMix64(seed: 12)
    var graph = Graph(architecture: "resizing", preprocessing: .imageNet)
    let map = Self.convolution(&graph, graph.input, 3, 4, &random)
    let resized = graph.append(
      try Resizing(interpolation, alignment: alignment, extent: .factors(height: 2, width: 3)), name: "resize",
      inputs: [map])
    let mixed = Self.convolution(&graph, resized, 4, 5, &random)
    let pooled = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [mixed])
    try expectSameOutputs(
      Self.finished(graph, pooled), Tensor(random.floats(2 * 16 * 16 * 3), shape: [2, 16, 16, 3]))
  }

  /// As a part of global response normalisation.
  @Test func responsesAreReadBack() throws {
    var random = SplitMix64(seed: 14)
    var graph = Graph(architecture: "responses", preprocessing: .imageNet)
    let map = Self.convolution(&graph, graph.input, 3, 8, &random)
    let responses = graph.append(ChannelResponse(epsilon: 1e-3), name: "responses", inputs: [map])
    let scaled = graph.append(ChannelScaling(), name: "scale", inputs: [map, responses])
    let mixed = Self.convolution(&graph, scaled, 8, 5, &random)
    let pooled = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [mixed])
    let finished = Self.finished(graph, pooled)
    try expectSameOutputs(finished, Tensor(random.floats(2 * 16 * 16 * 3), shape: [2, 16, 16, 3]))
    let read = try ModelImporter(embeddingOutput: GraphOutput.embedding).importGraph(try exported(finished))
    #expect(read.nodes.compactMap { ($0.op as? ChannelResponse)?.epsilon } == [1e-3])
  }

  @Test(arguments: [(2, 4, 8), (2, 2, 8), (4, 1, 8), (8, 1, 8)])
  func attentionIsReadBack(branches: Int, stride: Int, channels: Int) throws {
    var random = SplitMix64(seed: 13)
    var graph = Graph(architecture: "attention", preprocessing: .imageNet)
    let map = Self.convolution(&graph, graph.input, 3, channels, &random)
    let pooled = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [map])
    let mixed = graph.append(
      try ChannelConvolution(before: 1), name: "mix", inputs: [pooled],
      constants: ["weight": Tensor(random.floats(3, -3...3))])
    let factors = graph.append(try Softmax(branches: branches, stride: stride), name: "softmax", inputs: [mixed])
    let scaled = graph.append(ChannelScaling(), name: "scale", inputs: [map, factors])
    let row = graph.append(GeneralizedMeanPooling(exponent: 3), name: "gem", inputs: [scaled])
    try expectSameOutputs(
      Self.finished(graph, row), Tensor(random.floats(2 * 16 * 16 * 3), shape: [2, 16, 16, 3]))
  }
}
