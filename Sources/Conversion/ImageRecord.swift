import Fidelity
import Pixels

/// The images of a conversion as reports and packages describe them.
struct ImageRecord {
  let calibration: ImageSet
  let verification: VerificationSet
  /// The keys of the calibration images.
  let keys: ImageKeys
  /// The names of all verification images whose pixels are those of a calibration image.
  let overlap: [String]

  /// Reads, decodes and hashes all images.
  ///
  /// - Throws: `ImageError` for an image that the system fails to read.
  init(_ images: ImageSelection, calibrationFolder: String, threads: Int) throws(ImageError) {
    let calibrated = try ContentHashes(images.calibration, threads: threads)
    calibration = calibrated.set(of: calibrationFolder)
    keys = calibrated.keys
    guard !images.verifiesOnCalibration else {
      overlap = images.calibration.map(\.relativePath)
      verification = VerificationSet(origin: .calibration, set: calibration, overlapping: overlap)
      return
    }
    let verified = try ContentHashes(images.verification, threads: threads)
    overlap = verified.names(alsoIn: calibrated)
    let isHeldOut = images.verificationFolder == calibrationFolder
    verification = VerificationSet(
      origin: isHeldOut ? .heldOut : .folder, set: verified.set(of: images.verificationFolder), overlapping: overlap)
  }
}
