import ModelImport
import Pixels

extension FixedImageSize {
  /// The side in pixels of the square images that a model takes.
  ///
  /// - Parameter path: the path of the model, for the error.
  /// - Throws: `ConversionError.option` where the size that it fixes is not square.
  package func side(of path: String) throws(ConversionError) -> Int {
    guard height == width else {
      throw .option(
        "\(path): the model's input is fixed at \(width)x\(height) pixels, but images are cropped to squares; give a "
          + "--size that the model can also take, and check its accuracy")
    }
    return height
  }

  /// A warning that images are of another size than the model fixes, as a sentence; `nil` where they are of this size.
  package func warning(at evaluation: EvaluationProtocol) -> String? {
    let size = "the model's input is fixed at \(width)x\(height) pixels"
    if height != width || evaluation.size != height {
      return "\(size), but images have \(evaluation.size) pixels, a size that it was not made for"
    }
    return evaluation.crop == .rect
      ? "\(size), but with --crop rect images that are not square have another size" : nil
  }
}
