import Graphs
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing
import Threads

@Suite struct SegmentTests {
  /// Every value of a graph, by running it as a whole.
  private static func values(_ graph: Graph, _ input: [Float], height: Int, width: Int) throws -> [ValueID: [UInt8]] {
    var seen: [ValueID: [UInt8]] = [:]
    _ = try Session(try Executable(graph)).run(
      normalized: Tensor(input, shape: [1, height, width, 3]), observer: { seen[$0] = Array($2) })
    return seen
  }

  private static func held(_ graph: Graph, _ input: [Float], height: Int, width: Int) -> HeldValues {
    HeldValues(input: input.withUnsafeBytes { Array($0) }, height: height, width: width, of: graph)
  }

  @Test(arguments: 0..<40)
  func segmentsMakeWhatTheWholeDoes(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    let graph = RandomGraph.make(seed: UInt64(seed), nodes: random.int(4...24), isRich: seed % 2 == 0)
    let (height, width) = (random.int(16...24), random.int(16...24))
    let input = random.floats(height * width * 3)
    let expected = try Self.values(graph, input, height: height, width: width)
    var held = Self.held(graph, input, height: height, width: width)
    var start = 0
    while start < graph.nodes.count {
      let end = min(graph.nodes.count, start + random.int(1...6))
      let session = Session(try Executable(graph, nodes: start..<end), team: ThreadTeam(count: 1 + seed % 2))
      let read = Set(graph.nodes[start..<end].flatMap(\.inputs))
      var seen: [ValueID: [UInt8]] = [:]
      held = try session.resume(held) { seen[$0] = Array($2) }
      for (value, bytes) in seen { #expect(bytes == expected[value], "seed \(seed): value \(value.index)") }
      #expect(Set(seen.keys) == read.union(graph.nodes[start..<end].map(\.output)), "seed \(seed)")
      let alive = graph.liveValues(before: end)
      #expect(held.byteCount == alive.reduce(0) { $0 + (expected[$1]?.count ?? 0) })
      start = end
    }
    #expect(held.position == graph.nodes.count)
  }

  @Test func segmentsGoOnWhereTheLastOneEnded() throws {
    let graph = RandomGraph.make(seed: 3)
    let input = [Float](repeating: 0.5, count: 16 * 16 * 3)
    let session = Session(try Executable(graph, nodes: 2..<4))
    #expect(throws: GraphError.self) {
      try session.resume(Self.held(graph, input, height: 16, width: 16))
    }
    #expect(throws: GraphError.self) { try session.run(normalized: Tensor(input, shape: [1, 16, 16, 3])) }
  }
}
