import Fidelity
import Graphs
import Images
import Runtime

/// Holds a package on disk against a checkpoint on disk.
public struct Verification {
  public var package: String
  public var reference: String
  public var images: String
  public var job: ImageJob
  /// Override what the package was converted for.
  public var size: Int?
  public var crop: CropProtocol?
  public var model = ModelFile.Options()

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
    let evaluation = try EvaluationProtocol(
      crop: crop ?? (info.crop == .rect ? .rect : .square), size: size ?? info.imageSize)
    try float.checkSize(evaluation.size)
    let usesLabels = !ImageSelection.labels(of: folder, classCount: info.classCount, progress: progress).isEmpty
    let (figures, skipped) = try clock.stage("verify", total: folder.files.count) {
      try Verifier(job: job, evaluation: evaluation).compare(
        FloatNetwork(float.graph, threads: job.threads), try int8.executable(threads: job.threads), on: folder.files,
        known: ReferenceOutputs(),
        usesLabels: usesLabels,
        progress: progress)
    }
    guard figures.images > 0 else { throw PipelineError.noUsableImages(folder: images) }
    return FidelityReport(
      figures: figures, gates: gates,
      package: .init(path: package, bytes: int8.byteCount, sha256: try int8.sha256()),
      reference: .init(
        path: reference, sha256: try float.sha256(), format: float.format, architecture: float.architecture),
      settings: ["size": .int(evaluation.size), "crop": .string(evaluation.crop.rawValue)],
      seconds: clock.seconds, peakResidentBytes: ProcessStatistics.peakResidentBytes,
      skippedImages: skipped.skippedImages(of: folder.files))
  }

  private func openBoth() throws -> (package: ModelFile, reference: ModelFile) {
    guard try !ModelFile.isPackage(reference) else {
      throw PipelineError.wrongKind("\(reference): the reference must be a checkpoint, and this is a package")
    }
    var packageOptions = model
    packageOptions.preprocessing = nil
    (packageOptions.embeddingOutput, packageOptions.logitsOutput) = (nil, nil)
    let int8 = try ModelFile.openPackage(package, options: packageOptions)
    // The float network must pool as the package does, whatever its checkpoint says.
    var floatOptions = model
    floatOptions.poolingExponent = model.poolingExponent ?? int8.graph.poolingExponent
    if floatOptions.preprocessing == nil { floatOptions.preprocessing = int8.graph.preprocessing }
    return (int8, try ModelFile.openCheckpoint(reference, options: floatOptions))
  }
}
