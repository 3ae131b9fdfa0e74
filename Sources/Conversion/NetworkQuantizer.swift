import Calibration
import Fidelity
import Files
import Graphs
import Images
import Inference
import Kernels
import PackageFormat
import Passes
import Pixels
import Quantization
import Rounding
import Runtime

/// A network quantised in memory, with the results of all stages.
struct QuantizedNetwork {
  let info: PackageInfo
  /// The sizes that the package is to serve, at least one, with its default first.
  let sizes: [ServedSize]
  let reference: FidelityReport.Reference
  /// The comparison of the float network with its framework, which passed; `nil` where there were no outputs to compare
  /// with.
  let referenceCheck: ReferenceCheck?
  let images: ImageSelection
  /// The images as reports describe them.
  let record: ImageRecord
  /// The assumptions that reading the checkpoint made, one sentence each.
  let assumptions: [String]
  /// What reading the checkpoint recognised, one sentence each.
  let notes: [String]
  /// What casts doubt on the figures, one sentence each.
  let warnings: [String]
  let foldingDifference: Float
  let foldingNotes: [String]
  let equalization: Equalization?
  /// The float network, folded and, where requested, equalised: the reference that packages are compared with.
  let float: FloatNetwork
  /// The graph that plans are for: that of `float`, unless the file states the quantisation.
  let planned: Graph
  /// The statistics of calibration, in as many parts as were requested.
  let statistics: [ActivationStatistics]
  /// The sum of all parts of `statistics`.
  let calibration: ActivationStatistics
  /// The calibration record of the plan file, where the plan made calibration unnecessary.
  let calibrationRecord: [String: JSONValue]?
  /// How many calibration images were left out.
  let skippedCount: Int
  /// The plan that weights were rounded by; a search edits it.
  let plan: QuantizationPlan
  /// The plan to carry out without a search; `nil` where none was given.
  let givenPlan: QuantizationPlan?
  /// Whether the search that `givenPlan` came from was cut short.
  let isCutShort: Bool
  /// The levels of all layers that the plan computes with int8 weights.
  let levels: WeightLevels
  /// The folder where finished stages are stored; `nil`: none.
  let store: StageStore?
  /// What the file states of its quantisation; `nil` for a network in float.
  var quantization: StoredQuantization?

  /// Whether the file of the network states its quantisation.
  var isStored: Bool { quantization != nil }

  var firstSize: ServedSize { sizes[0] }

  /// The options that influenced the result, and the images that were used, for reports.
  ///
  /// - Parameter verified: the images that the network was verified on.
  func settings(_ options: ConversionOptions, verified: VerificationSet) -> [String: JSONValue] {
    var settings = options.settings(images, isStored: isStored)
    settings["verified_on"] = .string(images.description(of: verified))
    if !isStored { settings["calibration_images"] = .int(record.calibration.images) }
    return settings
  }
}

extension QuantizedNetwork {
  /// The quantised graph of another plan, with the same levels.
  func lowered(_ plan: QuantizationPlan) throws(GraphError) -> LoweredGraph {
    try Lowering.lower(planned, plan: plan, levels: levels)
  }
}

/// The stages from a checkpoint to a quantised graph.
struct NetworkQuantizer {
  let options: ConversionOptions
  let progress: any ProgressObserver
  let clock: StageClock
  /// The number of parts of the calibration's statistics (see `CalibrationPasses`).
  private let calibrationParts: Int
  private let cache: ImageCache?

  /// - Parameters:
  ///   - calibrationParts: the number of parts of the calibration's statistics (see `CalibrationPasses`).
  ///   - cache: decoded images, shared by the stages.
  init(
    _ options: ConversionOptions, progress: any ProgressObserver, clock: StageClock, calibrationParts: Int = 1,
    cache: ImageCache? = nil
  ) {
    self.options = options
    self.progress = progress
    self.clock = clock
    self.calibrationParts = calibrationParts
    self.cache = cache
  }

  /// Folds, checks, equalises and calibrates the network, plans its quantisation, and rounds its weights.
  ///
  /// - Parameters:
  ///   - source: the checkpoint that `options` names.
  ///   - calibration: the calibration folder that `options` names.
  /// - Throws: the errors of the stages (see `Converter.run`).
  func run(_ source: ConversionSource, _ calibration: ImageFolder) throws -> QuantizedNetwork {
    if let stored = source.imported.network.quantization { return try storedNetwork(source, stored, calibration) }
    guard options.calibrates else {
      throw ConversionError.option(
        "--calibration is needed: \(options.checkpoint) is a network in float, which is quantised by images")
    }
    var imported = source.imported
    progress.state(imported.network.assumptions)
    let resolutions = try resolutions(servedBy: &imported.graph)
    let info = try PackageInfo(imported.graph, for: resolutions)
    let images = try ImageSelection(
      options, calibration: calibration, try classNames(imported, count: info.classCount), progress: progress)
    try checkPasses(images.calibration.count, sizes: resolutions.count)
    try options.decisionRule?.checkClasses(images.verification.map(\.label), of: images.verificationFolder)
    var record = try ImageRecord(images, calibrationFolder: calibration.path, threads: options.threads)

    var folded = try clock.stage("fold") {
      try Folding(imported, probe: try probe(imported.graph, images.calibration), threads: options.threads)
    }
    let (check, checkWarnings) = try referenceCheck(
      of: folded.network, imported, source.digest, resolutions, calibration, images)
    let keptFloat = try KeptFloat.layers(matching: options.keptFloat, in: folded.network.graph)
    let augmentations = resolutions.map(options.augmentation)
    let sizes = resolutions.map {
      ServedSize($0, of: resolutions.count, exponent: imported.graph.poolingExponent)
    }
    let given = try options.plan.map { try GivenPlan($0, for: folded.network.graph) }
    let store = try options.resumeFolder.map { path in
      try StageStore(path, conversion: identity(source.digest, images, record))
    }
    let stored = try store?.calibrated(folded.network.graph, imageSize: options.evaluation.size)
    let equalization = try equalized(&folded, given, stored, images.calibration, augmentations, sizes)
    imported.checkpoint.releasePages()
    let float = folded.network

    let isCalibrated = given?.isComplete != true
    let (calibrated, parts) = try calibrated(
      float, images.calibration, sizes, equalization, stored, isNeeded: isCalibrated)
    let statistics = calibrated.statistics
    try checkFinite(statistics, float.graph)
    if stored == nil { try store?.write(calibrated, float.graph) }
    record.finish(
      skippedCount: isCalibrated ? calibrated.skippedCount : nil, plan: options.plan,
      roundsByImages: options.rounding != .nearest)
    let planned = try Planning(options: options, clock: clock).plans(
      float.graph, statistics, keptFloat: keptFloat, given, equalization?.scales
    ) {
      // Networks with some outputs quantised need the memory of the packed weights.
      defer { float.unload() }
      return try IsolatedDrift(
        try float.executable(), sample(images.calibration, DominantRounding.imageLimit), threads: options.threads)
    }
    float.unload()  // rounding needs its memory
    let (steps, levels) = try rounded(
      float.graph, planned, info, images, augmentations, record, skippedCount: calibrated.skippedCount, store)
    var plan = planned.rounded
    plan.weightSteps = steps
    var final = planned.final
    final?.weightSteps = steps
    let storedPlan = try store?.plan()
    if let storedPlan { final = try GivenPlan(storedPlan, for: float.graph).final(plan) }
    return QuantizedNetwork(
      info: info, sizes: sizes, reference: reference(imported, source.digest), referenceCheck: check, images: images,
      record: record,
      assumptions: imported.network.assumptions.map(\.description) + [images.labels.assumption].compactMap(\.self),
      notes: imported.network.notes + [images.labels.note, record.note].compactMap(\.self),
      warnings: source.warnings + images.labels.warnings + checkWarnings,
      foldingDifference: folded.difference,
      foldingNotes: folded.notes, equalization: equalization, float: float, planned: float.graph,
      statistics: parts,
      calibration: statistics, calibrationRecord: isCalibrated ? nil : given?.file.calibration,
      skippedCount: calibrated.skippedCount,
      plan: plan, givenPlan: final,
      isCutShort: (storedPlan ?? options.plan)?.timeBudgetReached ?? false, levels: levels, store: store)
  }

  // MARK: - Checks

  /// The sizes to serve, with the network's exponent where none is requested. The graph is left with the exponent of
  /// the first.
  ///
  /// - Throws: `ConversionError.option` where the network does not take images of a size, or an exponent is requested
  ///   where the embedding does not come from one pooling, `.wrongKind` where its shapes fit no size.
  func resolutions(servedBy graph: inout Graph) throws -> [Resolution] {
    let own = graph
    let exponent = own.poolingExponent
    let resolutions = options.resolutions.map {
      Resolution($0.evaluation, poolingExponent: $0.poolingExponent ?? exponent)
    }
    for resolution in resolutions.reversed() {
      try own.checkSize(resolution.side)
      graph = own
      if let exponent = resolution.poolingExponent { try graph.pool(by: exponent, side: resolution.side) }
    }
    return resolutions
  }

  /// Compares the float network with outputs of its framework, where there are any.
  ///
  /// - Returns: the comparison; and which test data was found but is not used, a sentence each.
  /// - Throws: `ReferenceMismatch` where they do not match.
  func referenceCheck(
    of network: FloatNetwork, _ imported: ImportedCheckpoint, _ digest: SHA256.Digest, _ resolutions: [Resolution],
    _ calibration: ImageFolder, _ images: ImageSelection
  ) throws -> (check: ReferenceCheck?, warnings: [String]) {
    let stage = ReferenceStage(
      options: options.referenceCheck, path: options.checkpoint, model: imported.checkpoint.network,
      normalization: imported.graph.preprocessing, channelOrder: options.model.channelOrder ?? .rgb,
      threads: options.threads)
    let (check, warnings) = try stage.run(
      network, resolutions, files: calibration.files + images.verification, progress: progress)
    guard let failed = check, !failed.passed else { return (check, warnings) }
    var report = FidelityReport(
      stoppedBy: failed, reference: reference(imported, digest), settings: options.settings(images))
    report.toolVersion = ToolVersion.current
    report.assumptions = imported.network.assumptions.map(\.description)
    report.notes = imported.network.notes
    report.warnings = warnings
    throw ReferenceMismatch(report: report)
  }

  /// The names of the classes: those that the options list, or else those of the checkpoint.
  ///
  /// - Throws: `ConversionError.wrongKind` where the list is not one of all classes.
  func classNames(_ imported: ImportedCheckpoint, count: Int) throws(ConversionError) -> ClassNames {
    try ClassNames(
      count, listed: options.classNames, stored: imported.checkpoint.classNames, of: "the checkpoint")
  }

  /// The image that folding is checked on: the first calibration image that can be read, in a size that is large enough
  /// for the network and small enough to be fast.
  func probe(_ graph: Graph, _ files: [ImageFolder.File]) throws -> RGBImage {
    let side = min(options.evaluation.size, graph.minSquareInput.map { max($0, 224) } ?? .max)
    let evaluation = try EvaluationProtocol(crop: .square, size: side)
    var broken = BrokenImages()
    for file in files {
      do { return try evaluation.apply(to: try LoadedImage(file).pixels) } catch {
        guard error.isOfImage else { throw error }
        broken.record(path: file.path, error: error)
      }
    }
    throw ConversionError.noUsableImages(folder: options.calibrationFolder, broken)
  }

  /// Some of the images, as they are evaluated at the first size, without those that cannot be read.
  private func sample(_ files: [ImageFolder.File], _ limit: Int) throws -> [RGBImage] {
    try files.spread(limit).compactMap { try options.evaluation.input($0, cache: cache) }
  }

  private func checkPasses(_ images: Int, sizes: Int) throws {
    guard options.recipe != .none, images * options.repetitions < sizes else { return }
    throw ConversionError.option(
      "too few passes over calibration images for \(sizes) sizes; give more images or more --repetitions")
  }

  private func checkFinite(_ statistics: ActivationStatistics, _ graph: Graph) throws {
    for node in graph.nodes {
      guard let histogram = statistics.histograms[node.output], histogram.nonFiniteCount > 0 else { continue }
      throw ConversionError.notFinite(
        "\(options.checkpoint): node '\(node.name)' computes \(histogram.nonFiniteCount) values that are not finite on "
          + "the calibration images; the weights before it are too large or damaged")
    }
  }

  // MARK: - Stages

  /// Everything that the results of this conversion's stages depend on, by name.
  private func identity(_ digest: SHA256.Digest, _ images: ImageSelection, _ record: ImageRecord) -> [String: String] {
    options.identity(images).merging([
      "tool version": ToolVersion.current, "checkpoint": digest.hex, "calibration images": record.calibration.sha256,
      "verification images": record.verificationSHA256,
    ]) { $1 }
  }

  /// Equalises the network with stored scales, or those of a plan file, or else, where the options say so, with scales
  /// measured on calibration images.
  private func equalized(
    _ folded: inout Folding, _ given: GivenPlan?, _ stored: StageStore.Calibrated?, _ files: [ImageFolder.File],
    _ augmentations: [Augmentation], _ sizes: [ServedSize]
  ) throws -> Equalization? {
    if let stored {
      guard let scales = stored.scales else { return nil }
      return try clock.stage("equalize") {
        try Equalization(
          applying: scales, passes: stored.equalizationPasses, to: &folded, threads: options.threads)
      }
    }
    if let scales = try given?.scales(imageSize: options.evaluation.size) {
      guard scales.channelCount > 0 else { return nil }
      return try clock.stage("equalize") { try Equalization(applying: scales, to: &folded, threads: options.threads) }
    }
    guard options.equalizesChannels else { return nil }
    return try clock.stage("equalize") {
      try Equalization(&folded, files, augmentations, threads: options.threads, cache: cache) { file, image, outputs in
        if sizes.count == 1 { sizes[0].keep(outputs, of: image, path: file.path) }
      }
    }
  }

  /// Counts the activations of the equalised network, unless they are stored or nothing needs them.
  ///
  /// - Returns: the result of the stage as it is stored, and its statistics in parts.
  private func calibrated(
    _ float: FloatNetwork, _ files: [ImageFolder.File], _ sizes: [ServedSize], _ equalization: Equalization?,
    _ stored: StageStore.Calibrated?, isNeeded: Bool
  ) throws -> (StageStore.Calibrated, parts: [ActivationStatistics]) {
    if let stored { return (stored, [stored.statistics]) }
    var (parts, skipped) = ([ActivationStatistics()], BrokenImages())
    if isNeeded {
      (parts, skipped) = try clock.stage("calibrate", total: files.count) {
        try CalibrationPasses(options, parts: calibrationParts, progress: progress, cache: cache).run(
          try float.executable(), files, sizes, equalization)
      }
    }
    let calibrated = StageStore.Calibrated(
      scales: equalization?.scales, equalizationPasses: equalization?.passes ?? 0,
      statistics: parts.reduce(into: ActivationStatistics()) { $0.merge($1) }, skippedCount: skipped.count)
    return (calibrated, parts)
  }

  /// The steps and the levels of all weights: those stored, or else by rounding, which are then stored.
  private func rounded(
    _ float: Graph, _ planned: Planning.Plans, _ info: PackageInfo, _ images: ImageSelection,
    _ augmentations: [Augmentation], _ record: ImageRecord, skippedCount: Int, _ store: StageStore?
  ) throws -> (WeightSteps, WeightLevels) {
    if let stored = try store?.levels(float) { return stored }
    let files = images.calibration
    let rounding = WeightRounding(
      options: options, progress: progress, clock: clock, files: files, augmentations: augmentations, cache: cache)
    let reserve = WeightRounding.reserve(
      sizes: augmentations.count, skipped: skippedCount, images: record.keyCount)
    let (steps, levels) = try rounding.levels(float, planned, reserve: reserve) { graph in
      try PackageWriter.byteCount(
        of: Package(graph: graph, info: info, labels: images.labels.names, license: options.license),
        threads: options.threads)
    }
    try store?.write(levels, steps, float)
    return (steps, levels)
  }

  func reference(_ imported: ImportedCheckpoint, _ digest: SHA256.Digest) -> FidelityReport.Reference {
    FidelityReport.Reference(
      path: options.checkpoint, sha256: digest.hex, format: imported.checkpoint.format.rawValue,
      architecture: imported.graph.architecture)
  }
}
