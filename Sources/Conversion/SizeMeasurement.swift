import Fidelity
import Files
import Images
import Inference
import Pixels

/// The fidelity that was measured at one size.
struct SizeMeasurement {
  let resolution: Resolution
  let figures: FidelityFigures
  /// The images that were compared.
  let compared: [ImageFolder.File]
  /// The images that were left out.
  let skipped: BrokenImages

  init(_ resolution: Resolution, _ outcome: Verifier.Outcome) {
    self.resolution = resolution
    (figures, compared, skipped) = (outcome.figures, outcome.compared, outcome.skipped)
  }
}

extension FidelityReport {
  /// A report on the measurements at all sizes.
  ///
  /// - Parameters:
  ///   - measurements: at least one, with that of the first size first.
  ///   - files: the images that were measured on.
  init(
    _ measurements: [SizeMeasurement], gates: Gates, verified files: [ImageFolder.File], reference: Reference,
    settings: [String: JSONValue]
  ) {
    // An image that cannot be read is left out at every size.
    var seen: Set<[ExactName]> = []
    let skipped = measurements.flatMap { $0.skipped.skippedImages(of: files) }
      .filter { seen.insert([ExactName($0.name), ExactName($0.reason)]).inserted }
    let sizes = measurements.map { measurement in
      SizeFidelity(
        size: measurement.resolution.evaluation.size, crop: measurement.resolution.evaluation.crop.rawValue,
        poolingExponent: measurement.resolution.poolingExponent, figures: measurement.figures, gates: gates)
    }
    self.init(
      first: sizes[0], further: Array(sizes.dropFirst()), package: nil, reference: reference, settings: settings,
      skippedImages: skipped)
  }
}
