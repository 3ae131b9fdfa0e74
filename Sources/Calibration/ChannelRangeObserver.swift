import Graphs
import Pixels
import Runtime
import Tensors
import Threads

/// Runs a float graph on images and collects the range of each channel of its activations.
///
/// Each thread runs whole images in its own session. As ranges merge exactly, the result depends neither on the number
/// of threads nor on the order of images.
package struct ChannelRangeObserver: Sendable {
  private let workers: WorkerLocal<Worker>

  /// One thread's session and ranges.
  private final class Worker {
    let session: Session
    var ranges: [ValueID: ChannelRange] = [:]

    init(_ executable: Executable) { session = Session(executable) }
  }

  private let observed: Set<ValueID>

  /// - Parameters:
  ///   - executable: the executable of a float graph.
  ///   - observed: the values whose ranges are collected.
  package init(_ executable: Executable, observing observed: some Sequence<ValueID>) {
    self.observed = Set(observed)
    workers = WorkerLocal { Worker(executable) }
  }

  /// Runs one image and extends the ranges to its activations. Calls with the same `worker` must not overlap.
  ///
  /// - Parameters:
  ///   - image: the image as the network sees it.
  ///   - index: the number of the calling thread.
  /// - Returns: The network's outputs.
  /// - Throws: `GraphError.inputSize` where the network cannot take the image's size.
  @discardableResult
  package func observe(_ image: RGBImage, worker index: Int) throws(GraphError) -> [String: Tensor] {
    let worker = workers[index]
    let observer: Session.Observer = { value, shape, bytes in
      guard observed.contains(value) else { return }
      worker.ranges[value, default: ChannelRange(channels: shape.channels)].include(bytes.bindMemory(to: Float.self))
    }
    return try worker.session.run(pixels: image.pixels, height: image.height, width: image.width, observer: observer)
  }

  /// The ranges over all images so far. Values that no image had are absent. No call of `observe` may be in progress.
  package func ranges() -> [ValueID: ChannelRange] {
    workers.all.reduce(into: [:]) { merged, worker in
      merged.merge(worker.ranges) { first, second in
        var union = first
        union.merge(second)
        return union
      }
    }
  }
}
