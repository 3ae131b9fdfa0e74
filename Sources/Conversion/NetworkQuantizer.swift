import Calibration
import Fidelity
import Files
import Graphs
import Images
import Inference
import Kernels
import PackageFormat
import Passes
import Quantization
import Rounding
import Runtime

/// A network quantised in memory, and all that was learned on the way.
struct QuantizedNetwork {
  let info: PackageInfo
  /// What the package is to serve, at least one, the first first.
  let sizes: [ServedSize]
  let reference: FidelityReport.Reference
  /// The float network held to its framework, which it passed; `nil` where there was nothing to hold it to.
  let referenceCheck: ReferenceCheck?
  let images: ImageSelection
  /// The images, as reports describe them.
  let record: ImageRecord
  /// What reading the checkpoint took for granted, and what it recognised, in sentences.
  let assumptions: [String]
  let notes: [String]
  /// What puts figures in doubt, in sentences.
  let warnings: [String]
  let foldingDifference: Float
  let foldingNotes: [String]
  let equalization: Equalization?
  /// Folded and, where that was asked for, equalised: what packages are held against.
  let float: FloatNetwork
  /// What calibration saw, in the parts that were asked for.
  let statistics: [ActivationStatistics]
  /// The same, all parts together.
  let calibration: ActivationStatistics
  /// What the plan file says of calibration, where none was run for its sake.
  let calibrationRecord: [String: JSONValue]?
  /// How many calibration images were left out.
  let skippedCount: Int
  /// By which weights were rounded; a search edits it.
  let plan: QuantizationPlan
  /// The plan that is to be carried out, and not searched for; `nil` where none was given.
  let givenPlan: QuantizationPlan?
  /// Whether the search that `givenPlan` came from was cut short.
  let isCutShort: Bool
  /// Of all layers that the plan computes with int8 weights.
  let levels: WeightLevels
  /// Where finished stages are kept.
  let store: StageStore?

  var firstSize: ServedSize { sizes[0] }

  /// The names of verification images whose content is that of a calibration image, unless they are the same by intent.
  var overlap: [String] { images.verifiesOnCalibration ? [] : record.overlap }
}

extension QuantizedNetwork {
  /// The quantised graph that another plan describes, with the levels that were found.
  func lowered(_ plan: QuantizationPlan) throws(GraphError) -> LoweredGraph {
    try Lowering.lower(float.graph, plan: plan, levels: levels)
  }
}

/// The stages from a checkpoint to a quantised graph.
struct NetworkQuantizer {
  private let options: ConversionOptions
  private let progress: any ProgressObserver
  private let clock: StageClock
  /// Calibration image i is counted in part i modulo this; the parts together are the same whatever their number.
  private let calibrationParts: Int
  private let cache: ImageCache?

  /// - Parameter cache: of images that several stages look at.
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

  /// Folds, equalises, calibrates, plans, applies and rounds, as the options say.
  ///
  /// - Parameters:
  ///   - source: the checkpoint that `options` names, and which belongs to these options.
  ///   - calibration: the folder that `options` names.
  /// - Throws: the typed errors of the stages; `ConversionError` for what belongs to none.
  func run(_ source: ConversionSource, _ calibration: ImageFolder) throws -> QuantizedNetwork {
    var imported = source.imported
    progress.state(imported.network.assumptions)
    let exponent = imported.graph.poolingExponent
    let resolutions = options.resolutions.map {
      Resolution($0.evaluation, poolingExponent: $0.poolingExponent ?? exponent)
    }
    // The graph is left with the exponent of the first.
    for resolution in resolutions.reversed() {
      try imported.graph.checkSize(resolution.evaluation.size)
      if let exponent = resolution.poolingExponent { try imported.graph.pool(by: exponent) }
    }
    let info = try PackageInfo(imported.graph, for: resolutions)
    let images = try ImageSelection(
      options, calibration: calibration, classCount: info.classCount,
      classNames: imported.checkpoint.classNames, progress: progress)

    try checkPasses(images.calibration.count, sizes: resolutions.count)
    let record = ImageRecord(images, calibrationFolder: calibration.path, threads: options.threads)

    var folded = try clock.stage("fold") {
      try Folding(imported, probe: try probe(imported.graph, images.calibration), threads: options.threads)
    }
    let check = try referenceCheck(of: folded.network, imported, source.digest, resolutions, calibration, images)
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
    // Rounding needs the memory that its packed weights take.
    float.unload()
    try checkFinite(statistics, float.graph)
    if stored == nil { try store?.write(calibrated, float.graph) }
    let planned = try Planning(options: options, clock: clock).plans(
      float.graph, statistics, keptFloat: keptFloat, given, equalization?.scales)
    let storedLevels = try store?.levels(float.graph)
    let (steps, levels) =
      try storedLevels
      ?? rounded(
        float.graph, planned, files: images.calibration, augmentations, skippedCount: calibrated.skippedCount
      ) { graph in
        try PackageWriter.byteCount(
          of: Package(graph: graph, info: info, labels: images.labels.names), threads: options.threads)
      }
    if storedLevels == nil { try store?.write(levels, steps, float.graph) }
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
      notes: imported.network.notes + [images.labels.note].compactMap(\.self),
      warnings: source.warnings + [images.labels.warning].compactMap(\.self),
      foldingDifference: folded.difference,
      foldingNotes: folded.notes, equalization: equalization, float: float, statistics: parts,
      calibration: statistics, calibrationRecord: isCalibrated ? nil : given?.file.calibration,
      skippedCount: calibrated.skippedCount,
      plan: plan, givenPlan: final,
      isCutShort: (storedPlan ?? options.plan)?.timeBudgetReached ?? false, levels: levels, store: store)
  }

  // MARK: - Checks

  /// Holds the float network to its framework.
  ///
  /// - Throws: `ReferenceMismatch` where it does not match.
  private func referenceCheck(
    of network: FloatNetwork, _ imported: ImportedCheckpoint, _ digest: SHA256.Digest, _ resolutions: [Resolution],
    _ calibration: ImageFolder, _ images: ImageSelection
  ) throws -> ReferenceCheck? {
    let stage = ReferenceStage(
      options: options.referenceCheck, path: options.checkpoint, model: imported.checkpoint.network,
      normalization: imported.graph.preprocessing, channelOrder: options.model.channelOrder ?? .rgb,
      threads: options.threads)
    let check = try stage.run(
      network, resolutions, files: calibration.files + images.verification, progress: progress)
    guard let check, !check.passed else { return check }
    var report = FidelityReport(
      stoppedBy: check, reference: reference(imported, digest), settings: options.settings(images))
    report.toolVersion = ToolVersion.current
    report.assumptions = imported.network.assumptions.map(\.description)
    report.notes = imported.network.notes
    throw ReferenceMismatch(report: report)
  }

  /// What folding is proved on: the first calibration image that can be read, large enough for the network and small
  /// enough to be quick.
  private func probe(_ graph: Graph, _ files: [ImageFolder.File]) throws -> RGBImage {
    let side = min(options.evaluation.size, graph.leastSquareInput.map { max($0, 224) } ?? .max)
    let evaluation = try EvaluationProtocol(crop: .square, size: side)
    for file in files {
      if let pixels = try? ImageFile.decode(try ImageFile.read(file.path), path: file.path),
        let image = try? evaluation.apply(to: pixels)
      {
        return image
      }
    }
    throw ConversionError.noUsableImages(folder: options.calibrationFolder)
  }

  private func checkPasses(_ images: Int, sizes: Int) throws {
    guard options.recipe != .none, images * options.repetitions < sizes
    else {
      return
    }
    throw ConversionError.option(
      "too few passes over calibration images for \(sizes) sizes: give more images, or more --repetitions")
  }

  private func checkFinite(_ statistics: ActivationStatistics, _ graph: Graph) throws {
    for node in graph.nodes {
      guard let histogram = statistics.histograms[node.output], histogram.nonFiniteCount > 0 else { continue }
      throw ConversionError.notFinite(
        "\(options.checkpoint): node '\(node.name)' gives \(histogram.nonFiniteCount) values that are not finite on "
          + "the calibration images; the weights before it are too large, or damaged")
    }
  }

  // MARK: - Stages

  /// What makes this conversion.
  private func identity(_ digest: SHA256.Digest, _ images: ImageSelection, _ record: ImageRecord) -> [String: String] {
    options.identity(images).merging([
      "tool version": ToolVersion.current, "checkpoint": digest.hex, "calibration images": record.calibration.sha256,
      "verification images": record.verification.set.sha256,
    ]) { $1 }
  }

  /// Equalises the network by the scales of a plan, or those that were found before, or else by what it is seen to do, where
  /// options want that.
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
        if options.recipe == .none, sizes.count == 1 { sizes[0].keep(outputs, of: image, path: file.path) }
      }
    }
  }

  /// Counts the activations of the equalised network, unless that was done before, or nothing needs it.
  ///
  /// - Returns: what is kept of the stage, and what was counted by parts.
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

  /// The steps and the levels of all weights.
  ///
  /// - Parameter byteCount: of the package of a graph, except for metadata.
  private func rounded(
    _ float: Graph, _ planned: Planning.Plans, files: [ImageFolder.File], _ augmentations: [Augmentation],
    skippedCount: Int, byteCount: (Graph) throws -> Int
  ) throws -> (WeightSteps, WeightLevels) {
    let rounding = WeightRounding(
      options: options, progress: progress, clock: clock, files: files, augmentations: augmentations, cache: cache)
    let reserve = WeightRounding.reserve(
      sizes: augmentations.count, skipped: skippedCount, images: files.count)
    return try rounding.levels(float, planned, reserve: reserve, byteCount: byteCount)
  }

  private func reference(_ imported: ImportedCheckpoint, _ digest: SHA256.Digest) -> FidelityReport.Reference {
    FidelityReport.Reference(
      path: options.checkpoint, sha256: digest.hex, format: imported.checkpoint.format.rawValue,
      architecture: imported.graph.architecture)
  }
}
