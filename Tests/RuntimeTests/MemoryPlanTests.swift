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
}
