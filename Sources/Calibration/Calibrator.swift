import Graphs
import Images
import Kernels
import Runtime
import Tensors

/// Runs a float graph over images and gathers the statistics of its activations.
///
/// Each thread runs whole images in a session and with histograms of its own, which are added up at the end. Counts are
/// integers, so the result is the same whatever the threads and the order.
public struct Calibrator: Sendable {
  private let executable: Executable
  private let observed: [ValueID]
  private let workers: WorkerLocal<Worker>

  /// One thread's session and what it counted.
  private final class Worker {
    let session: Session
    var statistics: ActivationStatistics
    var scratch = HistogramScratch()

    init(_ executable: Executable, _ observed: [ValueID]) {
      session = Session(executable)
      statistics = ActivationStatistics(values: observed)
    }
  }

  /// - Parameters:
  ///   - executable: of a float graph.
  ///   - observed: the values whose statistics are wanted.
  public init(_ executable: Executable, observing observed: [ValueID]) {
    self.executable = executable
    self.observed = observed
    workers = WorkerLocal { Worker(executable, observed) }
  }

  /// Runs one augmented image and counts its activations. Calls with the same `worker` must not overlap.
  ///
  /// - Throws: `GraphError.inputSize` where the network cannot take the image's size.
  public func count(_ image: RGBImage, worker index: Int) throws(GraphError) {
    let worker = workers[index]
    let kernels = executable.kernels
    let observer: Session.Observer = { value, _, bytes in
      guard var histogram = worker.statistics.histograms.removeValue(forKey: value) else { return }
      worker.scratch.count(bytes.bindMemory(to: Float.self), into: &histogram, kernels: kernels)
      worker.statistics.histograms[value] = histogram
    }
    _ = try worker.session.run(pixels: image.pixels, height: image.height, width: image.width, observer: observer)
    worker.statistics.passes += 1
  }

  /// The statistics of everything counted so far. No call of `count` may be under way.
  public func statistics() -> ActivationStatistics {
    workers.all.reduce(into: ActivationStatistics(values: observed)) { $0.merge($1.statistics) }
  }
}
