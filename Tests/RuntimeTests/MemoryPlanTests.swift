import Graphs
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing

@Suite struct MemoryPlanTests {
  /// From the node that makes a value (before the first: the input) to the last that reads it, or past the end for outputs.
  private static func lifetimes(_ graph: Graph) -> [ValueID: ClosedRange<Int>] {
    var result: [ValueID: ClosedRange<Int>] = [:]
    for index in 0..<graph.valueCount {
      let value = ValueID(index)
      let maker = graph.nodes.firstIndex { $0.output == value } ?? -1
      guard maker >= 0 || value == graph.input else { continue }
      let reader = graph.nodes.lastIndex { $0.inputs.contains(value) } ?? maker
      let isOutput = graph.outputs.contains { $0.value == value }
      result[value] = maker...(isOutput ? graph.nodes.count : max(reader, maker))
    }
    return result
  }

  @Test(arguments: 0..<60)
  func liveValuesNeverOverlap(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    var graph = RandomGraph.make(seed: UInt64(seed), nodes: random.int(1...40))
    _ = graph.makeValue()  // one that nothing makes
    for index in 0..<graph.valueCount where random.chance(0.5) {
      graph.setFormat(.uint8(QuantizationParameters(scale: 1, zeroPoint: 3)), of: ValueID(index))
    }
    let shapes = try graph.inferShapes(input: [random.int(1...3), random.int(16...40), random.int(16...40), 3])
    let scratch = random.int(0...1000)
    let plan = MemoryPlan(graph: graph, nodes: graph.nodes.indices, shapes: shapes, scratchByteCount: scratch)

    let lifetimes = Self.lifetimes(graph)
    var ranges: [(value: ValueID, bytes: Range<Int>)] = []
    for value in lifetimes.keys.sorted() {
      let offset = try #require(plan.offsets[value.index])
      let shape = try #require(shapes[value.index])
      let format = graph.format(of: value)
      let margin = ActivationLayout.marginByteCount(shape: shape, format: format)
      let end = offset + shape.elementCount * format.elementType.byteCount + ActivationLayout.readableBytesAfter
      #expect(offset % ActivationLayout.alignment == 0)
      #expect(offset - margin >= 0 && end <= plan.scratchOffset)
      ranges.append((value, offset - margin..<end))
    }
    #expect(plan.scratchOffset % ActivationLayout.alignment == 0)
    #expect(plan.byteCount == plan.scratchOffset + scratch)
    for (index, a) in ranges.enumerated() {
      for b in ranges[..<index] where a.bytes.overlaps(b.bytes) {
        let (first, second) = (try #require(lifetimes[a.value]), try #require(lifetimes[b.value]))
        #expect(!first.overlaps(second), "values \(a.value.index) and \(b.value.index) share bytes while both are live")
      }
    }
    #expect(plan.offsets[graph.valueCount - 1] == nil)
  }

  /// A chain needs two maps at a time, not all of them.
  @Test func aChainReusesMemory() throws {
    var graph = Graph(architecture: "chain", preprocessing: .imageNet)
    var value = graph.input
    for index in 0..<20 { value = graph.append(ReLU(), name: "\(index)", inputs: [value]) }
    graph.outputs = [GraphOutput(name: "output", value: value)]
    let shapes = try graph.inferShapes(input: [1, 10, 10, 3])
    let plan = MemoryPlan(graph: graph, nodes: graph.nodes.indices, shapes: shapes, scratchByteCount: 0)
    let one = ActivationLayout.roundUp(1200 + ActivationLayout.readableBytesAfter, to: 64)
    #expect(plan.byteCount == 2 * one)
  }

  /// First fit among all placed blocks, each time filtered and sorted.
  private static func simplePlan(_ graph: Graph, shapes: [Shape?]) throws -> (offsets: [Int?], byteCount: Int) {
    struct Block {
      let value: ValueID
      let margin: Int
      let size: Int
      let lifetime: ClosedRange<Int>
      var offset = 0
    }
    var blocks: [Block] = []
    for (value, lifetime) in lifetimes(graph) {
      let (shape, format) = (try #require(shapes[value.index]), graph.format(of: value))
      blocks.append(
        Block(
          value: value, margin: ActivationLayout.marginByteCount(shape: shape, format: format),
          size: ActivationLayout.blockByteCount(shape: shape, format: format), lifetime: lifetime))
    }
    blocks.sort { $0.size != $1.size ? $0.size > $1.size : $0.value < $1.value }
    var offsets = [Int?](repeating: nil, count: graph.valueCount)
    for index in blocks.indices {
      let block = blocks[index]
      let neighbours = blocks[..<index].filter { $0.lifetime.overlaps(block.lifetime) }.sorted { $0.offset < $1.offset }
      var offset = 0
      for neighbour in neighbours {
        if offset + block.size <= neighbour.offset { break }
        offset = max(offset, neighbour.offset + neighbour.size)
      }
      blocks[index].offset = offset
      offsets[block.value.index] = offset + block.margin
    }
    return (offsets, blocks.map { $0.offset + $0.size }.max() ?? 0)
  }

  private static func expectSimplePlan(_ graph: Graph, side: Int) throws {
    let shapes = try graph.inferShapes(input: [1, side, side, 3])
    let plan = MemoryPlan(graph: graph, nodes: graph.nodes.indices, shapes: shapes, scratchByteCount: 0)
    let expected = try simplePlan(graph, shapes: shapes)
    #expect(plan.offsets == expected.offsets)
    #expect(plan.byteCount == expected.byteCount)
  }

  /// Maps of many sizes, some of which are read again much later.
  @Test(arguments: 0..<12)
  func plansAreThoseOfTheSimpleAlgorithm(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(seed))
    var graph = Graph(architecture: "random", preprocessing: .imageNet)
    var values = [graph.input]
    for index in 0..<[60, 300, 600][seed % 3] {
      let value = random.chance(0.7) ? values[values.count - 1] : random.pick(values)
      let output =
        switch random.int(0...5) {
        case 0, 1: graph.append(ReLU(), name: "\(index)", inputs: [value])
        case 2: graph.append(Addition(), name: "\(index)", inputs: [value, random.pick(values)])
        case 3, 4:
          graph.append(
            ZeroPadding(MapMargins(top: random.int(0...6), right: random.int(0...6))), name: "\(index)",
            inputs: [value])
        default: graph.append(MaxPooling(window: Window(1, stride: 2)), name: "\(index)", inputs: [value])
        }
      if random.chance(0.2) {
        graph.setFormat(.uint8(QuantizationParameters(scale: 1, zeroPoint: 3)), of: output)
      }
      values.append(output)
    }
    graph.outputs = (0..<3).map { GraphOutput(name: "\($0)", value: random.pick(values)) }
    try Self.expectSimplePlan(graph, side: 40)
  }

  /// All maps are live in the middle of the graph.
  @Test func plansOfNestedLifetimesAreThoseOfTheSimpleAlgorithm() throws {
    var graph = Graph(architecture: "nested", preprocessing: .imageNet)
    let maps = (0..<400).map { graph.append(ReLU(), name: "\($0)", inputs: [graph.input]) }
    var sum = maps[399]
    for index in (0..<399).reversed() {
      sum = graph.append(Addition(), name: "sum \(index)", inputs: [sum, maps[index]])
    }
    graph.outputs = [GraphOutput(name: "output", value: sum)]
    try Self.expectSimplePlan(graph, side: 8)
  }
}
