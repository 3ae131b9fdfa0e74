import Files
import ModelImport

/// A checkpoint that was read for a conversion, and the options completed by it.
struct ConversionSource {
  let imported: ImportedCheckpoint
  let digest: SHA256.Digest
  /// The options, with the size that the checkpoint fixes where none was requested.
  let options: ConversionOptions
  /// What casts doubt on the figures, one sentence each.
  let warnings: [String]

  /// Reads and hashes the checkpoint, and checks its weights.
  ///
  /// - Throws: `CheckpointError`, `ImportError`; `ConversionError.notFinite` for weights that are not finite, `.option`
  ///   where the checkpoint fixes a size that is not square and none was requested.
  init(_ options: ConversionOptions, _ clock: StageClock) throws {
    (imported, digest) = try clock.stage("read") {
      var model = options.model
      model.imageSide = options.requestedSide
      let imported = try ImportedCheckpoint(path: options.checkpoint, options: model, checksValues: false)
      return (imported, try imported.checkedDigest(threads: options.threads))
    }
    let (checkpoint, fixed) = (options.checkpoint, imported.network.fixedImageSize)
    var options = options
    try options.take(fixedSide: try fixed?.side(of: checkpoint))
    warnings =
      imported.network.assumptions.warnings
      + options.resolutions.compactMap { fixed?.warning(at: $0.evaluation) }
    self.options = options
  }
}
