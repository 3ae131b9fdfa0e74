import Fidelity
import Graphs
import Images
import Inference
import ModelImport
import Runtime

/// Holds one model on disk against another: a package against the checkpoint that it was made from, or any two.
package struct Verification {
  package var package: String
  package var reference: String
  package var images: String
  package var job: ImageJob
  /// What is asked for in place of what a package was converted for; without sizes all of those are looked at.
  package var resolution = ResolutionRequest()
  package var model = ModelFile.Options()
  /// What the float network is held to first.
  package var referenceCheck = ReferenceOptions()
  /// Say nothing where the reference is not the checkpoint that the package was made from.
  package var allowsOtherReference = false
  /// Whether it ends when the images compared decide every gate.
  package var stopsWhenDecided = false

  package init(package: String, reference: String, images: String, job: ImageJob) {
    self.package = package
    self.reference = reference
    self.images = images
    self.job = job
  }

  /// - Throws: `ReferenceMismatch` where the float network does not match its framework; the typed errors of reading and
  ///   running the models.
  package func run(gates: Gates, progress: any ProgressObserver = SilentProgress()) throws -> FidelityReport {
    let clock = StageClock(progress: progress)
    let folder = try ImageFolder(path: images)
    let models = try clock.stage("read") { try ModelPair(package, reference: reference, options: model) }
    progress.state(models.assumptions)
    let resolutions = try models.resolutions(self)
    for resolution in resolutions { try models.checkSize(resolution.evaluation.size) }
    let network = FloatNetwork(try models.reference.loadedGraph(threads: job.threads), threads: job.threads)
    let check = try models.check(
      referenceCheck, network, resolutions, folder.files, threads: job.threads, progress: progress)
    let described = try described(models, resolutions)
    if let check, !check.passed {
      var report = FidelityReport(stoppedBy: check, reference: described.reference, settings: described.settings)
      report.describe(models, resolutions)
      throw ReferenceMismatch(report: report)
    }
    let labels = try models.labels(of: folder)
    let measurements = try clock.stage("verify", total: folder.files.count * resolutions.count) {
      let executable = try models.model.executable(threads: job.threads)
      var job = job
      // Each size looks at the same images.
      if resolutions.count > 1 { job.cache = ImageCache() }
      return try resolutions.map { [job] resolution in
        let (figures, skipped) = try Verifier(job: job, resolution: resolution).compare(
          network, executable, on: folder.files, known: ReferenceOutputs(sizes: resolutions.count), labels: labels,
          stoppingBy: stopsWhenDecided ? gates : nil, progress: progress)
        return SizeMeasurement(resolution: resolution, figures: figures, skipped: skipped)
      }
    }
    guard measurements.allSatisfy({ $0.figures.images > 0 }) else {
      throw ConversionError.noUsableImages(folder: images)
    }
    var report = FidelityReport(
      measurements, gates: gates, verified: folder.files, reference: described.reference, settings: described.settings)
    report.referenceCheck = check
    report.package = .init(path: package, bytes: models.model.byteCount, sha256: try models.model.sha256())
    report.describe(models, resolutions)
    report.assumptions += [labels.assumption].compactMap(\.self)
    report.notes += [labels.note].compactMap(\.self)
    report.warnings += [labels.warning].compactMap(\.self)
    try report.holdAgainstOrigin(
      of: models.model, allowsOtherReference: allowsOtherReference || models.reference.package != nil,
      ContentHashes(folder.files, threads: job.threads), folder: images)
    report.seconds = clock.seconds
    report.peakResidentBytes = ProcessStatistics.peakResidentBytes
    return report
  }

  private func described(
    _ models: ModelPair, _ resolutions: [Resolution]
  ) throws -> (reference: FidelityReport.Reference, settings: [String: JSONValue]) {
    let evaluation = resolutions[0].evaluation
    let settings: [String: JSONValue] = [
      "size": .int(evaluation.size), "crop": .string(evaluation.crop.rawValue),
    ]
    return (
      FidelityReport.Reference(
        path: reference, sha256: try models.reference.sha256(), format: models.reference.format,
        architecture: models.reference.architecture), settings.merging(evaluation.resizingSettings) { $1 }
    )
  }
}

extension FidelityReport {
  /// Says what reading the models took for granted, and what is to be known of them.
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
