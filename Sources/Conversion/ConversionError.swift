import Images
import PackageFormat
import PrintableText

/// Failures of a conversion, a verification or an inspection that no other module's error describes.
package enum ConversionError: Error, Sendable {
  /// A package cannot be opened.
  case package(path: String, PackageError)
  /// Some images are broken, and the options do not allow leaving them out.
  case brokenImages(BrokenImages)
  /// Every image of a folder is broken, or none is left; the broken ones are named where nothing named them before.
  case noUsableImages(folder: String, BrokenImages = BrokenImages())
  /// Images that a check needs are in none of the folders; the message names them.
  case missingImages(String)
  /// Weights or activations are not finite; the message says which.
  case notFinite(String)
  /// An option does not fit the model, the images or another option; the message says why.
  case option(String)
  /// A rewritten graph does not compute what the imported one does. `after` names the rewrite; `difference` is the
  /// largest difference of an output, relative to the output's largest magnitude.
  case notEquivalent(after: String, difference: Float)
  /// Equalisation by the factors of a plan or of stored stages changes the outputs by this difference, as above.
  case unsuitableFactors(difference: Float)
  /// Two tiers of kernels compute different things on this machine, in one of `layers`.
  case kernelsDisagree(layers: [String])
  /// A package that was just written does not have the bytes that were meant.
  case writtenDiffers(path: String)
  /// A file is not of the kind that the command needs; the message says why.
  case wrongKind(String)
}

extension ConversionError: CustomStringConvertible, MultilineError {
  package var lines: [String] {
    if case .noUsableImages(let folder, let broken) = self {
      return ["\(folder): no image could be used\(broken.isEmpty ? "" : ":")"] + broken.lines
    }
    guard case .brokenImages(let broken) = self else { return [description] }
    let them = broken.count == 1 ? "it" : "them"
    return ["\(broken.count) image\(broken.count == 1 ? "" : "s") cannot be read:"] + broken.lines
      + ["Repair or remove \(them), or leave \(them) out with --skip-bad-images."]
  }

  package var description: String {
    switch self {
    case .package(_, .file(let error)): "\(error)"
    case .package(let path, let error): "\(path): \(error)"
    case .brokenImages, .noUsableImages: lines.joined(separator: "\n")
    case .writtenDiffers(let path):
      "\(path): what is in the file is not what was written to it: the disk, the memory or another program changed it"
    case .notFinite(let problem), .missingImages(let problem): problem
    case .option(let problem), .wrongKind(let problem): problem
    case .notEquivalent(let rewrite, let difference):
      "after \(rewrite) the graph's outputs differ from those of the imported graph by \(difference); this is a defect "
        + "of quern, please report it"
    case .unsuitableFactors(let difference):
      "equalisation by the factors of the plan, or of the stages in the folder of --resume, changes the float network's "
        + "outputs by \(difference): some are too small; leave them out to have them computed"
    case .kernelsDisagree(let layers):
      "two tiers of kernels compute different things on this machine, in "
        + (layers.count == 1 ? layers[0] : "one of the layers from \(layers.first ?? "") to \(layers.last ?? "")")
        + "; the processor or the memory is faulty, or a kernel was compiled wrongly, so that no package was written"
    }
  }
}
