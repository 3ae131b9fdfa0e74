import Fidelity
import Files
import Graphs
import Images
import Inference
import PackageFormat
import Quantization
import Runtime
import Search
import Tensors

/// What a conversion did.
package struct ConversionOutcome: Sendable {
  package let report: FidelityReport
  /// `nil` where only a plan was made.
  package let package: PackageSummary?
  /// Which images fidelity was measured on, in words.
  package let verifiedOn: String
  /// The greatest difference that folding made to an output, relative to the output's largest magnitude.
  package let foldingDifference: Float
  /// A line for each rewrite.
  package let foldingNotes: [String]
  /// What equalisation did to each channel; `nil` without it.
  package let equalization: Equalization?
  /// What the plan's steps do to the weights.
  package let coarsening: Coarsening
  /// The nodes whose output is read as 16 bits.
  package let widened: [String]
  /// The layers with weights that compute in float, in order of execution.
  package let keptFloat: [KeptFloat]
}

/// From a checkpoint and a folder of images to a package on disk, verified as it lies there.
package struct Converter {
  private let options: ConversionOptions
  private let progress: any ProgressObserver
  private let clock: StageClock
  private var job: ImageJob { ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages) }

  package init(_ options: ConversionOptions, progress: any ProgressObserver = SilentProgress()) {
    self.init(options, progress, StageClock(progress: progress))
  }

  private init(_ options: ConversionOptions, _ progress: any ProgressObserver, _ clock: StageClock) {
    (self.options, self.progress, self.clock) = (options, progress, clock)
  }

  /// Runs all stages. The package appears under its name only when everything is done; where a gate failed it is still
  /// written, and says so.
  ///
  /// - Throws: the typed errors of the stages; `ConversionError` for what belongs to none.
  package func run() throws -> ConversionOutcome {
    try withNetwork { converter, network, start in try converter.convert(network, start: start) }
  }

  /// Runs all stages, and writes the plan that the package would be made by to `output` instead of the package.
  ///
  /// - Throws: as `run`.
  package func makePlan() throws -> ConversionOutcome {
    try withNetwork { converter, network, start in
      let made = try converter.carriedOut(network, start: start)
      defer { made.attempt.discard() }
      try AtomicFile.write(try made.plan.json(), to: options.output)
      return converter.outcome(network, made, try converter.report(network, made), package: nil)
    }
  }

  /// The stages up to a network with rounded weights, and what comes after them.
  private func withNetwork(
    _ body: (Converter, QuantizedNetwork, ContinuousClock.Instant) throws -> ConversionOutcome
  ) throws -> ConversionOutcome {
    // What would fail for lack of a folder or a permission fails before any work is done.
    let start = ContinuousClock.now
    let calibration = try ImageFolder(path: options.calibrationFolder)
    // Held until the end, so that the path stays ours.
    let reserved = try AtomicFile(path: options.output)
    defer { reserved.discard() }
    let source = try ConversionSource(options, clock)
    // By the options that belong to the checkpoint.
    let converter = Converter(source.options, progress, clock)
    let cache = ImageCache()
    let network = try NetworkQuantizer(source.options, progress: progress, clock: clock, cache: cache).run(
      source, calibration)
    cache.removeAll()
    return try body(converter, network, start)
  }

  /// A plan that was carried out and verified.
  private struct CarriedOut {
    let attempt: VerifiedPackage
    let metadata: PackageMetadata
    let plan: PlanFile
  }

  private func carriedOut(_ network: QuantizedNetwork, start: ContinuousClock.Instant) throws -> CarriedOut {
    let record = network.calibrationRecord ?? calibrationRecord(network)
    var metadata = PackageMetadata(
      source: network.reference, calibration: record, images: network.record.keys, fidelity: nil)
    let attempt = try bestAttempt(network, metadata, start: start)
    guard attempt.measurements.allSatisfy({ $0.figures.images > 0 }) else {
      throw ConversionError.noUsableImages(folder: network.images.verificationFolder)
    }
    let plan = PlanFile(
      attempt.found.plan, rounded: network.plan, of: network.float.graph, calibration: record,
      isCutShort: attempt.found.isCutShort)
    metadata.planSHA256 = try plan.sha256()
    try network.store?.write(plan)
    return CarriedOut(attempt: attempt, metadata: metadata, plan: plan)
  }

  private func convert(_ network: QuantizedNetwork, start: ContinuousClock.Instant) throws -> ConversionOutcome {
    let made = try carriedOut(network, start: start)
    var report = try report(network, made)
    let summary = try clock.stage("seal") { try seal(made.attempt.path, made.metadata, report) }
    made.attempt.discard()
    report.setPackage(
      .init(path: options.output, bytes: summary.byteCount, sha256: summary.sha256.hex), maxBytes: options.maxBytes)
    return outcome(network, made, report, package: summary)
  }

  private func report(_ network: QuantizedNetwork, _ made: CarriedOut) throws -> FidelityReport {
    let images = network.images
    var report = FidelityReport(
      made.attempt.measurements, gates: options.gates, verified: images.verification, reference: network.reference,
      settings: options.settings(images).merging(made.attempt.settings(network.float.graph)) { $1 }.merging(
        network.levels.coarsening.settings
      ) { $1 })
    report.describe(network)
    report.referenceCheck = network.referenceCheck
    let costs = try CostTable(network.float.graph, imageSize: options.evaluation.size)
    report.inference = made.attempt.inference(network.float.graph, costs)
    if made.attempt.failsMainlyByNearTies, options.effort != .fast { report.notes.append(Self.nearTies) }
    return report
  }

  private static let nearTies =
    "top-1 agreement fails by near ties: images whose two highest float logits are so close that a network within tolerance "
    + "may swap them. Without them it would be kept, so that no layer was put into float for it, and no input read as 16 bits "
    + "where all that disagree are such; --effort thorough does that, and --min-clear-agreement with a lower --min-agreement "
    + "gates what can be told"

  private func outcome(
    _ network: QuantizedNetwork, _ made: CarriedOut, _ report: FidelityReport, package: PackageSummary?
  ) -> ConversionOutcome {
    var report = report
    report.seconds = clock.seconds
    report.peakResidentBytes = ProcessStatistics.peakResidentBytes
    let (plan, graph) = (made.attempt.found.plan, network.float.graph)
    return ConversionOutcome(
      report: report, package: package, verifiedOn: network.images.verifiedOn,
      foldingDifference: network.foldingDifference, foldingNotes: network.foldingNotes,
      equalization: network.equalization, coarsening: network.levels.coarsening,
      widened: plan.makersOfWideValues(in: graph).map(\.name), keptFloat: KeptFloat.layers(of: plan, in: graph))
  }

  // MARK: - Attempts

  /// The first plan whose network keeps its gates, or the one with the least mean drift.
  private func bestAttempt(
    _ network: QuantizedNetwork, _ metadata: PackageMetadata, start: ContinuousClock.Instant
  ) throws -> VerifiedPackage {
    let deadline = options.timeBudget.map { start + .seconds($0) }
    let sample = SearchSample(network, options)
    var first = FoundPlan(network.givenPlan ?? network.plan)
    first.isCutShort = network.isCutShort
    let attempt = try verified(network, first, metadata)
    guard options.effort != .fast, network.givenPlan == nil else { return attempt }
    return try AttemptPolicy(
      attempt: { try verified(network, $0, metadata) }, search: { try sample.search(deadline: deadline) },
      searching: { search in try clock.stage("widen", total: nil) { try search() } },
      advance: { progress.advance() }
    ).best(from: attempt)
  }

  /// Writes a network and verifies it as it lies on disk.
  private func verified(
    _ network: QuantizedNetwork, _ found: FoundPlan, _ metadata: PackageMetadata
  ) throws -> VerifiedPackage {
    let images = network.images
    let package = Package(
      graph: try network.lowered(found.plan).graph, info: network.info, labels: images.labels.names,
      metadata: try metadata.json())
    let file = try AtomicFile(path: options.output)
    _ = try clock.stage("write") { try PackageWriter.write(package, to: file, threads: options.threads) }
    guard let path = file.temporaryPath else {
      throw ConversionError.option(
        "\(options.output): is no regular file, so that what is written could not be verified")
    }
    let measurements = try clock.stage("verify", total: images.verification.count * network.sizes.count) {
      let int8 = try ModelFile.openPackage(path).executable(threads: options.threads)
      return try network.sizes.map { size in
        let (figures, skipped) = try Verifier(job: job, resolution: size.resolution).compare(
          network.float, int8, on: images.verification, known: size.referenceOutputs, labels: images.labels,
          stoppingBy: options.stoppingGates, progress: progress)
        return SizeMeasurement(resolution: size.resolution, figures: figures, skipped: skipped)
      }
    }
    return VerifiedPackage(file: file, path: path, found: found, measurements: measurements, gates: options.gates)
  }

  /// The finished package: the one that was verified, with what was found in it.
  private func seal(
    _ written: String, _ metadata: PackageMetadata, _ report: FidelityReport
  ) throws -> PackageSummary {
    var metadata = metadata
    metadata.fidelity = report.deterministicPart
    return try PackageWriter.write(
      try PackageReader.opening(written), metadata: try metadata.json(), to: options.output,
      threads: options.threads)
  }

  // MARK: - Records

  private func calibrationRecord(_ network: QuantizedNetwork) -> [String: JSONValue] {
    let record: [String: JSONValue] = [
      "images": .int(network.images.calibration.count - network.skippedCount),
      "forward_passes": .int(network.calibration.passes), "skipped_images": .int(network.skippedCount),
      "repetitions": .int(options.repetitions),
      "augmentation": .string(options.recipe.rawValue), "seed": .string(String(options.seed)),
      "range_method": .string(options.rangeMethod.name), "rounding": .string(options.rounding.rawValue),
      "equalized_channels": .int(network.equalization?.scales.channelCount ?? 0),
      "equalization_passes": .int(network.equalization?.passes ?? 0),
      "folder": .string(network.record.calibration.name), "sha256": .string(network.record.calibration.sha256),
    ].merging(network.levels.coarsening.settings) { $1 }
    guard network.sizes.count > 1 else { return record }
    return record.merging([
      "sizes": .array(network.sizes.map { .int($0.resolution.evaluation.size) }),
      "crop": .string(options.evaluation.crop.rawValue),
    ]) { $1 }
  }
}

extension FidelityReport {
  /// Says what the network was made of, and what is to be known of it.
  fileprivate mutating func describe(_ network: QuantizedNetwork) {
    toolVersion = ToolVersion.current
    (calibration, verification) = (network.record.calibration, network.record.verification)
    (assumptions, notes, warnings) = (network.assumptions, network.notes, network.warnings)
  }
}

extension Coarsening {
  /// For records.
  var settings: [String: JSONValue] {
    [
      "coarser_weights_percent": .number((share * 1e4).rounded() / 100),
      "coarser_bits_per_weight": .number((bitsPerWeight * 1e3).rounded() / 1e3),
    ]
  }
}

extension Graph {
  /// The values in a row of an output; 0 where the graph has no such output.
  func width(ofOutput name: String, _ shapes: [Shape?]) -> Int {
    output(named: name).flatMap { shapes[$0.index]?.channels } ?? 0
  }
}

extension PackageInfo {
  /// What a package of `graph` says of its use.
  ///
  /// - Parameters:
  ///   - graph: with the exponent of the first size.
  ///   - resolutions: at least one.
  init(_ graph: Graph, for resolutions: [Resolution]) throws(GraphError) {
    let side = resolutions[0].side
    let shapes = try graph.inferShapes(input: [1, side, side, 3])
    self.init(
      resolutions: resolutions, classCount: graph.width(ofOutput: GraphOutput.logits, shapes),
      embeddingDimension: graph.width(ofOutput: GraphOutput.normalizedEmbedding, shapes))
  }
}

extension BrokenImages {
  /// For reports: names below the folder, so that a report does not depend on where the folder lies.
  func skippedImages(of files: [ImageFolder.File]) -> [FidelityReport.SkippedImage] {
    let names = Dictionary(files.map { ($0.path, $0.relativePath) }, uniquingKeysWith: { first, _ in first })
    return entries.map { FidelityReport.SkippedImage(name: names[$0.path] ?? $0.path, reason: "\($0.error)") }
  }
}
