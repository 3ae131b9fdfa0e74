import Images
import PackageFormat

/// Failures that belong to no single module.
package enum ConversionError: Error, Sendable {
  /// A package that cannot be opened.
  case package(path: String, PackageError)
  /// Broken images, which the options do not allow.
  case brokenImages(BrokenImages)
  /// Every image was broken, or none was left.
  case noUsableImages(folder: String)
  /// Images that something is to be checked on and that no folder holds.
  case missingImages(String)
  /// Weights or activations that are not numbers.
  case notFinite(String)
  /// An option that does not fit the model or the images.
  case option(String)
  /// A rewritten graph does not compute what the imported one does.
  case notEquivalent(after: String, difference: Float)
  /// A file of another kind than the command needs.
  case wrongKind(String)
}

extension ConversionError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .package(_, .file(let error)): "\(error)"
    case .package(let path, let error): "\(path): \(error)"
    case .brokenImages(let broken):
      "\(broken.count) image\(broken.count == 1 ? "" : "s") cannot be read:\n\(broken)\n"
        + "Repair or remove \(broken.count == 1 ? "it" : "them"), or leave "
        + "\(broken.count == 1 ? "it" : "them") out with --skip-bad-images."
    case .noUsableImages(let folder): "\(folder): no image could be used"
    case .notFinite(let what), .missingImages(let what): what
    case .option(let problem), .wrongKind(let problem): problem
    case .notEquivalent(let rewrite, let difference):
      "the graph after \(rewrite) differs from the imported one by \(difference); this is a defect of quern, please "
        + "report it"
    }
  }
}
