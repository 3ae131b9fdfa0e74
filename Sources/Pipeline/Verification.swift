import Fidelity
import Graphs
import Images
import ModelImport
import Runtime

/// Holds a package on disk against a checkpoint on disk.
public struct Verification {
  public var package: String
  public var reference: String
  public var images: String
  public var job: ImageJob
  /// Override what the package was converted for; without sizes all that it was converted for are looked at.
  public var sizes: [ImageSize] = []
  public var crop: CropProtocol?
  public var model = ModelFile.Options()
  /// Say nothing where the reference is not the checkpoint that the package was made from.
  public var allowsOtherReference = false

  public init(package: String, reference: String, images: String, job: ImageJob) {
    self.package = package
    self.reference = reference
    self.images = images
    self.job = job
  }

  /// - Throws: `PipelineError.wrongKind` where the files are not a package and a checkpoint of one network.
  public func run(gates: Gates, progress: any ProgressObserver = SilentProgress()) throws -> FidelityReport {
    let clock = StageClock(progress: progress)
    let folder = try ImageFolder(path: images)
    guard try ModelFile.isPackage(package) else {
      throw PipelineError.wrongKind("\(package): not a package; 'quern convert' makes one from a checkpoint")
    }
    let (int8, float) = try clock.stage("read") { try openBoth() }
    guard let info = int8.package?.info else { throw PipelineError.wrongKind("\(package): not a package") }
    // The package says how pixels are normalised.
    let assumptions = float.assumptions.filter { $0.option != ImportAssumption.preprocessingOption }
    progress.state(assumptions)
    let resolutions = try resolutions(of: int8)
    for resolution in resolutions { try float.checkSize(resolution.evaluation.size) }
    let labels = ClassLabels(
      folder, classCount: info.classCount, stored: int8.package?.labels ?? [], of: "the package")
    let measurements = try clock.stage("verify", total: folder.files.count * resolutions.count) {
      let network = FloatNetwork(float.graph, threads: job.threads)
      let executable = try int8.executable(threads: job.threads)
      return try resolutions.map { resolution in
        let (figures, skipped) = try Verifier(job: job, resolution: resolution).compare(
          network, executable, on: folder.files, known: ReferenceOutputs(sizes: resolutions.count),
          labels: labels, progress: progress)
        return SizeMeasurement(resolution: resolution, figures: figures, skipped: skipped)
      }
    }
    guard let first = resolutions.first, measurements.allSatisfy({ $0.figures.images > 0 }) else {
      throw PipelineError.noUsableImages(folder: images)
    }
    var report = FidelityReport(
      measurements, gates: gates, verified: folder.files,
      reference: .init(
        path: reference, sha256: try float.sha256(), format: float.format, architecture: float.architecture),
      settings: ["size": .int(first.evaluation.size), "crop": .string(first.evaluation.crop.rawValue)])
    report.package = .init(path: package, bytes: int8.byteCount, sha256: try int8.sha256())
    report.toolVersion = ToolVersion.current
    report.assumptions = assumptions.map(\.description) + [labels.assumption].compactMap(\.self)
    report.notes = resolutions.compactMap(int8.remark) + float.notes + [labels.note].compactMap(\.self)
    report.warnings =
      float.assumptions.warnings
      + resolutions.compactMap { float.fixedImageSize?.warning(at: $0.evaluation) }
      + [labels.warning].compactMap(\.self)
    try report.holdAgainstOrigin(
      of: int8, allowsOtherReference: allowsOtherReference,
      ContentHashes(folder.files, threads: job.threads), folder: images)
    report.seconds = clock.seconds
    report.peakResidentBytes = ProcessStatistics.peakResidentBytes
    return report
  }

  /// Those that were asked for, or else those of the package, with the package's exponent for each unless another was asked
  /// for.
  private func resolutions(of int8: ModelFile) throws -> [Resolution] {
    guard let info = int8.package?.info else { return [] }
    let asked = sizes.isEmpty ? info.sizes.map { ImageSize(side: $0.imageSize) } : sizes
    return try asked.map { size in
      var served = int8
      try served.serve(size: size.side, poolingExponent: size.poolingExponent ?? model.poolingExponent)
      return Resolution(
        try EvaluationProtocol(crop: crop ?? info.cropProtocol, size: size.side),
        poolingExponent: served.graph.poolingExponent)
    }
  }

  private func openBoth() throws -> (package: ModelFile, reference: ModelFile) {
    guard try !ModelFile.isPackage(reference) else {
      throw PipelineError.wrongKind("\(reference): the reference must be a checkpoint, and this is a package")
    }
    // All but the exponent says how the checkpoint is read.
    let packageOptions = ModelFile.Options(poolingExponent: model.poolingExponent)
    let int8 = try ModelFile.openPackage(package, options: packageOptions)
    // The float network must pool as the package does, whatever its checkpoint says.
    var floatOptions = model
    floatOptions.poolingExponent = model.poolingExponent ?? int8.graph.poolingExponent
    let preprocessing = floatOptions.preprocessing == nil ? int8.graph.preprocessing : nil
    return (
      int8, try ModelFile.openCheckpoint(reference, options: floatOptions, preprocessingOfPackage: preprocessing)
    )
  }
}

extension FidelityReport {
  /// Says which images the package was calibrated on, whether those of this report are the same, and whether its reference is
  /// the checkpoint that the package was made from; packages of earlier versions do not say.
  fileprivate mutating func holdAgainstOrigin(
    of int8: ModelFile, allowsOtherReference: Bool, _ images: ContentHashes, folder: String
  ) throws {
    let metadata = try int8.package.flatMap { PackageMetadata(json: try $0.metadataText()) }
    calibration = metadata?.calibrationSet
    let keys = metadata?.calibrationImages.flatMap(ImageKeys.init(text:))
    verification = VerificationSet(
      origin: .folder, set: images.set(of: folder), overlapping: keys.map(images.names(alsoIn:)))
    guard let source = metadata?.source else {
      notes.append("the package does not say which checkpoint it was made from")
      return
    }
    guard source.sha256 != reference.sha256, !allowsOtherReference else { return }
    warnings.insert(
      "the reference is not the checkpoint that the package was made from"
        + (source.name.map { ", \($0)" } ?? "")
        + " (sha256 \(source.sha256)); --allow-other-reference if that is meant",
      at: 0)
  }
}
