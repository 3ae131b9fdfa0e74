import Calibration
import Fidelity
import Files
import Graphs
import Images
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
  /// Folded and, where that was asked for, equalised: what `quantized` is held against.
  let float: FloatNetwork
  /// What calibration saw, in the parts that were asked for.
  let statistics: [ActivationStatistics]
  /// The same, all parts together.
  let calibration: ActivationStatistics
  /// Calibration images that were left out.
  let skipped: BrokenImages
  var plan: QuantizationPlan
  /// Of all layers that the plan computes with int8 weights.
  var levels: WeightLevels
  /// The layers that were to be kept in float, in order of execution.
  let keptFloat: [KeptFloat]

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
  /// Leave weights that are to be rounded by learning at the nearest level, for whoever changes the graph first.
  private let leavesLearning: Bool

  init(
    _ options: ConversionOptions, progress: any ProgressObserver, clock: StageClock, calibrationParts: Int = 1,
    leavesLearning: Bool = false
  ) {
    self.options = options
    self.progress = progress
    self.clock = clock
    self.calibrationParts = calibrationParts
    self.leavesLearning = leavesLearning
  }

  /// Folds, equalises, calibrates, plans, applies and rounds, as the options say.
  ///
  /// - Parameters:
  ///   - source: the checkpoint that `options` names, and which belongs to these options.
  ///   - calibration: the folder that `options` names.
  /// - Throws: the typed errors of the stages; `PipelineError` for what belongs to none.
  func run(_ source: ConversionSource, _ calibration: ImageFolder) throws -> QuantizedNetwork {
    var imported = source.imported
    progress.state(imported.network.assumptions)
    let resolutions = try options.resolutions(poolingExponent: imported.graph.poolingExponent)
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
    let exponent = imported.graph.poolingExponent
    let sizes = resolutions.map { ServedSize($0, of: resolutions.count, exponent: exponent) }
    let equalization =
      options.equalizesChannels
      ? try clock.stage("equalize") {
        try Equalization(&folded, images.calibration, augmentations, threads: options.threads) { file, image, outputs in
          if options.recipe == .none, sizes.count == 1 { sizes[0].keep(outputs, of: image, path: file.path) }
        }
      } : nil
    imported.checkpoint.releasePages()
    let float = folded.network

    let (parts, skipped) = try clock.stage("calibrate", total: images.calibration.count) {
      try CalibrationPasses(options, parts: calibrationParts, progress: progress).run(
        try float.executable(), images.calibration, sizes, equalization)
    }
    let statistics = parts.reduce(into: ActivationStatistics()) { $0.merge($1) }
    // Rounding needs the memory that its packed weights take.
    float.unload()
    try checkFinite(statistics, float.graph)
    var plan = clock.stage("quantize") {
      QuantizationPlanner(rangeMethod: options.rangeMethod, threads: options.threads).plan(
        float.graph, statistics: statistics)
    }
    plan.rounding = options.rounding
    plan.keepFloat(
      Dictionary(keptFloat.map { ($0.name, $0.layer) }, uniquingKeysWith: { first, _ in first }), in: float.graph)
    let steps =
      options.maxBytes != nil || options.hidesWeightNoise
      ? WeightStepPlanner(
        float.graph, statistics: statistics, keepingFloat: Set(keptFloat.map(\.name)), threads: options.threads) : nil
    let levels = try levels(
      float.graph, &plan, steps, images.calibration, augmentations, skippedCount: skipped.count
    ) { graph in
      try PackageWriter.byteCount(
        of: Package(graph: graph, info: info, labels: images.labels.names), threads: options.threads)
    }
    return QuantizedNetwork(
      info: info, sizes: sizes, reference: reference(imported, source.digest), referenceCheck: check, images: images,
      record: record,
      assumptions: imported.network.assumptions.map(\.description) + [images.labels.assumption].compactMap(\.self),
      notes: imported.network.notes + [images.labels.note].compactMap(\.self),
      warnings: source.warnings + [images.labels.warning].compactMap(\.self),
      foldingDifference: folded.difference,
      foldingNotes: folded.notes, equalization: equalization, float: float, statistics: parts,
      calibration: statistics, skipped: skipped, plan: plan, levels: levels, keptFloat: keptFloat)
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
    throw PipelineError.noUsableImages(folder: options.calibrationFolder)
  }

  private func checkPasses(_ images: Int, sizes: Int) throws {
    guard options.recipe != .none, images * options.repetitions < sizes
    else {
      return
    }
    throw PipelineError.option(
      "too few passes over calibration images for \(sizes) sizes: give more images, or more --repetitions")
  }

  private func checkFinite(_ statistics: ActivationStatistics, _ graph: Graph) throws {
    for node in graph.nodes {
      guard let histogram = statistics.histograms[node.output], histogram.nonFiniteCount > 0 else { continue }
      throw PipelineError.notFinite(
        "\(options.checkpoint): node '\(node.name)' gives \(histogram.nonFiniteCount) values that are not finite on "
          + "the calibration images; the weights before it are too large, or damaged")
    }
  }

  // MARK: - Stages

  /// The levels of all weights by a plan, whose steps are decided here.
  ///
  /// - Parameter byteCount: of the package of a graph, except for metadata.
  private func levels(
    _ float: Graph, _ plan: inout QuantizationPlan, _ planner: WeightStepPlanner?, _ files: [ImageFolder.File],
    _ augmentations: [Augmentation], skippedCount: Int, byteCount: (Graph) throws -> Int
  ) throws -> WeightLevels {
    if let planner, options.hidesWeightNoise {
      plan.weightSteps = planner.steps(perBit: Self.noisePerBit, of: plan.formats(in: float))
    }
    guard let planner, let maxBytes = options.maxBytes else {
      return try rounded(plan, float, files, augmentations)
    }
    // What is learned later takes about as many bytes as what is measured here.
    let room = options.rounding == .learned && leavesLearning ? maxBytes - maxBytes / 200 : maxBytes
    let finest = try Lowering.lower(float, plan: plan, levels: try nearest(plan, float)).graph
    let budget = ByteBudget(
      limit: room
        - Self.reserve(for: finest, sizes: augmentations.count, skipped: skippedCount, images: files.count),
      planner: planner, finest: plan.weightSteps)
    let first = try clock.stage("budget") { budget.firstSteps(finestBytes: try byteCount(finest)) }
    let planned = plan
    let (chosen, levels) = try budget.fit(first) { steps in
      var plan = planned
      plan.weightSteps = steps
      return try rounded(plan, float, files, augmentations)
    } byteCount: { levels in
      // Steps have no part in lowering.
      try clock.stage("budget") { try byteCount(try Lowering.lower(float, plan: planned, levels: levels).graph) }
    }
    plan.weightSteps = chosen
    return levels
  }

  private func nearest(_ plan: QuantizationPlan, _ float: Graph) throws -> WeightLevels {
    try clock.stage("quantize") { try WeightLevels.nearest(float, plan: plan, threads: options.threads) }
  }

  /// What a bit of every weight may cost, by the noise of rounded activations, which then is the larger by far: rounding by
  /// error feedback leaves a tenth of it, and a third of a bit is what is saved.
  private static let noisePerBit = 0.4

  /// Bytes of a package that are not known before it is verified: the metadata, and which nodes read 16 bits.
  private static func reserve(for graph: Graph, sizes: Int, skipped: Int, images: Int) -> Int {
    6144 + 8 * graph.nodes.count + 4096 * (sizes - 1) + 256 * skipped + ImageKeys.length * min(images, ImageKeys.limit)
  }

  /// The levels that the rounding method gives by a plan: by what layers read, some layers at a time so that it fits into
  /// memory.
  private func rounded(
    _ plan: QuantizationPlan, _ float: Graph, _ files: [ImageFolder.File], _ augmentations: [Augmentation]
  ) throws -> WeightLevels {
    var levels = try nearest(plan, float)
    if options.rounding == .learned, !leavesLearning {
      return try SequentialRounding(options: options, progress: progress, clock: clock).rounded(
        try Lowering.lower(float, plan: plan, levels: levels), levels, float: float, files, augmentations)
    }
    // Learned levels take as many bytes as those by error feedback, which is quicker to have where bytes are to be known.
    let foretellsBytes = options.rounding == .learned && options.maxBytes != nil
    guard options.rounding == .errorFeedback || foretellsBytes else { return levels }
    let lowered = try Lowering.lower(float, plan: plan, levels: levels)
    let nearest = lowered.graph
    // Small images have the fewest positions, and large ones take the most memory.
    let sides = augmentations.map(\.evaluation.size)
    let (least, side) = (sides.min() ?? options.evaluation.size, sides.max() ?? options.evaluation.size)
    let wanted = try LayerInputs.imageCount(for: nearest, imageSize: least)
    let sample = files.spread(wanted)
    let most = options.distinctCopies(sizes: augmentations.count)
    let repetitions = min(most, (wanted + sample.count - 1) / max(sample.count, 1))
    let imageCount = sample.count * repetitions
    let sampler = try clock.stage("sample") {
      try LayerSampler(nearest, sample, repetitions: repetitions, augmentations, threads: options.threads)
    }
    var found = WeightLevels()
    for part in try LayerInputs.parts(of: nearest, imageSize: side, imageCount: imageCount) {
      let inputs = LayerInputs(nearest, nodes: part, imageCount: imageCount)
      try clock.stage("sample", total: imageCount) { [progress] in
        try sampler.record(inputs) { progress.advance() }
      }
      let rounder = WeightRounder(float, lowered, levels, inputs: inputs, threads: options.threads)
      let part = try clock.stage("round", total: rounder.layerCount) {
        try rounder.rounded { [progress] in progress.advance() }
      }
      found.merge(part)
    }
    levels.merge(found)
    return levels
  }

  private func reference(_ imported: ImportedCheckpoint, _ digest: SHA256.Digest) -> FidelityReport.Reference {
    FidelityReport.Reference(
      path: options.checkpoint, sha256: digest.hex, format: imported.checkpoint.format.rawValue,
      architecture: imported.graph.architecture)
  }
}
