/// The least and the largest value of each channel of an activation, zero included. Merges exactly: the order and the
/// grouping of images change no bit.
package struct ChannelRange: Sendable, Hashable {
  /// At most zero.
  package private(set) var minima: [Float]
  /// At least zero.
  package private(set) var maxima: [Float]

  package init(channels: Int) {
    minima = [Float](repeating: 0, count: channels)
    maxima = minima
  }

  package var channels: Int { minima.count }

  /// Takes in values whose innermost axis are the channels. NaNs are left out.
  package mutating func include(_ values: UnsafeBufferPointer<Float>) {
    let channels = channels
    guard channels > 0 else { return }
    minima.withUnsafeMutableBufferPointer { minima in
      maxima.withUnsafeMutableBufferPointer { maxima in
        for first in stride(from: 0, through: values.count - channels, by: channels) {
          for channel in 0..<channels {
            let value = values[first &+ channel]
            minima[channel] = value < minima[channel] ? value : minima[channel]
            maxima[channel] = value > maxima[channel] ? value : maxima[channel]
          }
        }
      }
    }
  }

  /// Traps unless both have the same number of channels.
  package mutating func merge(_ other: ChannelRange) {
    precondition(channels == other.channels, "ranges of \(channels) and \(other.channels) channels")
    for channel in minima.indices {
      minima[channel] = min(minima[channel], other.minima[channel])
      maxima[channel] = max(maxima[channel], other.maxima[channel])
    }
  }

  /// The least and the largest value of the whole activation, were each channel divided by its scale.
  package func extremes(dividing scales: [Float]) -> (least: Float, largest: Float) {
    precondition(scales.count == channels, "\(scales.count) scales for \(channels) channels")
    return (zip(minima, scales).map { $0 / $1 }.min() ?? 0, zip(maxima, scales).map { $0 / $1 }.max() ?? 0)
  }

  /// Each channel's share of the tensor's range: the larger of its maximum by the tensor's and its minimum by the tensor's,
  /// so that a channel whose share is s can be multiplied by 1 / s and the tensor's range does not grow. `nil` where a
  /// bound is not finite.
  package var shares: [Float]? {
    let (least, largest) = (minima.min() ?? 0, maxima.max() ?? 0)
    guard least.isFinite, largest.isFinite else { return nil }
    return minima.indices.map { channel in
      max(largest > 0 ? maxima[channel] / largest : 0, least < 0 ? minima[channel] / least : 0)
    }
  }
}
