import Fidelity
import Graphs
import Images
import Inference
import ModelImport
import Pixels
import Runtime
import Signing

/// Compares one model on disk with another: a package with the checkpoint that it was made from, or any two models.
package struct Verification {
  /// The path of the model to verify, usually a package.
  package var package: String
  /// The path of the reference, usually the checkpoint that the package was made from.
  package var reference: String
  /// The path of the folder with verification images.
  package var images: String
  /// The number of threads, and whether broken images are left out.
  package var job: ImageJob
  /// The sizes, the crop and the resizing to use in place of the package's; without sizes, all of the package are
  /// verified.
  package var resolution = ResolutionRequest()
  /// How to read checkpoints.
  package var model = ModelFile.Options()
  /// The names of the classes; `nil`: those of the models, or else of the class folders.
  package var classNames: ClassNameList?
  /// The outputs of the original framework that the float network is compared with first.
  package var referenceCheck = ReferenceOptions()
  /// Whether to omit the warning that the models do not come from one checkpoint.
  package var allowsOtherReference = false
  /// How matches are decided, to compare the decisions of both networks; `nil`: they are not compared.
  package var decisionRule: DecisionRule?
  /// The signature of the package that was verified before; `nil` where there is none.
  package var signature: (verified: FidelityReport.Signature, file: SignedFile)?
  /// Whether to stop when the images compared so far decide every gate. Not possible for a gate on neighbours.
  package var stopsWhenDecided = false

  /// A verification at the sizes of the package, with default options.
  package init(package: String, reference: String, images: String, job: ImageJob) {
    self.package = package
    self.reference = reference
    self.images = images
    self.job = job
  }

  /// Compares the models and applies the gates.
  ///
  /// - Throws: `ReferenceMismatch` where the float network does not match its framework; `ConversionError` for models
  ///   that cannot be read, options that do not fit them, and images that cannot be used; `CheckpointError`,
  ///   `ImportError`, `GraphError`, `ImageError`, `FileError` and `FidelityError` from reading and running the models.
  package func run(gates: Gates, progress: any ProgressObserver = SilentProgress()) throws -> FidelityReport {
    let clock = StageClock(progress: progress)
    if stopsWhenDecided { try gates.checkStopping() }
    let folder = try ImageFolder(path: images, progress: progress)
    try decisionRule?.checkClasses(folder.files.map(\.label), of: images)
    let models = try clock.stage("read") {
      var options = model
      options.imageSides = resolution.sizes.map(\.side)
      return try ModelPair(package, reference: reference, options: options)
    }
    if let signature {
      guard let reader = models.model.package else {
        throw ConversionError.option("--signature is for packages, and \(package) is none")
      }
      guard reader.sha256() == signature.file.digest else {
        throw ConversionError.wrongKind("\(package) was replaced after its signature was verified; verify it again")
      }
    }
    progress.state(models.assumptions)
    let resolutions = try models.resolutions(self)
    for resolution in resolutions { try models.checkSize(resolution.evaluation.size) }
    let network = FloatNetwork(try models.reference.loadedGraph(threads: job.threads), threads: job.threads)
    let (check, checkWarnings) = try models.check(
      referenceCheck, network, resolutions, folder.files, threads: job.threads, progress: progress)
    let described = try described(models, resolutions)
    if let check, !check.passed {
      var report = FidelityReport(stoppedBy: check, reference: described.reference, settings: described.settings)
      report.describe(models, resolutions)
      report.warnings += checkWarnings
      throw ReferenceMismatch(report: report)
    }
    let labels = try models.labels(of: folder, listed: classNames)
    let measurements = try clock.stage("verify", total: folder.files.count * resolutions.count) {
      let executable = try models.model.executable(threads: job.threads)
      var job = job
      // Each size uses the same images.
      if resolutions.count > 1 { job.cache = ImageCache() }
      return try resolutions.map { [job] resolution in
        var verifier = Verifier(job: job, resolution: resolution)
        (verifier.comparesNeighbors, verifier.decisionRule) = (true, decisionRule)
        return SizeMeasurement(
          resolution,
          try verifier.compare(
            network, executable, on: folder.files, cached: ReferenceOutputs(sizes: resolutions.count), labels: labels,
            stoppingBy: stopsWhenDecided ? gates : nil, progress: progress))
      }
    }
    guard measurements.allSatisfy({ $0.figures.images > 0 }) else {
      throw ConversionError.noUsableImages(folder: images)
    }
    var report = FidelityReport(
      measurements, gates: gates, verified: folder.files, reference: described.reference, settings: described.settings)
    report.referenceCheck = check
    report.package = .init(path: package, bytes: models.model.byteCount, sha256: try models.model.sha256())
    report.signature = signature?.verified
    report.describe(models, resolutions)
    report.assumptions += [labels.assumption].compactMap(\.self)
    report.notes += [labels.note].compactMap(\.self)
    report.warnings += labels.warnings + checkWarnings
    try report.compareWithOrigin(
      of: models, allowsOtherReference: allowsOtherReference, measurements,
      try ContentHashes(folder.files, threads: job.threads), folder: images)
    report.seconds = clock.seconds
    report.peakResidentBytes = ProcessStatistics.peakResidentBytes
    return report
  }

  private func described(
    _ models: ModelPair, _ resolutions: [Resolution]
  ) throws -> (reference: FidelityReport.Reference, settings: [String: JSONValue]) {
    (
      FidelityReport.Reference(
        path: reference, sha256: try models.reference.sha256(), format: models.reference.format,
        architecture: models.reference.architecture, contentHash: models.reference.package?.contentHash.hex),
      resolutions[0].evaluation.settings
    )
  }
}

extension FidelityReport {
  /// Adds the assumptions of reading the models, and the remarks on them.
  fileprivate mutating func describe(_ models: ModelPair, _ resolutions: [Resolution]) {
    toolVersion = ToolVersion.current
    assumptions = models.assumptions.map(\.description)
    notes = models.remarks(resolutions) + models.checkpoints.flatMap(\.notes)
    warnings = models.checkpoints.flatMap { file in
      file.assumptions.warnings
        + resolutions.compactMap { file.fixedImageSize?.warning(at: $0.evaluation) }
    }
  }
}

extension Gates {
  /// - Throws: `ConversionError.option` where the gates cannot be decided before all images are compared.
  func checkStopping() throws(ConversionError) {
    guard minNeighborAgreement != nil else { return }
    throw .option(
      "--min-neighbour-agreement cannot be combined with --stop-when-decided: the neighbours of an image depend on all "
        + "images, so that some of them do not decide the gate; leave --stop-when-decided out")
  }
}
