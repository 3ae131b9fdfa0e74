/// The smallest and the largest value of each channel of an activation, zero included. Ranges merge exactly: the order
/// and the grouping of images do not change a bit of the result.
package struct ChannelRange: Sendable, Hashable {
  /// The smallest value of each channel; at most zero.
  package private(set) var minima: [Float]
  /// The largest value of each channel; at least zero.
  package private(set) var maxima: [Float]

  /// Ranges that contain only zero.
  package init(channels: Int) {
    minima = [Float](repeating: 0, count: channels)
    maxima = minima
  }

  /// The number of channels.
  package var channels: Int { minima.count }

  /// Extends the ranges to some values, whose innermost axis is that of the channels. NaNs are ignored.
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

  /// Extends the ranges to those of another value, which must have the same number of channels.
  package mutating func merge(_ other: ChannelRange) {
    precondition(channels == other.channels, "ranges of \(channels) and \(other.channels) channels")
    for channel in minima.indices {
      minima[channel] = min(minima[channel], other.minima[channel])
      maxima[channel] = max(maxima[channel], other.maxima[channel])
    }
  }

  /// The smallest and the largest value of the whole activation if each channel is divided by its scale.
  ///
  /// - Parameter scales: a positive number for each channel.
  package func extremes(dividing scales: [Float]) -> (least: Float, largest: Float) {
    precondition(scales.count == channels, "\(scales.count) scales for \(channels) channels")
    return (zip(minima, scales).map { $0 / $1 }.min() ?? 0, zip(maxima, scales).map { $0 / $1 }.max() ?? 0)
  }

  /// Each channel's share of the tensor's range, from 0 to 1: its maximum divided by the tensor's or its minimum
  /// divided by the tensor's, whichever is larger. A channel whose share is s can be multiplied by 1 / s without a
  /// wider range of the tensor. `nil` if a bound is not finite.
  package var shares: [Float]? {
    let (smallest, largest) = (minima.min() ?? 0, maxima.max() ?? 0)
    guard smallest.isFinite, largest.isFinite else { return nil }
    return minima.indices.map { channel in
      max(largest > 0 ? maxima[channel] / largest : 0, smallest < 0 ? minima[channel] / smallest : 0)
    }
  }
}
