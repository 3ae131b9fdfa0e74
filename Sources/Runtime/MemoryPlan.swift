import Graphs
import Operators
import Tensors

/// The layout of all values and the scratch memory in one block of memory, for one input shape and a segment of the
/// graph. Values whose lifetimes do not overlap share bytes.
package struct MemoryPlan: Sendable {
  /// The byte offset of the first element of each value, indexed by `ValueID.index`; `nil` for values that the segment
  /// neither computes nor reads.
  package let offsets: [Int?]
  /// The byte offset of the scratch memory.
  package let scratchOffset: Int
  /// The number of bytes of the block.
  package let byteCount: Int

  /// First fit by size, largest first, which comes within a few percent of the lower bound for these networks
  /// (Pisarchyk and Lee, "Efficient Memory Management for Deep Neural Net Inference", arXiv 2001.03288, section 5.2).
  ///
  /// - Parameters:
  ///   - nodes: The segment. Values that it computes and later nodes read are kept until its end.
  ///   - shapes: The shape of each value, as `Graph.inferShapes` returns them.
  ///   - scratchByteCount: The most scratch memory that any operator of the segment needs.
  package init(graph: Graph, nodes: Range<Int>, shapes: [Shape?], scratchByteCount: Int) {
    var lastUse = graph.lastUses(in: nodes)
    var firstUse = [Int](repeating: -1, count: graph.valueCount)
    for index in nodes { firstUse[graph.nodes[index].output.index] = index }
    if nodes.lowerBound == 0 { lastUse[graph.input.index] = max(lastUse[graph.input.index], 0) }
    for value in graph.liveValues(before: nodes.upperBound) where lastUse[value.index] >= 0 {
      lastUse[value.index] = graph.nodes.count
    }

    var blocks: [PlannedBlock] = []
    for index in shapes.indices {
      guard let shape = shapes[index], lastUse[index] >= 0 else { continue }
      let format = graph.format(of: ValueID(index))
      let margin = ActivationLayout.marginByteCount(shape: shape, format: format)
      let size = ActivationLayout.blockByteCount(shape: shape, format: format)
      blocks.append(
        PlannedBlock(value: index, margin: margin, size: size, first: firstUse[index], last: lastUse[index], offset: 0))
    }
    var placed = PlacedBlocks()
    var offsets = [Int?](repeating: nil, count: graph.valueCount)
    var end = 0
    for block in blocks.sorted(by: { ($0.size, $1.value) > ($1.size, $0.value) }) {
      var block = block
      block.offset = placed.lowestGap(for: block)
      placed.insert(block)
      offsets[block.value] = block.offset + block.margin
      end = max(end, block.end)
    }
    self.offsets = offsets
    scratchOffset = end
    byteCount = scratchOffset + scratchByteCount
  }
}

extension Graph {
  /// For each value, the index of the last of `nodes` that reads or computes it; -1 for others.
  func lastUses(in nodes: Range<Int>) -> [Int] {
    var result = [Int](repeating: -1, count: valueCount)
    for index in nodes {
      let node = self.nodes[index]
      for value in node.inputs + [node.output] { result[value.index] = index }
    }
    return result
  }
}
