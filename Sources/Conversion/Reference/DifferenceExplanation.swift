import Fidelity
import Graphs
import Images
import Kernels
import ModelImport
import Pixels
import Runtime
import Tensors

/// Explains why a float network and its framework give different outputs: because the network differs, or because one
/// of the usual suspects in preprocessing does.
struct DifferenceExplanation {
  let executable: Executable
  let source: SourceInput
  let view: InputView
  let stated: GoldenFile.StatedPreprocessing
  let framework: String
  let tolerances: ReferenceCheck.Tolerances
  let threads: Int

  /// - Parameters:
  ///   - rows: the images that were compared, with the framework's outputs.
  ///   - onImages: the differences when images are preprocessed by `view`.
  ///   - onInput: the differences on the framework's own input; `nil` where the golden file does not contain it.
  /// - Returns: The explanation as sentences for the report.
  /// - Throws: `ImageError` where an image cannot be read.
  func findings(
    _ rows: [ReferenceChecker.Row], onImages: ReferenceCheck.Differences, onInput: ReferenceCheck.Differences?
  ) throws -> [String] {
    guard let onInput else {
      guard let found = try OutputSuspects(self).explanation(rows) else {
        return [
          "none of the usual differences in preprocessing explains this (resize filter, crop ratio, crop, order of channels, "
            + "scale of pixels, mean and std); if the file also contained the framework's 'input', a difference in "
            + "preprocessing could be told apart from one in the network"
        ]
      }
      return [remedy(found)]
    }
    let described = ReferenceCheck.described(onInput)
    guard onInput.passes(tolerances) else {
      if onImages.passes(tolerances) {
        return [
          "the outputs for the images match, but those for 'input' do not (\(described)): 'input' is not what "
            + "\(framework)'s network was given"
        ]
      }
      let network = "the network itself differs: even on \(framework)'s own input, its outputs differ by \(described)"
      return [network] + (try InputSuspects(self).explanation(rows).sentences(self).prefix(1))
    }
    return ["the network is right: on \(framework)'s own input, its outputs differ by at most \(described)"]
      + (try InputSuspects(self).explanation(rows).sentences(self))
  }

  /// A sentence that names what is different, and the options that remove the difference.
  func remedy(_ found: InputView) -> String {
    let causes = found.causes(changing: view).joined(separator: " and ")
    let options = found.options(changing: view).joined(separator: " ")
    return "preprocessing differs in \(causes); give \(options)"
  }
}

/// The crop ratios that models are usually evaluated with.
enum UsualRatios {
  /// The ratios of torchvision's and timm's models.
  static let all = [
    0.875, 0.9, 0.95, 1.0, 0.96, 0.965, 0.94, 0.934, 0.955, 0.97, 0.98, 0.985, 0.911, 0.904, 0.922, 0.8, 0.85,
  ]

  /// The ratio that resizes the short side to `short` pixels before a crop of `size`: a usual one if there is one, and
  /// otherwise `size / short`.
  static func ratio(size: Int, short: Int) -> Double {
    if let usual = all.first(where: { Int(Double(size) / $0) == short }) { return usual }
    var ratio = Double(size) / Double(short)
    while Int(Double(size) / ratio) < short { ratio = ratio.nextDown }
    return ratio
  }
}
