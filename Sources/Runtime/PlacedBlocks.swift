/// The bytes of a value in a plan, which it keeps from one node to another.
struct PlannedBlock {
  let value: Int
  let margin: Int
  let size: Int
  /// The node that computes the value; -1 for one that is there before.
  let first: Int
  /// The last node that needs the value.
  let last: Int
  var offset: Int

  var end: Int { offset + size }

  func overlapsInTime(_ other: PlannedBlock) -> Bool { first <= other.last && other.first <= last }

  /// The order of placed blocks. Of those with equal offsets, which never overlap in time, the earlier ones come first.
  func precedes(_ other: PlannedBlock) -> Bool { (offset, first) < (other.offset, other.first) }
}

/// Blocks whose offsets are known, in runs of neighbours, so that the gap for another block is found without looking at
/// each of them.
struct PlacedBlocks {
  /// The number of blocks with which a run is split.
  static let runLimit = 128

  private var runs: [Run] = []

  /// The lowest offset at which a block overlaps none of those that are live at the same time.
  func lowestGap(for block: PlannedBlock) -> Int {
    var offset = 0
    for run in runs where run.firsts.lowerBound <= block.last && block.first <= run.lasts.upperBound {
      let allOverlap = run.firsts.upperBound <= block.last && block.first <= run.lasts.lowerBound
      if allOverlap, run.widestGap < block.size {
        if offset + block.size <= run.start { return offset }
        offset = max(offset, run.end)
        continue
      }
      for neighbour in run.blocks where neighbour.overlapsInTime(block) {
        if offset + block.size <= neighbour.offset { return offset }
        offset = max(offset, neighbour.end)
      }
    }
    return offset
  }

  mutating func insert(_ block: PlannedBlock) {
    guard !runs.isEmpty else {
      runs.append(Run([block]))
      return
    }
    let following = Self.firstIndex(in: runs.count) { block.precedes(runs[$0].blocks[0]) }
    let index = max(0, following - 1)
    runs[index].insert(block)
    let blocks = runs[index].blocks
    guard blocks.count >= Self.runLimit else { return }
    runs[index] = Run(Array(blocks[..<(blocks.count / 2)]))
    runs.insert(Run(Array(blocks[(blocks.count / 2)...])), at: index + 1)
  }

  /// The first of `count` indices that meets a condition, which all after it meet, too; `count` where none does.
  private static func firstIndex(in count: Int, where condition: (Int) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if condition(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Neighbours in the order of their offsets, at least one.
  private struct Run {
    private(set) var blocks: [PlannedBlock]
    private(set) var firsts: ClosedRange<Int>
    private(set) var lasts: ClosedRange<Int>
    private(set) var end: Int
    /// The most bytes between the blocks where each of them counts.
    private(set) var widestGap = 0

    var start: Int { blocks[0].offset }

    init(_ blocks: [PlannedBlock]) {
      self.blocks = blocks
      (firsts, lasts) = (blocks[0].first...blocks[0].first, blocks[0].last...blocks[0].last)
      end = blocks[0].end
      summarize()
    }

    mutating func insert(_ block: PlannedBlock) {
      let index = PlacedBlocks.firstIndex(in: blocks.count) { block.precedes(blocks[$0]) }
      blocks.insert(block, at: index)
      summarize()
    }

    private mutating func summarize() {
      (end, widestGap) = (blocks[0].end, 0)
      for block in blocks {
        firsts = min(firsts.lowerBound, block.first)...max(firsts.upperBound, block.first)
        lasts = min(lasts.lowerBound, block.last)...max(lasts.upperBound, block.last)
        widestGap = max(widestGap, block.offset - end)
        end = max(end, block.end)
      }
    }
  }
}
