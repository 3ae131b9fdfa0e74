import Graphs
import Operators
import Passes
import ReferenceOperators
import Testing

/// The order of nodes is the graph's own, whatever order its source had them in.
@Suite struct OrderNodesTests {
  private static let ordering = PassPipeline([OrderNodes()])

  /// The same graph with its nodes in a random order of execution, and its values numbered accordingly.
  private static func shuffled(_ graph: Graph, seed: UInt64) -> Graph {
    var random = SplitMix64(seed: seed)
    var result = Graph(architecture: graph.architecture, preprocessing: graph.preprocessing)
    var values = [graph.input: result.input]
    var rest = graph.nodes
    while !rest.isEmpty {
      let ready = rest.indices.filter { rest[$0].inputs.allSatisfy { values[$0] != nil } }
      let node = rest.remove(at: random.pick(ready))
      values[node.output] = result.append(
        node.op, name: node.name, inputs: node.inputs.compactMap { values[$0] }, constants: node.constants)
    }
    result.outputs = graph.outputs.compactMap { output in
      values[output.value].map { GraphOutput(name: output.name, value: $0) }
    }
    return result
  }

  @Test(arguments: 0..<100 as Range<UInt64>)
  func doesNotDependOnTheSourcesOrder(seed: UInt64) throws {
    // Every node is needed: what no output needs keeps the source's order.
    let (graph, _) = try PassPipeline([RemoveUnusedNodes()]).run(
      RandomGraph.make(seed: seed, nodes: 6 + Int(seed) % 25, isRich: seed % 2 == 0))
    let ordered = try Self.ordering.run(graph).graph
    for other in 0..<4 as Range<UInt64> {
      let source = Self.shuffled(graph, seed: seed * 100 + other)
      // The description names values by the nodes that make them, so it shows what is wired to what.
      #expect(try Self.ordering.run(source).graph.description == ordered.description)
    }
    #expect(Set(ordered.nodes.map(\.name)) == Set(graph.nodes.map(\.name)))
    #expect(try Self.ordering.run(ordered).graph.description == ordered.description, "again is not the same")
  }

  /// The tests above and below would pass if nothing were shuffled.
  @Test func mostGraphsHaveSeveralOrders() {
    let seeds = (0..<50 as Range<UInt64>).filter { seed in
      let graph = RandomGraph.make(seed: seed, nodes: 20)
      return Self.shuffled(graph, seed: seed).nodes.map(\.name) != graph.nodes.map(\.name)
    }
    #expect(seeds.count > 30, "only \(seeds)")
  }

  /// What the nodes are and what they read, without names: of nodes that do the same, the first is kept.
  private static func structure(_ graph: Graph) -> [String] {
    let producers = graph.producers
    let nodes = graph.nodes.map { node in
      let constants = node.constants.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.shape)" }
      return "\(node.kind) \(node.op.attributeSummary) \(node.inputs.map { producers[$0] ?? -1 }) \(constants)"
    }
    return nodes + graph.outputs.map { "\($0.name) \(producers[$0.value] ?? -1)" }
  }

  /// What networks that are quantised alike need: fusions meet the same nodes in the same order.
  @Test(arguments: 0..<40 as Range<UInt64>)
  func foldingDoesNotDependOnTheSourcesOrder(seed: UInt64) throws {
    let (graph, _) = try PassPipeline([RemoveUnusedNodes()]).run(
      RandomGraph.make(seed: 500 + seed, nodes: 20, isRich: seed % 2 == 0))
    let folded = Self.structure(try PassPipeline.fold.run(graph).graph)
    for other in 0..<3 as Range<UInt64> {
      let source = Self.shuffled(graph, seed: seed * 10 + other)
      #expect(Self.structure(try PassPipeline.fold.run(source).graph) == folded)
    }
  }

  /// x -> a -> b -> sum and x -> c -> sum: the short branch stands before the long one, on either side of the sum.
  @Test(arguments: [false, true])
  func aShortBranchComesBeforeTheLongOneThatItJoins(shortIsFirst: Bool) throws {
    var graph = Graph(architecture: "two branches", preprocessing: .imageNet)
    let a = graph.append(ReLU(), name: "a", inputs: [graph.input])
    let b = graph.append(Sigmoid(), name: "b", inputs: [a])
    let c = graph.append(Sigmoid(), name: "c", inputs: [graph.input])
    let sum = graph.append(Addition(), name: "sum", inputs: shortIsFirst ? [c, b] : [b, c])
    graph.outputs = [GraphOutput(name: "map", value: sum)]
    let ordered = try Self.ordering.run(graph).graph
    #expect(ordered.nodes.map(\.name) == ["c", "a", "b", "sum"])
    #expect(ordered.nodes.last?.inputs == graph.nodes.last?.inputs)
  }

  /// Of branches of one length, the one that the join names first; nodes that no output needs come last.
  @Test func equalBranchesKeepTheJoinsOrder() throws {
    var graph = Graph(architecture: "equal branches", preprocessing: .imageNet)
    let unread = graph.append(ReLU(), name: "unread", inputs: [graph.input])
    graph.append(ReLU(), name: "unread too", inputs: [unread])
    let a = graph.append(ReLU(), name: "a", inputs: [graph.input])
    let b = graph.append(Sigmoid(), name: "b", inputs: [graph.input])
    let sum = graph.append(Addition(), name: "sum", inputs: [b, a])
    graph.outputs = [GraphOutput(name: "map", value: sum)]
    #expect(try Self.ordering.run(graph).graph.nodes.map(\.name) == ["b", "a", "sum", "unread", "unread too"])
  }
}
