import Graphs
import Images
import ModelImport
import Operators
import Pixels
import Retrieval

/// Chooses the exponent of GeM pooling of a checkpoint for one size.
package struct CheckpointTuning {
  /// The path of the checkpoint.
  package var checkpoint: String
  package var options: TuningOptions
  /// One size, or none for the default.
  package var resolution: ResolutionRequest
  /// How to read the checkpoint.
  package var model: ModelFile.Options
  /// The names of the classes; `nil`: those of the checkpoint, or else of the class folders.
  package var classNames: ClassNameList?
  /// The number of threads, and whether broken images are left out.
  package var job: ImageJob

  package init(
    checkpoint: String, options: TuningOptions, resolution: ResolutionRequest, model: ModelFile.Options, job: ImageJob
  ) {
    (self.checkpoint, self.options, self.resolution) = (checkpoint, options, resolution)
    (self.model, self.job) = (model, job)
  }

  /// - Throws: `ConversionError.wrongKind` for a package and for a network without a choice of the exponent; the errors
  ///   of reading a checkpoint; `ImageError` for the folder; what `ExponentTuner.run` throws.
  package func run(progress: any ProgressObserver = SilentProgress()) throws -> TuningReport {
    guard try !ModelFile.isPackage(checkpoint) else {
      throw ConversionError.wrongKind(
        "\(checkpoint) is a package, which was calibrated for its exponents; choose the exponent with the checkpoint "
          + "that it was made of")
    }
    let imported = try ImportedCheckpoint(path: checkpoint, options: model)
    progress.state(imported.network.assumptions)
    let fixed = imported.network.fixedImageSize
    let evaluation = try resolution.resolutions(fixedSide: try fixed?.side(of: checkpoint))[0].evaluation
    let folder = try ImageFolder(path: options.folder, progress: progress)
    let shapes = try imported.graph.inferShapes(input: [1, evaluation.size, evaluation.size, 3])
    let names = try ClassNames(
      imported.graph.width(ofOutput: GraphOutput.logits, shapes), listed: classNames,
      stored: imported.checkpoint.classNames, of: "the checkpoint")
    let labels = ClassLabels(folder, names)
    let tuner = ExponentTuner(
      options: options, evaluation: evaluation, job: job, clock: StageClock(progress: progress),
      progress: progress)
    var report = try tuner.run(
      imported, folder.spreadSample(count: min(options.imageLimit, folder.files.count)), labels: labels)
    report.warnings += imported.network.assumptions.warnings + [fixed?.warning(at: evaluation)].compactMap(\.self)
    return report
  }
}
