import Fidelity
import Graphs
import Images
import Kernels
import Quantization
import Runtime

/// Finds the activations that must be read as 16 bits for a network to keep its gates: as few multiply-accumulates more as
/// it takes, measured by the drift of embeddings on calibration images, so that the images of the verdict have no part in
/// the choice.
struct PrecisionSearch {
  private let network: QuantizedNetwork
  private let job: ImageJob
  private let reading: WideReading
  /// In the order in which they are taken.
  private let candidates: [WideReading.Candidate]
  private let deadline: ContinuousClock.Instant?
  private let files: [ImageFolder.File]
  private let verifyingJob: ImageJob
  /// What was measured at each size, by the number of candidates that were taken.
  private var drifts: [Int: [Double]] = [:]

  /// Images that drift is measured on.
  private static let imageLimit = 24

  init(_ network: QuantizedNetwork, _ options: ConversionOptions, job: ImageJob, deadline: ContinuousClock.Instant?)
    throws
  {
    self.network = network
    self.job = job
    self.deadline = deadline
    reading = WideReading(network.calibration)
    candidates = try reading.candidates(in: network.quantized, imageSize: options.evaluation.size)
    files = network.images.calibration.spread(Self.imageLimit)
    verifyingJob = ImageJob(threads: options.threads, skipsBroken: true)
  }

  /// A network with some activations read as 16 bits.
  struct Outcome {
    let graph: Graph
    let widened: [WideReading.Candidate]
    /// Whether the time ran out before the search was over.
    let isCutShort: Bool
  }

  /// The network with all of them.
  func everything() throws -> Outcome {
    Outcome(
      graph: try reading.widening(candidates, in: network.quantized), widened: candidates, isCutShort: false)
  }

  /// The network with the shortest prefix of the candidates by which the mean drift on the sample is, at every size, at most
  /// a share of what it is without; with all of them if not even they do that. Shares, as calibration images drift less than
  /// others.
  ///
  /// - Parameters:
  ///   - shares: for each size; infinite where drift may be what it is.
  ///   - advance: called after each measurement.
  mutating func shortestPrefix(leaving shares: [Double], advance: () -> Void) throws -> Outcome {
    let limits = zip(shares, try drifts(prefix: 0)).map { $0 < .infinity ? $0 * $1 : .infinity }
    func isContent(_ drifts: [Double]) -> Bool { zip(drifts, limits).allSatisfy { $0 <= $1 } }
    var (failing, passing) = (0, candidates.count)
    var isCutShort = false
    if isContent(try drifts(prefix: passing)) {
      // Drift falls with every candidate but for noise, so that halving finds where it is low enough.
      while passing - failing > max(1, candidates.count / 64) {
        advance()
        if let deadline, ContinuousClock.now >= deadline {
          isCutShort = true
          break
        }
        let middle = (failing + passing) / 2
        if isContent(try drifts(prefix: middle)) { passing = middle } else { failing = middle }
      }
    }
    let widened = Array(candidates.prefix(passing))
    return Outcome(
      graph: try reading.widening(widened, in: network.quantized), widened: widened, isCutShort: isCutShort)
  }

  /// Mean drift on the sample, at each size, with the first candidates read as 16 bits.
  private mutating func drifts(prefix: Int) throws -> [Double] {
    if let known = drifts[prefix] { return known }
    let graph = try reading.widening(candidates.prefix(prefix), in: network.quantized)
    let int8 = try Executable(graph, threads: job.threads)
    let result = try network.sizes.map { size in
      let (figures, _) = try Verifier(job: verifyingJob, resolution: size.resolution).compare(
        network.float, int8, on: files, known: size.referenceOutputs, usesLabels: false, progress: SilentProgress())
      return figures.drift.mean ?? 2
    }
    drifts[prefix] = result
    return result
  }
}
