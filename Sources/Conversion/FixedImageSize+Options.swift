import Images
import ModelImport

extension FixedImageSize {
  /// The side of the images that a model takes; images are square unless nothing is cut off them.
  ///
  /// - Throws: `ConversionError.option` for sizes that are not square.
  package func side(of path: String) throws(ConversionError) -> Int {
    guard height == width else {
      throw .option(
        "\(path): the model's input is fixed at \(width)x\(height) pixels, and images are made square: give a --size that it "
          + "can also take, and see that accuracy is what it should be")
    }
    return height
  }

  /// What is to be known of images that are not of this size, in a sentence; `nil` for those that are.
  package func warning(at evaluation: EvaluationProtocol) -> String? {
    let size = "the model's input is fixed at \(width)x\(height) pixels"
    if height != width || evaluation.size != height {
      return "\(size), and images of \(evaluation.size) pixels are another size than it was made for"
    }
    return evaluation.crop == .rect
      ? "\(size), and images that are not square are of another size with --crop rect" : nil
  }
}
