import Fidelity
import PackageFormat

extension FidelityReport {
  /// Adds the images that the packages among two models were calibrated on, and which of them this report was measured
  /// on, and warns where a package states figures of another, and where the models do not come from one checkpoint.
  /// Packages of earlier versions store none of this.
  ///
  /// - Parameters:
  ///   - models: the models that were compared.
  ///   - allowsOtherReference: whether to omit the warning about another checkpoint.
  ///   - measurements: the comparisons at all sizes, at least one.
  ///   - images: the images that this report was measured on.
  ///   - folder: the path of the folder with these images.
  mutating func compareWithOrigin(
    of models: ModelPair, allowsOtherReference: Bool, _ measurements: [SizeMeasurement], _ images: ContentHashes,
    folder: String
  ) throws {
    contentHash = models.model.package?.contentHash.hex
    let metadata = (try models.model.package?.statedMetadata(), try models.reference.package?.statedMetadata())
    calibration = metadata.0?.calibrationSet ?? metadata.1?.calibrationSet
    let sides = [
      (models.model.package, metadata.0, "package"), (models.reference.package, metadata.1, "reference"),
    ]
    var calibrated: CalibratedImages?
    for (package, stated, name) in sides {
      guard let package else { continue }
      calibrated = calibrated ?? CalibratedImages()
      calibrated?.add(stated?.calibrationSet, keys: stated?.imageKeys)
      if let problem = stated?.binding(contentHash: package.contentHash)?.problem {
        foreignFigures.append("the figures that the \(name) states are not of this package: \(problem)")
      }
    }
    setVerification(images.verification(.folder, of: folder, measurements, calibrated))
    let origins = (try Origin(models.model, metadata.0), try Origin(models.reference, metadata.1))
    warn(
      of: origins.0, origins.1,
      allowsOtherReference: try allowsOtherReference || models.checkpointIsWhitenedLikePackage())
  }

  /// Warns where two models do not come from one checkpoint, unless both are checkpoints.
  private mutating func warn(of model: Origin, _ reference: Origin, allowsOtherReference: Bool) {
    guard model.isPackage || reference.isPackage else { return }
    for (origin, name) in [(model, "package"), (reference, "reference")] where origin.checkpoint == nil {
      notes.append("the \(name) does not record which checkpoint it was made from")
    }
    guard let made = model.checkpoint, let compared = reference.checkpoint, made.sha256 != compared.sha256,
      !allowsOtherReference
    else { return }
    func described(_ checkpoint: Origin.Checkpoint) -> String {
      (checkpoint.name.map { ", \($0)" } ?? "") + " (sha256 \(checkpoint.sha256))"
    }
    let problem: String =
      if !reference.isPackage {
        "the reference is not the checkpoint that the package was made from" + described(made)
      } else if !model.isPackage {
        "the model is not the checkpoint that the reference was made from" + described(compared)
      } else {
        "the reference is not made from the checkpoint that the package was made from" + described(made)
          + ", but from another" + described(compared)
      }
    warnings.insert(problem + "; use --allow-other-reference if this is intended", at: 0)
  }
}

/// The checkpoint that a model is, or that a package says it was made from.
private struct Origin {
  struct Checkpoint {
    let name: String?
    let sha256: String
  }

  let isPackage: Bool
  /// `nil` where a package does not name it.
  let checkpoint: Checkpoint?

  /// - Parameter metadata: those of the package; `nil` where it has none.
  init(_ model: ModelFile, _ metadata: PackageMetadata?) throws {
    isPackage = model.package != nil
    checkpoint =
      isPackage
      ? metadata.map { Checkpoint(name: $0.source.name, sha256: $0.source.sha256) }
      : Checkpoint(name: nil, sha256: try model.sha256())
  }
}
