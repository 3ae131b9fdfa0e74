import Calibration
import Checkpoints
import Fidelity
import Files
import Graphs
import Images
import Kernels
import Operators
import PackageFormat
import Passes
import Quantization
import Rounding
import Runtime
import Tensors

/// What a conversion is asked to do.
public struct ConversionOptions: Sendable {
  public var checkpoint: String
  public var output: String
  public var calibrationFolder: String
  /// Images to calibrate on; `nil`: all, at most 300.
  public var calibrationCount: Int?
  public var verificationFolder: String?
  public var evaluation: EvaluationProtocol
  public var recipe: AugmentationRecipe
  public var repetitions: Int
  public var seed: UInt64
  public var rangeMethod: RangeMethod
  public var rounding: RoundingMethod
  /// Magnify small channels of activations before they are quantised.
  public var equalizesChannels: Bool
  public var model: ModelFile.Options
  public var gates: Gates
  public var skipsBrokenImages: Bool
  public var threads: Int

  public init(
    checkpoint: String, output: String, calibrationFolder: String, evaluation: EvaluationProtocol, gates: Gates,
    threads: Int
  ) {
    self.checkpoint = checkpoint
    self.output = output
    self.calibrationFolder = calibrationFolder
    self.evaluation = evaluation
    self.gates = gates
    self.threads = threads
    recipe = .full
    repetitions = 3
    seed = 0
    rangeMethod = .meanSquaredError
    rounding = .errorFeedback
    equalizesChannels = true
    model = ModelFile.Options()
    skipsBrokenImages = false
  }

  /// How many images are used where the user names no number.
  public static let defaultImageLimit = 300
}

/// How weights are rounded to their levels.
public enum RoundingMethod: String, Sendable, CaseIterable {
  /// Each to the nearest.
  case nearest
  /// So that each layer's outputs change least on calibration images.
  case errorFeedback = "error-feedback"
}

/// What a conversion did.
public struct ConversionOutcome: Sendable {
  public let report: FidelityReport
  public let package: PackageSummary
  /// Which images fidelity was measured on, in words.
  public let verifiedOn: String
  /// The greatest difference that folding made to an output, relative to the output's largest magnitude.
  public let foldingDifference: Float
  /// A line for each rewrite.
  public let foldingNotes: [String]
  /// What equalisation did to each channel; `nil` without it.
  public let equalization: Equalization?
  public let plan: QuantizationPlan
}

/// From a checkpoint and a folder of images to a package on disk, verified as it lies there.
public struct Converter {
  private let options: ConversionOptions
  private let progress: any ProgressObserver
  private let clock: StageClock
  private var job: ImageJob { ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages) }

  public init(_ options: ConversionOptions, progress: any ProgressObserver = SilentProgress()) {
    self.options = options
    self.progress = progress
    clock = StageClock(progress: progress)
  }

  /// Runs all stages. The package appears under its name only when everything is done; where a gate failed it is still
  /// written, and says so.
  ///
  /// - Throws: the typed errors of the stages; `PipelineError` for what belongs to none.
  public func run() throws -> ConversionOutcome {
    // What would fail for want of a folder or a permission fails before any work is done.
    let calibration = try ImageFolder(path: options.calibrationFolder)
    let output = try AtomicFile(path: options.output)
    let imported = try clock.stage("read") {
      try ImportedCheckpoint(path: options.checkpoint, options: options.model)
    }
    try imported.graph.checkSize(options.evaluation.size)
    let info = try PackageInfo(imported.graph, for: options.evaluation)
    let images = try ImageSelection(
      options, calibration: calibration, classCount: info.classCount, progress: progress)

    var folded = try clock.stage("fold") { try Folding(imported, probe: try probe(imported.graph, images.calibration)) }
    let augmentation = Augmentation(recipe: options.recipe, evaluation: options.evaluation, seed: options.seed)
    let equalization =
      options.equalizesChannels
      ? try clock.stage("equalize") {
        try Equalization(&folded, images.calibration, augmentation, threads: options.threads)
      } : nil
    imported.checkpoint.releasePages()
    let float = try Executable(folded.graph)

    let (statistics, skipped) = try clock.stage("calibrate", total: images.calibration.count) {
      try calibrate(float, images.calibration, augmentation)
    }
    try checkFinite(statistics, float.graph)
    let (plan, nearest) = try clock.stage("quantize") {
      let plan = try QuantizationPlanner(rangeMethod: options.rangeMethod).plan(float.graph, statistics: statistics)
      return (plan, try QuantizationApplier().apply(plan, to: float.graph))
    }
    let quantized = try round(nearest, float: float.graph, images.calibration)

    let reference = try reference(imported)
    let metadata = PackageMetadata(
      source: reference, calibration: calibrationRecord(images, skipped, statistics, equalization), fidelity: nil)
    let package = Package(
      graph: quantized, info: info, labels: images.labels, metadata: try metadata.json())
    _ = try clock.stage("write") {
      try PackageWriter.write(package, to: output, threads: options.threads)
    }
    guard let written = output.temporaryPath else {
      throw PipelineError.option("\(options.output): is no regular file, so that what is written could not be verified")
    }

    let (figures, unverified) = try clock.stage("verify", total: images.verification.count) {
      let int8 = try Executable(try PackageReader.opening(written).decodedGraph(threads: options.threads))
      return try Verifier(job: job, evaluation: options.evaluation).compare(
        float, int8, on: images.verification, usesLabels: images.hasLabels, progress: progress)
    }
    guard figures.images > 0 else { throw PipelineError.noUsableImages(folder: images.verificationFolder) }
    var report = FidelityReport(
      figures: figures, gates: options.gates, package: nil, reference: reference,
      settings: settings(images), seconds: [:], peakResidentBytes: nil,
      skippedImages: unverified.skippedImages(of: images.verification))
    let summary = try clock.stage("seal") { try seal(written, metadata, report) }
    output.discard()
    report.package = .init(path: options.output, bytes: summary.byteCount, sha256: summary.sha256.hex)
    report.seconds = clock.seconds
    report.peakResidentBytes = ProcessStatistics.peakResidentBytes
    return ConversionOutcome(
      report: report, package: summary, verifiedOn: images.verifiedOn, foldingDifference: folded.difference,
      foldingNotes: folded.notes, equalization: equalization, plan: plan)
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
    _ float: Executable, _ files: [ImageFolder.File], _ augmentation: Augmentation
  ) throws -> (ActivationStatistics, BrokenImages) {
    let calibrator = Calibrator(float, observing: QuantizationPlanner.observedValues(in: float.graph))
    let skipped = try job.run(files, progress: progress) { index, image, worker in
      // Without random choices all repetitions would be the same image.
      let repetitions = options.recipe == .none ? 1 : options.repetitions
      for repetition in 0..<repetitions {
        let augmented = try augmentation.apply(to: image.pixels, imageKey: image.key, repetition: repetition)
        try calibrator.count(augmented, worker: worker)
      }
    }
    let statistics = calibrator.statistics()
    guard statistics.passes > 0 else { throw PipelineError.noUsableImages(folder: options.calibrationFolder) }
    return (statistics, skipped)
  }

  /// The quantised graph with its weights rounded by what its layers read.
  private func round(_ nearest: Graph, float: Graph, _ files: [ImageFolder.File]) throws -> Graph {
    guard options.rounding == .errorFeedback else { return nearest }
    let count = min(files.count, LayerInputs.imageLimit)
    let sample = (0..<count).map { files[$0 * files.count / count] }
    let inputs = LayerInputs(nearest, imageCount: count)
    let augmentation = Augmentation(recipe: options.recipe, evaluation: options.evaluation, seed: options.seed)
    try clock.stage("sample", total: count) {
      let executable = try Executable(nearest)
      let sessions = WorkerLocal { Session(executable) }
      _ = try job.run(sample, progress: progress) { index, image, worker in
        let augmented = try augmentation.apply(to: image.pixels, imageKey: image.key, repetition: 0)
        _ = try sessions[worker].run(
          pixels: augmented.pixels, height: augmented.height, width: augmented.width,
          observer: inputs.observer(image: index))
      }
    }
    let rounder = WeightRounder(float, inputs: inputs, threads: options.threads)
    return try clock.stage("round", total: rounder.layerCount) {
      try rounder.rounded { [progress] in progress.advance() }
    }
  }

  // MARK: - Records

  private func reference(_ imported: ImportedCheckpoint) throws -> FidelityReport.Reference {
    FidelityReport.Reference(
      path: options.checkpoint, sha256: imported.checkpoint.sha256().hex, format: imported.checkpoint.format.rawValue,
      architecture: imported.graph.architecture)
  }

  private func calibrationRecord(
    _ images: ImageSelection, _ skipped: BrokenImages, _ statistics: ActivationStatistics,
    _ equalization: Equalization?
  ) -> [String: JSONValue] {
    [
      "images": .int(images.calibration.count - skipped.count), "forward_passes": .int(statistics.passes),
      "skipped_images": .int(skipped.count), "repetitions": .int(options.repetitions),
      "augmentation": .string(options.recipe.rawValue), "seed": .string(String(options.seed)),
      "range_method": .string(options.rangeMethod.name), "rounding": .string(options.rounding.rawValue),
      "equalized_channels": .int(equalization?.scales.channelCount ?? 0),
    ]
  }

  private func settings(_ images: ImageSelection) -> [String: JSONValue] {
    [
      "size": .int(options.evaluation.size), "crop": .string(options.evaluation.crop.rawValue),
      "augmentation": .string(options.recipe.rawValue), "repetitions": .int(options.repetitions),
      "calibration_images": .int(images.calibration.count), "seed": .string(String(options.seed)),
      "range_method": .string(options.rangeMethod.name), "rounding": .string(options.rounding.rawValue),
      "equalization": .bool(options.equalizesChannels),
      "verified_on": .string(images.verifiedOn),
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
  init(_ graph: Graph, for evaluation: EvaluationProtocol) throws(GraphError) {
    let side = evaluation.size
    let shapes = try graph.inferShapes(input: [1, side, side, 3])
    self.init(
      imageSize: side, crop: evaluation.crop == .square ? .square : .rect,
      classCount: graph.width(ofOutput: GraphOutput.logits, shapes),
      embeddingDimension: graph.width(ofOutput: GraphOutput.normalizedEmbedding, shapes),
      poolingExponent: Float(graph.poolingExponent ?? 1))
  }
}

extension BrokenImages {
  /// For reports: names below the folder, so that a report does not depend on where the folder lies.
  func skippedImages(of files: [ImageFolder.File]) -> [FidelityReport.SkippedImage] {
    let names = Dictionary(files.map { ($0.path, $0.relativePath) }, uniquingKeysWith: { first, _ in first })
    return entries.map { FidelityReport.SkippedImage(name: names[$0.path] ?? $0.path, reason: "\($0.error)") }
  }
}
