import Files
import Images
import ModelImport
import Pixels

/// A checkpoint that was read for a conversion, and the options completed by it.
struct ConversionSource {
  private(set) var imported: ImportedCheckpoint
  let digest: SHA256.Digest
  /// The options, with the size that the checkpoint fixes where none was requested.
  private(set) var options: ConversionOptions
  /// What casts doubt on the figures, one sentence each.
  private(set) var warnings: [String]

  /// Reads and hashes the checkpoint, and checks its weights.
  ///
  /// - Throws: `CheckpointError`, `ImportError`; `ConversionError.notFinite` for weights that are not finite, `.option`
  ///   where the checkpoint fixes a size that is not square and none was requested.
  init(_ options: ConversionOptions, _ clock: StageClock) throws {
    (imported, digest) = try clock.stage("read") {
      var model = options.model
      model.imageSides = options.requestedSides
      let imported = try ImportedCheckpoint(path: options.checkpoint, options: model, checksValues: false)
      return (imported, try imported.checkedDigest(threads: options.threads))
    }
    let (checkpoint, fixed) = (options.checkpoint, imported.network.fixedImageSize)
    var options = options
    try options.take(fixedSide: try fixed?.side(of: checkpoint))
    warnings =
      imported.network.assumptions.warnings
      + options.resolutions.compactMap { fixed?.warning(at: $0.evaluation) }
    self.options = options
  }

  /// Chooses the exponents of GeM pooling that the options leave to the calibration images.
  ///
  /// - Parameter calibration: the calibration folder.
  /// - Throws: `ConversionError.option` without calibration images; the errors of `ExponentTuner.run`.
  mutating func chooseExponents(
    _ calibration: ImageFolder, _ clock: StageClock, _ progress: any ProgressObserver
  ) throws {
    guard let first = options.tunedSides.first else { return }
    guard options.calibrates else {
      throw ConversionError.option("--size \(first):auto needs --calibration, whose images choose the exponent")
    }
    let files = try ImageSelection(
      options, calibration: calibration, ClassNames(0), progress: SilentProgress()
    ).calibration
    var tuning = TuningOptions(folder: calibration.path)
    tuning.seed = options.seed
    if options.recipe != .none { tuning.recipe = options.recipe }
    let reports = try options.resolutions.filter { options.tunedSides.contains($0.side) }.map { resolution in
      try ExponentTuner(
        options: tuning, evaluation: resolution.evaluation,
        job: ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages), clock: clock,
        progress: progress
      ).run(imported, files.spread(tuning.imageLimit), labels: nil)
    }
    options.take(reports)
    for report in reports {
      progress.note(report.note)
      imported.network.notes += [report.note] + report.notes
      warnings += report.warnings
    }
  }

  /// Whitens the network as the options say, at the first size.
  ///
  /// - Throws: `ConversionError.option` where outputs of the framework are to be compared, which are not whitened; the
  ///   errors of `Whitener.run`.
  mutating func whiten(_ clock: StageClock, _ progress: any ProgressObserver) throws {
    guard let whitening = options.whitening else { return }
    guard options.referenceCheck.goldenFile == nil else {
      throw ConversionError.option(
        "--golden cannot be combined with --whiten, as the outputs in the golden file are not whitened; convert without "
          + "--whiten first to check them")
    }
    if options.referenceCheck.usesTestData, imported.checkpoint.network != nil {
      options.referenceCheck.usesTestData = false
      progress.note("test data next to the model is not compared, because its outputs are not whitened")
    }
    let resolution = options.resolutions[0]
    let whitened = try Whitener(
      options: whitening, resolution: resolution, keepsClassifier: true,
      job: ImageJob(threads: options.threads, skipsBroken: options.skipsBrokenImages), clock: clock, progress: progress
    ).run(imported)
    imported.graph = whitened.graph
    imported.network.notes += whitened.figures.notes
    options.whitening?.record = whitened.figures.record
  }
}
