import Files
import ModelImport

/// A checkpoint that was read for a conversion, and what it makes of the options.
struct ConversionSource {
  let imported: ImportedCheckpoint
  let digest: SHA256.Digest
  /// With the size that the checkpoint fixes, where no other was given.
  let options: ConversionOptions
  /// What puts figures in doubt, in sentences.
  let warnings: [String]

  /// - Throws: `CheckpointError`, `ImportError`; `ConversionError.notFinite` for weights that are no numbers, `.option` where the
  ///   checkpoint fixes a size that is not square and none was given.
  init(_ options: ConversionOptions, _ clock: StageClock) throws {
    (imported, digest) = try clock.stage("read") {
      let imported = try ImportedCheckpoint(path: options.checkpoint, options: options.model, checksValues: false)
      return (imported, try imported.checkedDigest(threads: options.threads))
    }
    var options = options
    let fixed = imported.network.fixedImageSize
    if options.request.sizes.isEmpty, let side = try fixed?.side(of: options.checkpoint) {
      try options.take(fixedSide: side)
    }
    warnings =
      imported.network.assumptions.warnings
      + options.resolutions.compactMap { fixed?.warning(at: $0.evaluation) }
    self.options = options
  }
}
