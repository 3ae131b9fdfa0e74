import Fidelity

/// What reports and packages say of the images of a conversion.
struct ImageRecord {
  let calibration: ImageSet
  let verification: VerificationSet
  /// Of the images that were calibrated on.
  let keys: ImageKeys
  /// The names of all verification images whose content is that of a calibration image.
  let overlap: [String]

  /// Reads all images once to hash them.
  init(_ images: ImageSelection, calibrationFolder: String, threads: Int) {
    let calibrated = ContentHashes(images.calibration, threads: threads)
    calibration = calibrated.set(of: calibrationFolder)
    keys = calibrated.keys
    guard !images.verifiesOnCalibration else {
      overlap = images.calibration.map(\.relativePath)
      verification = VerificationSet(origin: .calibration, set: calibration, overlapping: overlap)
      return
    }
    let verified = ContentHashes(images.verification, threads: threads)
    overlap = verified.names(alsoIn: calibrated)
    let isHeldOut = images.verificationFolder == calibrationFolder
    verification = VerificationSet(
      origin: isHeldOut ? .heldOut : .folder, set: verified.set(of: images.verificationFolder), overlapping: overlap)
  }
}
