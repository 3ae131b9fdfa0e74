import Tensors

/// Views whose channels are the pixels of blocks: those of space-to-depth, and strided slices side by side, with which
/// networks for object detection begin.
extension ONNXView {
  /// A view that has the axes of a map, with one pixel for each block of its base and the block's pixels as channels.
  struct BlockLayout {
    var channelAxis: Int
    /// The height and the width of a block.
    var block: Int
    /// For each channel of the view, the position in the block and the channel of the base.
    var sources: [(row: Int, column: Int, channel: Int)]

    /// The position in the block, where it is the same for all channels.
    var sample: (row: Int, column: Int)? {
      guard let first = sources.first, sources.allSatisfy({ $0.row == first.row && $0.column == first.column }) else {
        return nil
      }
      return (first.row, first.column)
    }
  }

  /// The layout of a view that is its base after space-to-depth, or a part of that; `nil` for others.
  var blockLayout: BlockLayout? {
    guard !base.isRow, axes.count == 4, covers(0, .batch) else { return nil }
    for axis in [1, 3] {
      let spatial = axis == 1 ? [2, 3] : [1, 2]
      guard let block = step(spatial[0], .row), block == step(spatial[1], .column), block > 1 else { continue }
      var sources = [(row: start[.row] ?? 0, column: start[.column] ?? 0, channel: start[.channel] ?? 0)]
      for factor in axes[axis] {
        guard sources.count <= Self.maximumExtent / max(factor.extent, 1) else { return nil }
        sources = sources.flatMap { source in
          factor.offsets.map { offset in
            var moved = source
            switch factor.source {
            case .row: moved.row += offset
            case .column: moved.column += offset
            case .channel: moved.channel += offset
            case .batch: moved.row = block
            }
            return moved
          }
        }
      }
      guard sources.allSatisfy({ 0..<block ~= $0.row && 0..<block ~= $0.column }) else { continue }
      return BlockLayout(channelAxis: axis, block: block, sources: sources)
    }
    return nil
  }

  /// The distance of the positions along an axis of the base that an axis of the view runs over; `nil` where they are
  /// not evenly spaced or leave out a block.
  private func step(_ axis: Int, _ source: Source) -> Int? {
    let (count, extent) = (shape[axis], extents[source] ?? 1)
    guard axes[axis].allSatisfy({ $0.source == source }), axes[axis].count <= 1 else { return nil }
    guard let offsets = axes[axis].first?.offsets else { return extent }
    let step = offsets[1]
    guard step > 0, offsets.enumerated().allSatisfy({ $1 == $0 * step }) else { return nil }
    // Every block has a pixel; the last block may be cut off.
    return (count - 1) * step < extent && extent <= count * step ? step : nil
  }

  /// Views of one base that differ only in the row and the column of their first pixel, side by side along an axis.
  static func joinedBlocks(_ views: [ONNXView], axis: Int) -> ONNXView? {
    guard var result = views.first, views.count > 1,
      views.allSatisfy({ $0.base.value == result.base.value && $0.axes == result.axes && $0.affine == nil }),
      [Source.channel, .batch].allSatisfy({ source in
        views.allSatisfy { ($0.start[source] ?? 0) == (result.start[source] ?? 0) }
      })
    else { return nil }
    for (outer, inner) in [(Source.column, Source.row), (.row, .column)] {
      let (outers, inners) = (views.map { $0.start[outer] ?? 0 }, views.map { $0.start[inner] ?? 0 })
      let length = outers.firstIndex { $0 != outers[0] } ?? views.count
      guard views.count % length == 0,
        views.indices.allSatisfy({ outers[$0] == outers[$0 / length * length] && inners[$0] == inners[$0 % length] })
      else { continue }
      func factor(_ source: Source, _ starts: [Int]) -> [Factor] {
        result.start[source] = starts[0]
        return starts.count > 1 ? [Factor(source: source, offsets: starts.map { $0 - starts[0] })] : []
      }
      let outerStarts = stride(from: 0, to: views.count, by: length).map { outers[$0] }
      guard Set(outerStarts).count == outerStarts.count, Set(inners[..<length]).count == length else { return nil }
      result.axes[axis] = factor(outer, outerStarts) + factor(inner, Array(inners[..<length])) + result.axes[axis]
      return result
    }
    return nil
  }
}
