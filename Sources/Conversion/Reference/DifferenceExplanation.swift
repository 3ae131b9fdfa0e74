import Fidelity
import Graphs
import Images
import Kernels
import ModelImport
import Runtime
import Tensors

/// Why a float network and its framework differ: in the network or in the preprocessing, and there by which of the usual
/// suspects.
struct DifferenceExplanation {
  let executable: Executable
  let source: SourceInput
  let view: InputView
  let stated: GoldenFile.StatedPreprocessing
  let framework: String
  let tolerances: ReferenceCheck.Tolerances
  let threads: Int

  /// - Parameters:
  ///   - onImages: the differences with the preprocessing of `view`.
  ///   - onInput: those on the framework's own input; `nil` where it is not known.
  /// - Returns: sentences.
  func findings(
    _ rows: [ReferenceChecker.Row], onImages: ReferenceCheck.Differences, onInput: ReferenceCheck.Differences?
  ) throws -> [String] {
    guard let onInput else {
      guard let found = try OutputSuspects(self).explanation(rows) else {
        return [
          "no usual difference in preprocessing explains this (resize filter, crop ratio, crop, order of channels, scale of "
            + "pixels, mean and std); with the framework's 'input' in the file a difference in preprocessing could be told "
            + "apart from one in the network"
        ]
      }
      return [remedy(found)]
    }
    let described = ReferenceCheck.described(onInput)
    guard onInput.passes(tolerances) else {
      if onImages.passes(tolerances) {
        return [
          "outputs for the images match, but not those for 'input' (\(described)): 'input' is not what \(framework)'s network "
            + "was given"
        ]
      }
      let network = "the network itself differs: on \(framework)'s own input, too, its outputs differ by \(described)"
      return [network] + (try InputSuspects(self).explanation(rows).sentences(self).prefix(1))
    }
    return ["the network is right: on \(framework)'s own input its outputs differ by at most \(described)"]
      + (try InputSuspects(self).explanation(rows).sentences(self))
  }

  /// A sentence that names what is different and the options that make it the same.
  func remedy(_ found: InputView) -> String {
    let causes = found.causes(changing: view).joined(separator: " and ")
    let options = found.options(changing: view).joined(separator: " ")
    return "preprocessing differs in \(causes); give \(options)"
  }
}

/// Crop ratios in use, and the protocols to try.
enum UsualRatios {
  /// Those of torchvision's and timm's models.
  static let all = [
    0.875, 0.9, 0.95, 1.0, 0.96, 0.965, 0.94, 0.934, 0.955, 0.97, 0.98, 0.985, 0.911, 0.904, 0.922, 0.8, 0.85,
  ]

  /// The ratio that resizes the short side to `short` pixels: one in use, or the fraction of pixels.
  static func ratio(size: Int, short: Int) -> Double {
    if let usual = all.first(where: { Int(Double(size) / $0) == short }) { return usual }
    var ratio = Double(size) / Double(short)
    while Int(Double(size) / ratio) < short { ratio = ratio.nextDown }
    return ratio
  }
}
