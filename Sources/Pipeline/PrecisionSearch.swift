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
  private let verifier: Verifier
  /// What was measured, by the number of candidates that were taken.
  private var drifts: [Int: Double] = [:]

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
    verifier = Verifier(job: ImageJob(threads: options.threads, skipsBroken: true), evaluation: options.evaluation)
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

  /// The network with the shortest prefix of the candidates by which the mean drift on the sample is at most `share` of what
  /// it is without; with all of them if not even they do that. Shares, as calibration images drift less than others.
  ///
  /// - Parameter advance: called after each measurement.
  mutating func shortestPrefix(leaving share: Double, advance: () -> Void) throws -> Outcome {
    let limit = share * (try drift(prefix: 0))
    var (failing, passing) = (0, candidates.count)
    var isCutShort = false
    if try drift(prefix: passing) <= limit {
      // Drift falls with every candidate but for noise, so that halving finds where it is low enough.
      while passing - failing > max(1, candidates.count / 64) {
        advance()
        if let deadline, ContinuousClock.now >= deadline {
          isCutShort = true
          break
        }
        let middle = (failing + passing) / 2
        if try drift(prefix: middle) <= limit { passing = middle } else { failing = middle }
      }
    }
    let widened = Array(candidates.prefix(passing))
    return Outcome(
      graph: try reading.widening(widened, in: network.quantized), widened: widened, isCutShort: isCutShort)
  }

  /// Mean drift on the sample with the first candidates read as 16 bits.
  private mutating func drift(prefix: Int) throws -> Double {
    if let known = drifts[prefix] { return known }
    let graph = try reading.widening(candidates.prefix(prefix), in: network.quantized)
    let (figures, _) = try verifier.compare(
      network.float, try Executable(graph, threads: job.threads), on: files, known: network.referenceOutputs,
      usesLabels: false, progress: SilentProgress())
    let drift = figures.drift.mean ?? 2
    drifts[prefix] = drift
    return drift
  }
}
