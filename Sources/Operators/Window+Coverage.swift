import Tensors

extension Window {
  /// Whether all taps of any window lie outside of the map, as those of a dilated window can on a small map.
  ///
  /// - Parameters:
  ///   - input: The shape of the map.
  ///   - output: The shape of the output, as for `indirection`.
  ///   - countsPadding: Whether taps in the padding count as inside.
  func hasWindowOutside(input: Shape, output: Shape, countsPadding: Bool) -> Bool {
    let window = resolved(height: input.height, width: input.width)
    let rows = WindowAxis(
      taps: window.height, dilation: window.dilationHeight, stride: window.strideHeight, before: window.top,
      map: input.height, after: window.bottom
    ).reaches(positions: output.height)
    let columns = WindowAxis(
      taps: window.width, dilation: window.dilationWidth, stride: window.strideWidth, before: window.left,
      map: input.width, after: window.right
    ).reaches(positions: output.width)
    return rows.contains { row in
      columns.contains { column in
        !(row.isInside && column.isInside) && !(countsPadding && row.isBeforeEnd && column.isBeforeEnd)
      }
    }
  }
}

/// The rows, or the columns, of a window and its map.
private struct WindowAxis {
  let taps: Int
  let dilation: Int
  let stride: Int
  let before: Int
  let map: Int
  let after: Int

  /// Where the taps of a window lie.
  struct Reach: Hashable {
    /// Whether any lies on the map.
    let isInside: Bool
    /// Whether any lies before the end of the padding after the map.
    let isBeforeEnd: Bool
  }

  /// Every reach that occurs.
  func reaches(positions: Int) -> Set<Reach> {
    // Only the taps of a dilation larger than the map can miss it on both sides. There are few positions then.
    guard taps == 1 || dilation <= map else { return Set((0..<positions).map(reach(of:))) }
    // Windows that reach the map follow each other, so that the ends of these and of those in the padding suffice.
    let firstInside = (before - (taps - 1) * dilation + stride - 1) / stride
    let lastInside = (map - 1 + before) / stride
    let lastBeforeEnd = (map + after - 1 + before) / stride
    let ends = [
      0, firstInside - 1, firstInside, lastInside, lastInside + 1, lastBeforeEnd, lastBeforeEnd + 1, positions - 1,
    ]
    return Set(ends.filter { $0 >= 0 && $0 < positions }.map(reach(of:)))
  }

  private func reach(of position: Int) -> Reach {
    let first = position * stride - before
    let tap = first >= 0 ? 0 : (dilation - 1 - first) / dilation
    return Reach(isInside: tap < taps && first + tap * dilation < map, isBeforeEnd: first < map + after)
  }
}
