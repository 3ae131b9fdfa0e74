import Images
import Inference
import Tensors

/// A size that a package is to serve.
struct ServedSize {
  let resolution: Resolution
  /// What the float network says of images of this size, those at first that calibration looked at undisturbed.
  let referenceOutputs: ReferenceOutputs
  /// Whether calibration pools by the exponent that this size is served with.
  private let isCalibratedAsServed: Bool

  /// - Parameters:
  ///   - count: of sizes, which share the memory of reference outputs.
  ///   - exponent: by which calibration pools.
  init(_ resolution: Resolution, of count: Int, exponent: Double?) {
    self.resolution = resolution
    referenceOutputs = ReferenceOutputs(sizes: count)
    isCalibratedAsServed = resolution.poolingExponent == exponent
  }

  /// Keeps what calibration's float network says of an image as the evaluation protocol shows it, if that is what it will
  /// be held against.
  func keep(_ outputs: [String: Tensor], of pixels: RGBImage, path: String) {
    guard isCalibratedAsServed else { return }
    referenceOutputs.keep(.init(pixels: pixels, outputs: ImageOutputs(outputs)), path: path)
  }
}
