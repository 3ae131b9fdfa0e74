import Fidelity
import Files
import Graphs
import Images
import Inference
import Kernels
import PackageFormat
import Pixels
import PrintableText
import Quantization
import Runtime
import Search
import Tensors

/// The result of a conversion.
package struct ConversionOutcome: Sendable {
  /// The fidelity of the package or the plan.
  package let report: FidelityReport
  /// The package that was written; `nil` where only a plan was made.
  package let package: PackageSummary?
  /// A description of the images that fidelity was measured on, such as "60 images of the verification folder".
  package let verifiedOn: String
  /// The largest difference that folding made to an output, relative to the output's largest magnitude.
  package let foldingDifference: Float
  /// The rewrites that folding made, one line each.
  package let foldingNotes: [String]
  /// The equalisation of channels; `nil` without it.
  package let equalization: Equalization?
  /// How much coarser the plan's steps make the weights.
  package let coarsening: Coarsening
  /// The names of the layers that read 16 bits of their input, in order of execution.
  package let layersWith16BitInputs: [String]
  /// The layers with weights that compute in float, in order of execution.
  package let keptFloat: [KeptFloat]
}

/// Converts a checkpoint to a package, and verifies the package as it is stored on disk.
package struct Converter {
  private let options: ConversionOptions
  private let progress: any ProgressObserver
  private let clock: StageClock
  private var job: ImageJob { ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages) }

  /// - Parameter progress: an observer of the stages.
  package init(_ options: ConversionOptions, progress: any ProgressObserver = SilentProgress()) {
    self.init(options, progress, StageClock(progress: progress))
  }

  private init(_ options: ConversionOptions, _ progress: any ProgressObserver, _ clock: StageClock) {
    (self.options, self.progress, self.clock) = (options, progress, clock)
  }

  /// Runs all stages. The package appears under its name only when everything is done. Where a gate fails, the package
  /// is still written, with the failure in its metadata.
  ///
  /// - Throws: `ConversionError` for options that do not fit, for images and weights that cannot be used, and for
  ///   rewrites that change the network; `ReferenceMismatch` where the float network does not match its framework;
  ///   `PlanError` and `StageStoreError` for a plan file and a resume folder that cannot be used; the errors of the
  ///   modules that read, run and write (`CheckpointError`, `ImportError`, `ImageError`, `GraphError`, `FileError`,
  ///   `FidelityError`, `LinearAlgebraError`, `PackageError`).
  package func run() throws -> ConversionOutcome {
    try withNetwork(readsBack: true) { converter, network, start in
      try converter.convert(network, start: start)
    }
  }

  /// Runs all stages, and writes the plan of the package to `output` instead of the package.
  ///
  /// - Throws: the errors of `run`.
  package func makePlan() throws -> ConversionOutcome {
    try withNetwork(readsBack: false) { converter, network, start in
      if network.isStored {
        throw ConversionError.option("\(options.checkpoint) is quantised already, so that there is nothing to plan")
      }
      let result = try converter.carriedOut(network, start: start)
      defer { result.attempt.discard() }
      try AtomicFile.write(printableJSON(try result.plan.json()), to: options.output)
      return converter.outcome(network, result, try converter.report(network, result), package: nil)
    }
  }

  /// Runs the stages up to a network with rounded weights, and then `body`.
  ///
  /// - Parameter readsBack: whether the output is read back before it gets its name.
  private func withNetwork<Result>(
    readsBack: Bool, _ body: (Converter, QuantizedNetwork, ContinuousClock.Instant) throws -> Result
  ) throws -> Result {
    // A missing folder or permission should make the conversion fail before any work is done.
    let start = ContinuousClock.now
    if options.stopsWhenDecided == true { try options.gates.checkStopping() }
    let calibration = try ImageFolder(path: options.calibrationFolder, progress: progress)
    // Held until the end, so that the path stays reserved.
    let reserved = try AtomicFile(path: options.output)
    defer { reserved.discard() }
    guard !readsBack || reserved.temporaryPath != nil else { throw FileError.cannotReadBack(path: options.output) }
    var source = try ConversionSource(options, clock)
    try source.chooseExponents(calibration, clock, progress)
    try source.whiten(clock, progress)
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
    let record = calibrationRecord(network)
    let images = network.record.calibrated.keys
    var metadata = PackageMetadata(source: network.reference, calibration: record, images: images, fidelity: nil)
    let attempt = try bestAttempt(network, metadata, start: start)
    guard attempt.measurements.allSatisfy({ $0.figures.images > 0 }) else {
      throw ConversionError.noUsableImages(folder: network.images.verificationFolder)
    }
    // The hash of a plan that is carried out unchanged is its own.
    let plan = PlanFile(
      attempt.found.plan, rounded: network.plan, of: network.planned, calibration: network.calibrationRecord ?? record,
      images: images, isCutShort: attempt.found.isCutShort)
    metadata.planSHA256 = try plan.decisionsSHA256()
    try network.store?.write(plan)
    return CarriedOut(attempt: attempt, metadata: metadata, plan: plan)
  }

  private func convert(_ network: QuantizedNetwork, start: ContinuousClock.Instant) throws -> ConversionOutcome {
    let result = try carriedOut(network, start: start)
    var (report, layout) = try finished(network, result)
    try clock.stage("seal") { try SealedPackage.write(layout, to: options.output) }
    result.attempt.discard()
    let summary = layout.summary
    report.setPackage(
      .init(path: options.output, bytes: summary.byteCount, sha256: summary.sha256.hex), maxBytes: options.maxBytes)
    var build = PackageBuild(
      planSHA256: result.metadata.planSHA256, embeddingDimension: network.info.embeddingDimension,
      classCount: network.info.classCount)
    build.roundingImages = network.record.rounding
    (build.licenseExpression, build.licenseText) = (options.license?.expression, options.license?.text)
    report.build = build
    return outcome(network, result, report, package: summary)
  }

  /// The report on a package, and its bytes: the package that was verified, with its self-test, and the report in its
  /// metadata.
  private func finished(
    _ network: QuantizedNetwork, _ result: CarriedOut
  ) throws -> (FidelityReport, PackageLayout) {
    var report = try report(network, result)
    let reader = try PackageReader.opening(result.attempt.path)
    let selfTest = try clock.stage("self-test") { try makeSelfTest(of: reader) }
    report.contentHash = reader.contentHash.hex
    var metadata = result.metadata
    metadata.fidelity = report.deterministicPart
    let layout = try clock.stage("seal") {
      try PackageWriter.layout(of: reader, metadata: try metadata.json(), selfTest: selfTest, threads: options.threads)
    }
    return (report, layout)
  }

  /// A conversion whose package was measured, but not written.
  struct Rehearsal {
    /// The fidelity of the package, which has no path.
    let report: FidelityReport
    /// The width and height of the images that inference was timed with, in pixels.
    let side: Int
    /// The time of the fastest run of inference, in milliseconds per image.
    let milliseconds: Double
    /// The time of the conversion, without that of timing inference.
    let seconds: Double
    /// The network before it was quantised; `nil` where it was not to be timed.
    let float: EffortReport.FloatNetwork?
  }

  /// Runs all stages without writing the package, and times inference.
  ///
  /// - Parameters:
  ///   - runs: how many runs of inference to time.
  ///   - timesFloat: whether to time the float network, too.
  /// - Throws: the errors of `run`.
  func rehearse(runs: Int, timesFloat: Bool) throws -> Rehearsal {
    try withNetwork(readsBack: true) { converter, network, start in
      let result = try converter.carriedOut(network, start: start)
      defer { result.attempt.discard() }
      var (report, layout) = try converter.finished(network, result)
      let seconds = (ContinuousClock.now - start).seconds
      report.setPackage(
        .init(path: "", bytes: layout.summary.byteCount, sha256: layout.summary.sha256.hex), maxBytes: options.maxBytes)
      let side = converter.options.evaluation.size
      func milliseconds(_ executable: Executable) throws -> Double {
        try Benchmark(executable: executable, side: side, batch: 1, threads: options.threads)
          .run(count: runs, progress: progress).minimum
      }
      let packed = try ModelFile.openPackage(result.attempt.path).executable(threads: options.threads)
      return Rehearsal(
        report: report, side: side,
        milliseconds: try milliseconds(packed), seconds: seconds,
        float: timesFloat
          ? EffortReport.FloatNetwork(
            bytes: network.float.graph.constantByteCount,
            milliseconds: try milliseconds(try network.float.executable())) : nil)
    }
  }

  private func report(_ network: QuantizedNetwork, _ result: CarriedOut) throws -> FidelityReport {
    let measurements = result.attempt.measurements
    let verification = network.record.verification(measurements)
    let settings = network.settings(options, verified: verification)
      .merging(result.attempt.settings(network.planned)) { $1 }
      .merging(network.levels.coarsening.settings) { $1 }
    var report = FidelityReport(
      measurements, gates: options.gates, verified: network.images.verification, reference: network.reference,
      settings: settings)
    report.describe(network)
    report.setVerification(verification)
    report.referenceCheck = network.referenceCheck
    let costs = try CostTable(network.planned, imageSize: options.evaluation.size)
    report.inference = result.attempt.inference(
      network.planned, costs, floatBytes: network.float.graph.constantByteCount)
    if result.attempt.failsMainlyByNearTies, options.effort != .fast { report.notes.append(Self.nearTies) }
    return report
  }

  private static let nearTies =
    "top-1 agreement fails because of near ties: images whose two highest float logits are so close that a network "
    + "within tolerance may swap them. It would pass without them, so that no layer was kept in float to improve it, "
    + "and, where all images that disagree are near ties, no input was read as 16 bits; --effort thorough does that, "
    + "and --min-decisive-agreement with a lower --min-agreement gates the images that are not near ties"

  private func outcome(
    _ network: QuantizedNetwork, _ result: CarriedOut, _ report: FidelityReport, package: PackageSummary?
  ) -> ConversionOutcome {
    var report = report
    report.seconds = clock.seconds
    report.peakResidentBytes = ProcessStatistics.peakResidentBytes
    let (plan, graph) = (result.attempt.found.plan, network.planned)
    return ConversionOutcome(
      report: report, package: package,
      verifiedOn: report.verification.map { network.images.description(of: $0) } ?? network.images.verifiedOn,
      foldingDifference: network.foldingDifference, foldingNotes: network.foldingNotes,
      equalization: network.equalization, coarsening: network.levels.coarsening,
      layersWith16BitInputs: graph.nodes.map(\.name).filter { plan.layers[$0]?.arithmetic == .int8WideInput },
      keptFloat: KeptFloat.layers(of: plan, in: graph))
  }

  // MARK: - Attempts

  /// The cheapest attempt found that passes its gates, or the one with the smallest mean drift.
  private func bestAttempt(
    _ network: QuantizedNetwork, _ metadata: PackageMetadata, start: ContinuousClock.Instant
  ) throws -> VerifiedPackage {
    // A duration cannot have 2^63 seconds, and 30 years are no bound.
    let deadline = options.timeBudget.map { start + .seconds(min($0, 1e9)) }
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

  /// Writes a package to a temporary file and verifies it as it is stored there.
  private func verified(
    _ network: QuantizedNetwork, _ found: FoundPlan, _ metadata: PackageMetadata
  ) throws -> VerifiedPackage {
    let images = network.images
    let package = Package(
      graph: try network.lowered(found.plan).graph, info: network.info, labels: images.labels.names,
      license: options.license, metadata: try metadata.json())
    let file = try AtomicFile(path: options.output)
    _ = try clock.stage("write") { try PackageWriter.write(package, to: file, threads: options.threads) }
    guard let path = file.temporaryPath else {
      throw ConversionError.option(
        "\(options.output): not a regular file, so that the package written to it cannot be read back and verified")
    }
    let measurements = try clock.stage("verify", total: images.verification.count * network.sizes.count) {
      let int8 = try ModelFile.openPackage(path).executable(threads: options.threads)
      return try network.sizes.map { size in
        var verifier = Verifier(job: job, resolution: size.resolution)
        (verifier.comparesNeighbors, verifier.decisionRule) = (true, options.decisionRule)
        return SizeMeasurement(
          size.resolution,
          try verifier.compare(
            network.float, int8, on: images.verification, cached: size.referenceOutputs, labels: images.labels,
            stoppingBy: options.stoppingGates, progress: progress))
      }
    }
    return VerifiedPackage(file: file, path: path, found: found, measurements: measurements, gates: options.gates)
  }

  /// What the package computes for synthetic images, where other kernels agree with those that verified it.
  private func makeSelfTest(of reader: PackageReader) throws -> SelfTestRecord {
    let network = try PackagedNetwork(reader)
    let record = try SelfTestRecord(
      of: try network.executable(threads: options.threads), standardSide: reader.info.standard.side)
    let others = KernelSet(features: KernelTier.mostDifferent.features)
    let result = try record.result(
      for: try network.executable(kernels: others, threads: options.threads), threads: options.threads)
    guard result.differences.isEmpty else { throw ConversionError.kernelsDisagree(layers: result.suspects) }
    return record
  }

  // MARK: - Records

  private func calibrationRecord(_ network: QuantizedNetwork) -> [String: JSONValue] {
    if let given = network.calibrationRecord {
      // The weights may be others than those that the plan was made for.
      return network.isStored
        ? given
        : given.merging(["rounding": .string(options.rounding.rawValue)]) { $1 }
          .merging(network.levels.coarsening.settings) { $1 }
    }
    let record: [String: JSONValue] = [
      "images": .int(network.record.calibration.images),
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
  /// Adds the origin of the network, and the remarks on it.
  fileprivate mutating func describe(_ network: QuantizedNetwork) {
    toolVersion = ToolVersion.current
    calibration = network.isStored ? nil : network.record.calibration
    (assumptions, notes, warnings) = (network.assumptions, network.notes, network.warnings)
  }
}

extension Coarsening {
  /// The figures for the settings of reports and the calibration record of packages.
  var settings: [String: JSONValue] {
    [
      "coarser_weights_percent": .number((share * 1e4).rounded() / 100),
      "coarser_bits_per_weight": .number((bitsPerWeight * 1e3).rounded() / 1e3),
    ]
  }
}

extension Graph {
  /// The number of values of an output for one image; 0 where the graph has no such output.
  func width(ofOutput name: String, _ shapes: [Shape?]) -> Int {
    output(named: name).flatMap { shapes[$0.index]?.channels } ?? 0
  }
}

extension PackageInfo {
  /// The description of a package of `graph`.
  ///
  /// - Parameters:
  ///   - graph: the network, with the exponent of the first size.
  ///   - resolutions: the sizes that it serves, at least one.
  init(_ graph: Graph, for resolutions: [Resolution]) throws(GraphError) {
    let side = resolutions[0].side
    let shapes = try graph.inferShapes(input: [1, side, side, 3])
    self.init(
      resolutions: resolutions, classCount: graph.width(ofOutput: GraphOutput.logits, shapes),
      embeddingDimension: graph.width(ofOutput: GraphOutput.normalizedEmbedding, shapes))
  }
}

extension BrokenImages {
  /// The images as reports list them: with names relative to the folder, so that a report does not depend on its path.
  func skippedImages(of files: [ImageFolder.File]) -> [FidelityReport.SkippedImage] {
    let names = Dictionary(
      files.map { (ExactName($0.path), $0.relativePath) }, uniquingKeysWith: { first, _ in first })
    return entries.map {
      FidelityReport.SkippedImage(name: names[ExactName($0.path)] ?? $0.path, reason: "\($0.error)")
    }
  }
}
