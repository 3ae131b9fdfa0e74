import Graphs
import Images
import Runtime
import Tensors
import Threads

/// Runs a float graph over images and keeps the range of each channel of its activations.
///
/// Each thread runs whole images in a session of its own; ranges merge exactly, so the result is the same whatever the
/// threads and the order.
package struct ChannelRangeObserver: Sendable {
  private let workers: WorkerLocal<Worker>

  /// One thread's session and what it saw.
  private final class Worker {
    let session: Session
    var ranges: [ValueID: ChannelRange] = [:]

    init(_ executable: Executable) { session = Session(executable) }
  }

  private let observed: Set<ValueID>

  /// - Parameters:
  ///   - executable: of a float graph.
  ///   - observed: the values whose ranges are wanted.
  package init(_ executable: Executable, observing observed: some Sequence<ValueID>) {
    self.observed = Set(observed)
    workers = WorkerLocal { Worker(executable) }
  }

  /// Runs one augmented image. Calls with the same `worker` must not overlap.
  ///
  /// - Returns: the network's outputs.
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

  /// The ranges of everything seen so far; none of a value that was not. No call of `observe` may be under way.
  package func ranges() -> [ValueID: ChannelRange] {
    workers.all.reduce(into: [:]) { merged, worker in
      merged.merge(worker.ranges) { mine, theirs in
        var sum = mine
        sum.merge(theirs)
        return sum
      }
    }
  }
}
