import Graphs
import Operators
import Passes
import ReferenceOperators
import Tensors
import Testing

/// Sums of convolutions of one map.
@Suite struct MergingTests {
  /// A branch: a convolution's geometry.
  struct Branch: Sendable {
    var size = 3
    var stride = 1
    var padding: Int?
    var dilation = 1
    var groups = 1
    var hasBias = true
    var padsToSize = false

    var window: Window {
      var window = Window(size, stride: stride, padding: padding ?? size / 2 * dilation)
      (window.dilationHeight, window.dilationWidth) = (dilation, dilation)
      if padsToSize { window.padLikeTensorFlow() }
      return window
    }
  }

  private static let channels = 12

  /// The sum of the branches, and of the batch norm of the map, behind a convolution that makes the map.
  private static func graph(_ branches: [Branch], hasIdentity: Bool = false) -> Graph {
    var random = SplitMix64(seed: 3)
    var graph = Graph(architecture: "made", preprocessing: .imageNet)
    let map = graph.append(
      Convolution(window: Window(1)), name: "map", inputs: [graph.input],
      constants: ["weight": Tensor(random.floats(channels * 3), shape: [channels, 1, 1, 3])])
    var terms: [ValueID] = branches.enumerated().map { index, branch in
      let shape: Shape = [channels, branch.size, branch.size, channels / branch.groups]
      var constants = ["weight": Tensor(random.floats(shape.elementCount), shape: shape)]
      if branch.hasBias { constants["bias"] = Tensor(random.floats(channels)) }
      return graph.append(
        Convolution(window: branch.window, groups: branch.groups), name: "branch\(index)", inputs: [map],
        constants: constants)
    }
    if hasIdentity {
      let values = { (random: inout SplitMix64) in Tensor(random.floats(channels, 0.5...2)) }
      terms.append(
        graph.append(
          BatchNormalization(epsilon: 1e-5), name: "identity", inputs: [map],
          constants: [
            "scale": values(&random), "shift": values(&random), "mean": values(&random), "variance": values(&random),
          ]))
    }
    var sum = terms[0]
    for (index, term) in terms.enumerated().dropFirst() {
      sum = graph.append(Addition(), name: "sum\(index)", inputs: [sum, term])
    }
    graph.outputs = [GraphOutput(name: "map", value: graph.append(ReLU(), name: "relu", inputs: [sum]))]
    return graph
  }

  static let merged: [[Branch]] = [
    [Branch(), Branch(size: 1)], [Branch(size: 1, hasBias: false), Branch(hasBias: false)],
    [Branch(stride: 2), Branch(size: 1, stride: 2)], [Branch(size: 5), Branch(size: 3), Branch(size: 1)],
    [Branch(groups: 4), Branch(size: 1, groups: 4)], [Branch(groups: 2), Branch(size: 1, groups: 6)],
    [Branch(groups: 12), Branch(groups: 12), Branch(size: 1, groups: 12, hasBias: false)],
    [Branch(dilation: 2), Branch(size: 1)], [Branch(size: 3, dilation: 2), Branch(size: 3, dilation: 2)],
    [Branch(size: 3, padding: 2), Branch(size: 1, padding: 1)],
    [Branch(stride: 2, padsToSize: true), Branch(stride: 2, padsToSize: true)],
  ]

  @Test(arguments: merged.indices, [false, true])
  func branchesBecomeOne(index: Int, hasIdentity: Bool) throws {
    let branches = Self.merged[index]
    if hasIdentity, branches.contains(where: { $0.stride > 1 || ($0.padding ?? 0) > 1 }) { return }
    let graph = Self.graph(branches, hasIdentity: hasIdentity)
    let (folded, _) = try PassPipeline.fold.run(graph)
    #expect(folded.nodes.map(\.kind) == ["convolution", "convolution"])
    try Self.expectEqual(graph, folded)
  }

  static let kept: [[Branch]] = [
    // A larger kernel with more groups would take more products as one.
    [Branch(size: 3, groups: 12), Branch(size: 1)],
    // The outputs are not of one size, or the windows do not have one centre.
    [Branch(size: 3, padding: 0), Branch(size: 1)], [Branch(size: 3), Branch(size: 1, padding: 1)],
    [Branch(size: 3, dilation: 2), Branch(size: 3)],
    // Which taps meet depends on the size of the map.
    [Branch(size: 3, stride: 2, padsToSize: true), Branch(size: 1, stride: 2)],
  ]

  @Test(arguments: kept.indices)
  func otherBranchesStay(index: Int) throws {
    let graph = Self.graph(Self.kept[index])
    let (folded, notes) = try PassPipeline.fold.run(graph)
    #expect(!notes.contains { $0.contains("merged") })
    try Self.expectEqual(graph, folded)
  }

  /// Two pairs, one after the other, and a third branch of the second: all merge in one patch.
  @Test func independentPairsMergeAtOnce() throws {
    var random = SplitMix64(seed: 7)
    var graph = Graph(architecture: "made", preprocessing: .imageNet)
    func layer(_ name: String, _ size: Int, _ input: ValueID, _ channels: Int) -> ValueID {
      let shape: Shape = [Self.channels, size, size, channels]
      return graph.append(
        Convolution(window: Window(size, stride: 1, padding: size / 2)), name: name, inputs: [input],
        constants: [
          "weight": Tensor(random.floats(shape.elementCount), shape: shape),
          "bias": Tensor(random.floats(Self.channels)),
        ])
    }
    let (a, b) = (layer("a", 3, graph.input, 3), layer("b", 1, graph.input, 3))
    let first = graph.append(Addition(), name: "first", inputs: [a, b])
    let map = graph.append(ReLU(), name: "relu", inputs: [first])
    let (c, d, e) = (
      layer("c", 1, map, Self.channels), layer("d", 3, map, Self.channels), layer("e", 1, map, Self.channels)
    )
    let second = graph.append(Addition(), name: "second", inputs: [c, d])
    let third = graph.append(Addition(), name: "third", inputs: [second, e])
    graph.outputs = [GraphOutput(name: "map", value: third)]

    let merging = MergeParallelLayers()
    let patch = try merging.patch(for: graph)
    #expect(patch.notes == ["b merged into a", "c merged into d", "e merged into d"])
    let merged = patch.applied(to: graph)
    try merged.validate()
    #expect(merged.nodes.map(\.name) == ["a", "relu", "d"])
    #expect(merged.outputs.map(\.value) == [third])
    #expect(try merging.patch(for: merged).isEmpty)
    try Self.expectEqual(graph, merged)
  }

  private static func expectEqual(_ a: Graph, _ b: Graph) throws {
    for shape in [[1, 9, 12, 3], [2, 10, 7, 3]] as [Shape] {
      var random = SplitMix64(seed: 5)
      let input = (0..<shape.elementCount).map { _ in Double.random(in: -2...2, using: &random) }
      let before = try a.referenceValues(input: input, shape: shape)[a.outputs[0].value]?.values ?? []
      let after = try b.referenceValues(input: input, shape: shape)[b.outputs[0].value]?.values ?? []
      try #require(before.count == after.count && !before.isEmpty)
      let scale = before.map { abs($0) }.max() ?? 0
      #expect(zip(before, after).allSatisfy { abs($0 - $1) <= 1e-6 * scale })
    }
  }
}
