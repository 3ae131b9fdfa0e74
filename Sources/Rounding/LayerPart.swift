/// The weights between some input channels of a convolution's group and its outputs, as a matrix
/// [taps x channels][outputs].
struct LayerPart {
  private let layer: LayerGeometry
  /// Input channels, counted within the group.
  private let channels: Range<Int>
  /// Output channels, counted within the layer.
  let outputs: Range<Int>
  /// Input channels, counted within the map.
  let mapChannels: Range<Int>

  init(_ layer: LayerGeometry, group: Int, channels: Range<Int>) {
    self.layer = layer
    self.channels = channels
    outputs = group * layer.outputs..<(group + 1) * layer.outputs
    mapChannels = group * layer.depth + channels.lowerBound..<group * layer.depth + channels.upperBound
  }

  /// The part's weights, [taps x channels][outputs].
  ///
  /// - Parameter weights: those of the whole layer, [outputs][taps][depth].
  func gather<Element: Numeric>(_ weights: UnsafeBufferPointer<Element>) -> [Element] {
    var result = [Element](repeating: 0, count: layer.taps * channels.count * outputs.count)
    result.withUnsafeMutableBufferPointer { result in
      forEach { row, column, index in result[row * outputs.count + column] = weights[index] }
    }
    return result
  }

  /// Writes levels to the positions that `gather` reads.
  func scatter(_ levels: [Int8], to weights: inout [Int8]) {
    levels.withUnsafeBufferPointer { levels in
      weights.withUnsafeMutableBufferPointer { weights in
        forEach { row, column, index in weights[index] = levels[row * outputs.count + column] }
      }
    }
  }

  /// Calls `body` for each weight. In tiles, as one of the two matrices is always accessed across its rows.
  private func forEach(_ body: (_ row: Int, _ column: Int, _ index: Int) -> Void) {
    let tile = 16
    for tap in 0..<layer.taps {
      let row = tap * channels.count
      for firstColumn in stride(from: 0, to: outputs.count, by: tile) {
        for firstChannel in stride(from: 0, to: channels.count, by: tile) {
          for column in firstColumn..<min(firstColumn + tile, outputs.count) {
            let index = ((outputs.lowerBound + column) * layer.taps + tap) * layer.depth + channels.lowerBound
            for channel in firstChannel..<min(firstChannel + tile, channels.count) {
              body(row &+ channel, column, index &+ channel)
            }
          }
        }
      }
    }
  }
}
