import Graphs
import Kernels
import Operators
import Pixels
import Runtime
import Tensors
import Threads

/// Runs a float graph on images and collects the statistics of its activations.
///
/// Each thread runs whole images, with its own session and histograms, which are added up at the end. As counts are
/// integers, the result depends neither on the number of threads nor on the order of images.
package struct Calibrator: Sendable {
  private let executable: Executable
  private let observed: [ValueID]
  private let parts: Int
  private let workers: WorkerLocal<Worker>

  /// One thread's session and counts.
  private final class Worker {
    let session: Session
    /// The statistics of each part.
    var statistics: [ActivationStatistics]
    var scratch = HistogramScratch()

    init(_ executable: Executable, _ observed: [ValueID], parts: Int) {
      session = Session(executable)
      statistics = [ActivationStatistics](repeating: ActivationStatistics(values: observed), count: parts)
    }
  }

  /// - Parameters:
  ///   - executable: the executable of a float graph.
  ///   - observed: the values whose statistics are collected.
  ///   - parts: the number of parts that the statistics are kept in, from which one can tell how much they depend on
  ///     the choice of images.
  package init(_ executable: Executable, observing observed: [ValueID], parts: Int = 1) {
    self.parts = parts
    self.executable = executable
    self.observed = observed
    workers = WorkerLocal { Worker(executable, observed, parts: parts) }
  }

  /// Runs one image and counts its activations. Calls with the same `worker` must not overlap.
  ///
  /// - Parameters:
  ///   - image: the image as the network sees it.
  ///   - part: the part whose statistics the image belongs to.
  ///   - index: the number of the calling thread.
  /// - Returns: The network's outputs.
  /// - Throws: `GraphError.inputSize` where the network cannot take the image's size.
  @discardableResult
  package func count(_ image: RGBImage, part: Int = 0, worker index: Int) throws(GraphError) -> [String: Tensor] {
    let worker = workers[index]
    let kernels = executable.kernels
    let observer: Session.Observer = { value, _, bytes in
      guard var histogram = worker.statistics[part].histograms.removeValue(forKey: value) else { return }
      worker.scratch.count(bytes.bindMemory(to: Float.self), into: &histogram, kernels: kernels)
      worker.statistics[part].histograms[value] = histogram
    }
    let outputs = try worker.session.run(
      pixels: image.pixels, height: image.height, width: image.width, observer: observer)
    worker.statistics[part].passes += 1
    return outputs
  }

  /// The statistics of all images so far. No call of `count` may be in progress.
  package func statistics() -> ActivationStatistics {
    statisticsOfParts().reduce(into: ActivationStatistics(values: observed)) { $0.merge($1) }
  }

  /// The statistics of all images so far, one for each part. No call of `count` may be in progress.
  package func statisticsOfParts() -> [ActivationStatistics] {
    let workers = workers.all
    return (0..<parts).map { part in
      workers.reduce(into: ActivationStatistics(values: observed)) { $0.merge($1.statistics[part]) }
    }
  }
}
