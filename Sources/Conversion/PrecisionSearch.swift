import Fidelity
import Graphs
import Images
import Kernels
import Quantization
import Runtime

/// Finds what must be held more precisely for a network to keep its gates: activations that are read as 16 bits, which cost
/// time, and, where all of them are not enough, layers kept in float, which cost bytes. As few as it takes, measured by
/// the drift of embeddings on calibration images, so that the images of the verdict only say whether it was enough.
struct PrecisionSearch {
  private let network: QuantizedNetwork
  private let job: ImageJob
  private let evaluation: EvaluationProtocol
  private let reading: WideReading
  /// In the order in which they are taken.
  private let candidates: [WideReading.Candidate]
  /// Taken after all candidates; known when it is first asked for.
  private var ranking: FloatRanking?
  private let deadline: ContinuousClock.Instant?
  /// Layers kept in float take more bytes than a budget leaves.
  private let isBoundInBytes: Bool
  private let files: [ImageFolder.File]
  private let verifyingJob: ImageJob
  /// What was measured at each size, by the number of steps that were taken.
  private var drifts: [Int: [Double]] = [:]

  /// Images that drift is measured on.
  private static let imageLimit = 24

  init(_ network: QuantizedNetwork, _ options: ConversionOptions, job: ImageJob, deadline: ContinuousClock.Instant?)
    throws
  {
    self.network = network
    self.job = job
    self.deadline = deadline
    isBoundInBytes = options.maxBytes != nil
    evaluation = options.evaluation
    reading = WideReading(network.float.graph, network.calibration)
    candidates = try reading.candidates(in: network.plan, imageSize: options.evaluation.size)
    files = network.images.calibration.spread(Self.imageLimit)
    verifyingJob = ImageJob(threads: options.threads, skipsBroken: true)
  }

  /// Some steps, each an activation read as 16 bits; when there are no more, a layer kept in float with weights of 16 bits;
  /// and then one whose weights are float32.
  struct Choice {
    var widened: [WideReading.Candidate] = []
    var keptFloat: [KeptFloat]
    var steps = 0
    /// Whether the time ran out before the search was over.
    var isCutShort = false
  }

  /// A network after the steps of a choice.
  struct Outcome {
    let plan: QuantizationPlan
    var choice: Choice
  }

  /// The network with every activation read as 16 bits that can be.
  func allWide() throws -> Outcome { try outcome(candidates.count) }

  /// The network with the fewest steps more by which the mean drift on the sample is, at every size, at most a share of what
  /// it is after `steps`; where not even all of their kind do that, with all of it. Shares, as calibration images drift less
  /// than others. `nil` where there are no more steps.
  ///
  /// - Parameters:
  ///   - shares: for each size; infinite where drift may be what it is.
  ///   - advance: called after each measurement.
  mutating func fewestSteps(after steps: Int, leaving shares: [Double], advance: () -> Void) throws -> Outcome? {
    if steps >= candidates.count, isBoundInBytes { return nil }
    if steps >= candidates.count, ranking == nil {
      ranking = try FloatRanking(network, pixels(), threads: job.threads, deadline: deadline)
    }
    let (wide, floats) = (candidates.count, ranking?.layers.count ?? 0)
    guard let all = [wide, wide + floats, wide + 2 * floats].first(where: { $0 > steps }) else { return nil }
    // Where the sample was content with some float layers, and other images were not, it has nothing more to say.
    if steps > wide, steps != wide + floats { return try outcome(all) }
    let limits = zip(shares, try drifts(after: steps)).map { $0 < .infinity ? $0 * $1 : .infinity }
    func isContent(_ drifts: [Double]) -> Bool { zip(drifts, limits).allSatisfy { $0 <= $1 } }
    var (failing, passing) = (steps, all)
    var isCutShort = false
    if isContent(try drifts(after: passing)) {
      // Drift falls with every step but for noise, so that halving finds where it is low enough.
      while passing - failing > max(1, (all - steps) / 64) {
        advance()
        if let deadline, ContinuousClock.now >= deadline {
          isCutShort = true
          break
        }
        let middle = (failing + passing) / 2
        if isContent(try drifts(after: middle)) { passing = middle } else { failing = middle }
      }
    }
    var found = try outcome(passing)
    found.choice.isCutShort = isCutShort
    return found
  }

  /// The network about halfway, by bytes, between two numbers of steps of which the greater keeps layers in float; `nil`
  /// where there is none between.
  func halfway(_ fewer: Int, _ more: Int) throws -> Outcome? {
    guard let ranking, more > candidates.count else { return nil }
    let first = max(fewer, candidates.count)
    let costs = ranking.layers.map(\.extraBytes) + ranking.layers.map { $0.full.extraBytes - $0.extraBytes }
    let between = costs[first - candidates.count..<more - candidates.count]
    let half = between.reduce(0, +) / 2
    var (steps, bytes) = (first, 0)
    for cost in between {
      bytes += cost
      if bytes > half { break }
      steps += 1
    }
    steps = min(max(steps, first + 1), more - 1)
    return steps > first ? try outcome(steps) : nil
  }

  private func outcome(_ steps: Int) throws -> Outcome {
    guard steps > candidates.count, let ranking else {
      let widened = Array(candidates.prefix(steps))
      return Outcome(
        plan: reading.widening(widened, in: network.plan),
        choice: Choice(widened: widened, keptFloat: network.keptFloat, steps: steps))
    }
    let more = ranking.layers.prefix(steps - candidates.count)
    let fullCount = max(0, steps - candidates.count - ranking.layers.count)
    let kept = network.keptFloat + more.enumerated().map { $0 < fullCount ? $1.full : $1 }
    var plan = network.plan
    plan.keepFloat(
      Dictionary(kept.map { ($0.name, $0.layer) }, uniquingKeysWith: { first, _ in first }), in: network.float.graph)
    // Some activations are not rounded any more.
    let widened = try reading.candidates(in: plan, imageSize: evaluation.size)
    return Outcome(
      plan: reading.widening(widened, in: plan), choice: Choice(widened: widened, keptFloat: kept, steps: steps))
  }

  /// Mean drift on the sample, at each size.
  private mutating func drifts(after steps: Int) throws -> [Double] {
    if let known = drifts[steps] { return known }
    let int8 = try Executable(try network.lowered(try outcome(steps).plan).graph, threads: job.threads)
    let result = try network.sizes.map { size in
      let (figures, _) = try Verifier(job: verifyingJob, resolution: size.resolution).compare(
        network.float, int8, on: files, known: size.referenceOutputs, labels: nil, progress: SilentProgress())
      return figures.drift.mean ?? 2
    }
    drifts[steps] = result
    return result
  }

  /// The sample as the network sees it at the first size, without what cannot be read.
  private func pixels() -> [RGBImage] {
    files.compactMap { file in
      if let known = network.firstSize.referenceOutputs[file.path] { return known.pixels }
      guard let image = try? LoadedImage(file) else { return nil }
      return try? evaluation.apply(to: image.pixels)
    }
  }
}
