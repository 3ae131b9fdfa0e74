import Calibration
import Fidelity
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
  let reference: FidelityReport.Reference
  let images: ImageSelection
  /// The names of verification images whose content is that of a calibration image.
  let overlap: [String]
  let foldingDifference: Float
  let foldingNotes: [String]
  let equalization: Equalization?
  /// Folded and, where that was asked for, equalised: what `quantized` is held against.
  let float: FloatNetwork
  /// What `float` said of images that calibration looked at undisturbed.
  let referenceOutputs: ReferenceOutputs
  /// What calibration saw, in the parts that were asked for.
  let statistics: [ActivationStatistics]
  /// The same, all parts together.
  let calibration: ActivationStatistics
  /// Calibration images that were left out.
  let skipped: BrokenImages
  let plan: QuantizationPlan
  let quantized: Graph
  /// The layers that were to be kept in float, in order of execution.
  let keptFloat: [KeptFloat]
}

/// The stages from a checkpoint to a quantised graph.
struct NetworkQuantizer {
  private let options: ConversionOptions
  private let progress: any ProgressObserver
  private let clock: StageClock
  /// Calibration image i is counted in part i modulo this; the parts together are the same whatever their number.
  private let calibrationParts: Int
  private var job: ImageJob { ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages) }

  init(
    _ options: ConversionOptions, progress: any ProgressObserver, clock: StageClock, calibrationParts: Int = 1
  ) {
    self.options = options
    self.progress = progress
    self.clock = clock
    self.calibrationParts = calibrationParts
  }

  /// Reads, folds, equalises, calibrates, plans, applies and rounds, as the options say.
  ///
  /// - Parameter calibration: the folder that `options` names.
  /// - Throws: the typed errors of the stages; `PipelineError` for what belongs to none.
  func run(_ calibration: ImageFolder) throws -> QuantizedNetwork {
    let imported = try clock.stage("read") {
      try ImportedCheckpoint(path: options.checkpoint, options: options.model)
    }
    try imported.graph.checkSize(options.evaluation.size)
    let info = try PackageInfo(imported.graph, for: options.evaluation)
    let images = try ImageSelection(
      options, calibration: calibration, classCount: info.classCount, progress: progress)

    let overlap = overlap(images)

    var folded = try clock.stage("fold") {
      try Folding(imported, probe: try probe(imported.graph, images.calibration), threads: options.threads)
    }
    let keptFloat = try KeptFloat.layers(matching: options.keptFloat, in: folded.graph)
    let augmentation = options.augmentation
    let equalization =
      options.equalizesChannels
      ? try clock.stage("equalize") {
        try Equalization(&folded, images.calibration, augmentation, threads: options.threads)
      } : nil
    imported.checkpoint.releasePages()
    let float = FloatNetwork(folded.graph, threads: options.threads)

    let referenceOutputs = ReferenceOutputs()
    let (parts, skipped) = try clock.stage("calibrate", total: images.calibration.count) {
      try calibrate(try float.executable(), images.calibration, augmentation, referenceOutputs)
    }
    let statistics = parts.reduce(into: ActivationStatistics()) { $0.merge($1) }
    // Rounding needs the memory that its packed weights take.
    float.putAway()
    try checkFinite(statistics, float.graph)
    let (plan, nearest) = try clock.stage("quantize") {
      let plan = try QuantizationPlanner(rangeMethod: options.rangeMethod, threads: options.threads).plan(
        float.graph, statistics: statistics
      ).keepingFloat(keptFloat.map(\.name), in: float.graph)
      return (plan, try QuantizationApplier(threads: options.threads).apply(plan, to: float.graph))
    }
    let quantized = try round(nearest, float: float.graph, images.calibration)
    return QuantizedNetwork(
      info: info, reference: try reference(imported), images: images, overlap: overlap,
      foldingDifference: folded.difference,
      foldingNotes: folded.notes, equalization: equalization, float: float, referenceOutputs: referenceOutputs,
      statistics: parts,
      calibration: statistics, skipped: skipped, plan: plan, quantized: quantized, keptFloat: keptFloat)
  }

  // MARK: - Checks

  /// What folding is proved on: the first calibration image that can be read, large enough for the network and small
  /// enough to be quick.
  private func probe(_ graph: Graph, _ files: [ImageFolder.File]) throws -> RGBImage {
    let side = min(options.evaluation.size, max(graph.leastSquareInput ?? 0, 224))
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

  /// Where the images are the same by intent, the report says so already.
  private func overlap(_ images: ImageSelection) -> [String] {
    guard !images.verifiesOnCalibration else { return [] }
    let names = ContentOverlap.names(of: images.verification, in: images.calibration, threads: options.threads)
    if let first = names.first {
      progress.warn(
        "\(names.count) of \(images.verification.count) verification images are calibration images, too, such as "
          + "\(first); the figures are too good for them")
    }
    return names
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

  private func calibrate(
    _ float: Executable, _ files: [ImageFolder.File], _ augmentation: Augmentation, _ reference: ReferenceOutputs
  ) throws -> ([ActivationStatistics], BrokenImages) {
    let calibrator = Calibrator(
      float, observing: QuantizationPlanner.observedValues(in: float.graph), parts: calibrationParts)
    let skipped = try job.run(files, progress: progress) { index, file, worker in
      let image = try LoadedImage(file)
      let part = index % calibrationParts
      if options.recipe == .none {
        // Without random choices all repetitions would be the same image, the one that verification looks at.
        let pixels = try options.evaluation.apply(to: image.pixels)
        let outputs = ImageOutputs(try calibrator.count(pixels, part: part, worker: worker))
        reference.keep(.init(pixels: pixels, outputs: outputs), path: file.path)
        return
      }
      for repetition in 0..<options.repetitions {
        let augmented = try augmentation.apply(to: image.pixels, imageKey: image.key, repetition: repetition)
        try calibrator.count(augmented, part: part, worker: worker)
      }
    }
    let statistics = calibrator.statisticsOfParts()
    guard statistics.contains(where: { $0.passes > 0 }) else {
      throw PipelineError.noUsableImages(folder: options.calibrationFolder)
    }
    return (statistics, skipped)
  }

  /// The quantised graph with its weights rounded by what its layers read, some layers at a time so that what they read
  /// fits into memory.
  private func round(_ nearest: Graph, float: Graph, _ files: [ImageFolder.File]) throws -> Graph {
    guard options.rounding == .errorFeedback else { return nearest }
    let side = options.evaluation.size
    let wanted = try LayerInputs.imageCount(for: nearest, imageSize: side)
    let sample = files.spread(wanted)
    // Without random choices all repetitions would be the same image.
    let most = options.recipe == .none ? 1 : options.repetitions
    let repetitions = min(most, (wanted + sample.count - 1) / max(sample.count, 1))
    let imageCount = sample.count * repetitions
    var result = nearest
    for part in try LayerInputs.parts(of: nearest, imageSize: side, imageCount: imageCount) {
      let inputs = LayerInputs(nearest, nodes: part, imageCount: imageCount)
      try record(inputs, sample, repetitions: repetitions)
      let rounder = WeightRounder(float, inputs: inputs, threads: options.threads)
      let rounded = try clock.stage("round", total: rounder.layerCount) {
        try rounder.rounded { [progress] in progress.advance() }
      }
      for index in part { result.nodes[index].constants = rounded.nodes[index].constants }
    }
    return result
  }

  /// Lets the quantised graph's layers read augmented images.
  private func record(_ inputs: LayerInputs, _ sample: [ImageFolder.File], repetitions: Int) throws {
    let augmentation = options.augmentation
    try clock.stage("sample", total: sample.count) {
      let executable = try Executable(inputs.graphBefore, threads: options.threads)
      let sessions = WorkerLocal { Session(executable) }
      _ = try job.run(sample, progress: progress) { index, file, worker in
        let image = try LoadedImage(file)
        for repetition in 0..<repetitions {
          let augmented = try augmentation.apply(to: image.pixels, imageKey: image.key, repetition: repetition)
          _ = try sessions[worker].run(
            pixels: augmented.pixels, height: augmented.height, width: augmented.width,
            observer: inputs.observer(image: index * repetitions + repetition))
        }
      }
    }
  }

  private func reference(_ imported: ImportedCheckpoint) throws -> FidelityReport.Reference {
    FidelityReport.Reference(
      path: options.checkpoint, sha256: imported.checkpoint.sha256().hex, format: imported.checkpoint.format.rawValue,
      architecture: imported.graph.architecture)
  }
}
