import Fidelity

extension FidelityReport {
  /// Says which images the package was calibrated on, whether those of this report are the same, and whether its reference is
  /// the checkpoint that the package was made from; packages of earlier versions do not say.
  mutating func holdAgainstOrigin(
    of int8: ModelFile, allowsOtherReference: Bool, _ images: ContentHashes, folder: String
  ) throws {
    guard int8.package != nil else {
      verification = VerificationSet(origin: .folder, set: images.set(of: folder), overlapping: nil)
      return
    }
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
