import Fidelity

extension FidelityReport {
  /// Adds the images that the package was calibrated on, and which of them this report was measured on, and warns where
  /// its reference is not the checkpoint that the package was made from. Packages of earlier versions store none of
  /// this.
  ///
  /// - Parameters:
  ///   - int8: the package, or another model, which has no such record.
  ///   - allowsOtherReference: whether to omit the warning about another reference.
  ///   - images: the images that this report was measured on.
  ///   - folder: the path of the folder with these images.
  mutating func compareWithOrigin(
    of int8: ModelFile, allowsOtherReference: Bool, _ images: ContentHashes, folder: String
  ) throws {
    guard int8.package != nil else {
      verification = VerificationSet(origin: .folder, set: images.set(of: folder), overlapping: nil)
      return
    }
    let metadata = try int8.package.flatMap { try $0.statedMetadata() }
    contentHash = int8.package?.contentHash.hex
    if let package = int8.package, let problem = metadata?.binding(contentHash: package.contentHash)?.problem {
      warnings.insert("the figures that the package states are not of this package: \(problem)", at: 0)
    }
    calibration = metadata?.calibrationSet
    let keys = metadata?.calibrationPixels.flatMap(ImageKeys.init(text:))
    verification = VerificationSet(
      origin: .folder, set: images.set(of: folder), overlapping: keys.map(images.names(alsoIn:)))
    guard let source = metadata?.source else {
      notes.append("the package does not record which checkpoint it was made from")
      return
    }
    guard source.sha256 != reference.sha256, !allowsOtherReference else { return }
    warnings.insert(
      "the reference is not the checkpoint that the package was made from"
        + (source.name.map { ", \($0)" } ?? "")
        + " (sha256 \(source.sha256)); use --allow-other-reference if this is intended",
      at: 0)
  }
}
