import Graphs
import Operators
import Testing

/// The compact form of lists of channels.
@Suite struct ChannelBlockTests {
  /// The form by trying all lengths of blocks, the longest first.
  private static func compact(_ channels: [Int]) -> Attributes {
    var first = channels
    var (counts, steps): ([Int], [Int]) = ([], [])
    func length() -> Int? {
      guard first.count > 1 else { return nil }
      return (2...first.count).last { length in
        first.count % length == 0
          && first.indices.allSatisfy {
            $0 % length == 0 || first[$0] - first[$0 - 1] == first[1] - first[0]
          }
      }
    }
    while let count = length() {
      counts.insert(count, at: 0)
      steps.insert(first[1] - first[0], at: 0)
      first = stride(from: 0, to: first.count, by: count).map { first[$0] }
    }
    return ["first": .ints(first), "counts": .ints(counts), "steps": .ints(steps)]
  }

  @Test func blocksAreTheLongest() throws {
    var state: UInt64 = 1
    func next(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    for _ in 0..<2000 {
      var channels = (0...next(4)).map { _ in next(40) }
      for _ in 0..<next(4) {
        let (count, step) = (1 + next(5), next(4))
        channels = channels.flatMap { first in (0..<count).map { first + $0 * step } }
      }
      if next(3) == 0 { channels[next(channels.count)] = next(40) }
      #expect(try ChannelSelection(channels).attributes == Self.compact(channels))
    }
  }

  /// 720,720 has 240 divisors.
  @Test(.timeLimit(.minutes(1))) func longListsAreReadAndWritten() throws {
    let channels = [Int](repeating: 0, count: 720_719) + [1]
    for _ in 0..<20 {
      let op = try ChannelSelection(channels)
      #expect(op.attributes["counts"] == .ints([]))
      let decoded = try OperatorCatalogue.decode(ChannelSelection.wireName, op.attributes)
      #expect((decoded as? ChannelSelection)?.channels.count == channels.count)
    }
  }

  @Test func allAttributesAreKnown() throws {
    let attributes = try ChannelSelection([0, 1]).attributes
    _ = try OperatorCatalogue.decode(ChannelSelection.wireName, attributes)
    var more = attributes
    more["more"] = .int(1)
    #expect(throws: GraphError.self) { try OperatorCatalogue.decode(ChannelSelection.wireName, more) }
  }

  @Test func channelsCountAsConstants() throws {
    var graph = Graph(architecture: "test", preprocessing: .imageNet)
    for _ in 0..<4 {
      _ = graph.append(try ChannelSelection([Int](repeating: 0, count: 1000)), name: "", inputs: [graph.input])
    }
    try graph.checkConstants(limit: 32_000)
    #expect(throws: GraphError.self) { try graph.checkConstants(limit: 31_999) }
  }
}
