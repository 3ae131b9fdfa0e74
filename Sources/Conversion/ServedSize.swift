import Inference
import Pixels
import Tensors

/// A size that a package is to serve.
struct ServedSize {
  let resolution: Resolution
  /// A cache of the float network's outputs at this size. Calibration adds images that it does not augment.
  let referenceOutputs: ReferenceOutputs
  /// Whether calibration pools with the exponent that this size is served with.
  private let isCalibratedAsServed: Bool

  /// - Parameters:
  ///   - count: the number of sizes, which share the memory of reference outputs.
  ///   - exponent: the exponent that calibration pools with.
  init(_ resolution: Resolution, of count: Int, exponent: Double?) {
    self.resolution = resolution
    referenceOutputs = ReferenceOutputs(sizes: count)
    isCalibratedAsServed = resolution.poolingExponent == exponent
  }

  /// Caches the outputs of calibration's float network for an image that is not augmented, unless verification pools
  /// with another exponent.
  func keep(_ outputs: [String: Tensor], of pixels: RGBImage, path: String) {
    guard isCalibratedAsServed else { return }
    referenceOutputs.keep(.init(pixels: pixels, outputs: ImageOutputs(outputs)), path: path)
  }
}
