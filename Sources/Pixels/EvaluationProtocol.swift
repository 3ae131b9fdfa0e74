/// How an image is resized and cropped for the network when the network is evaluated or used.
package enum CropProtocol: String, Hashable, Sendable, CaseIterable {
  /// The short side is resized to `int(size / ratio)`, then `size` by `size` pixels are cut from the centre.
  case square
  /// The long side is resized to `size`; nothing is cut off.
  case rect
}

/// A crop protocol at a size: evaluation preprocessing up to the 8-bit pixels.
///
/// The arithmetic is that of torchvision and timm: true division, truncation by `int`, and a centre crop positioned by
/// Python's `round`, which rounds halves to even. The defaults are MultiGrain's.
package struct EvaluationProtocol: Hashable, Sendable {
  /// The shape of the crop.
  package let crop: CropProtocol
  /// Pixels of both sides of a square crop, or of the long side of a rectangular one; in 1...`RGBImage.maximumSide`.
  package let size: Int
  /// The filter that images are resized by.
  package let filter: ResizeFilter
  /// The share of the resized image's short side that a square crop keeps, in `cropRatios`. A rectangular crop does not
  /// use it, and has the default.
  package let cropRatio: Double

  /// 224 of 256 pixels. For every size `int(size / ratio)` is `int(256 / 224 * size)`.
  package static let defaultCropRatio = 0.875
  /// The valid crop ratios.
  package static let cropRatios = 0.1...1.0

  /// - Throws: `ImageError.invalidGeometry` if the size or the ratio is out of range.
  package init(
    crop: CropProtocol, size: Int, filter: ResizeFilter = .bilinear, cropRatio: Double = defaultCropRatio
  ) throws(ImageError) {
    guard (1...RGBImage.maximumSide).contains(size) else {
      throw .invalidGeometry("the size must be in 1...\(RGBImage.maximumSide), not \(size)")
    }
    guard Self.cropRatios.contains(cropRatio) else {
      throw .invalidGeometry(
        "the crop ratio must be in \(Self.cropRatios.lowerBound)...\(Self.cropRatios.upperBound), not \(cropRatio)")
    }
    self.crop = crop
    self.size = size
    self.filter = filter
    self.cropRatio = crop == .square ? cropRatio : Self.defaultCropRatio
  }

  /// A text to append to a crop protocol, which names what differs from the defaults: ", bicubic, crop ratio 0.95".
  package var resizingRemark: String {
    (filter == .bilinear ? "" : ", \(filter.rawValue)")
      + (cropRatio == Self.defaultCropRatio ? "" : ", crop ratio \(cropRatio)")
  }

  /// The same preprocessing at another size.
  ///
  /// - Throws: `ImageError.invalidGeometry` if the size is out of range.
  package func resized(to size: Int) throws(ImageError) -> EvaluationProtocol {
    try EvaluationProtocol(crop: crop, size: size, filter: filter, cropRatio: cropRatio)
  }

  /// The size of the result for an image of the given size, in pixels.
  ///
  /// - Throws: `ImageError.invalidGeometry` for an image that cannot be resized.
  package func outputSize(width: Int, height: Int) throws(ImageError) -> (width: Int, height: Int) {
    let window = try geometry(width: width, height: height).window
    return (window.width, window.height)
  }

  /// The image as the network takes it.
  ///
  /// - Throws: `ImageError.invalidGeometry` for an image that cannot be resized.
  package func apply(to image: RGBImage) throws(ImageError) -> RGBImage {
    image.resampled(try resampling(width: image.width, height: image.height))
  }

  /// The resize and the crop of images of one size, in pixels.
  ///
  /// - Throws: `ImageError.invalidGeometry` for an image that cannot be resized.
  package func plan(height: Int, width: Int) throws(ImageError) -> ResamplingPlan {
    ResamplingPlan(try resampling(width: width, height: height))
  }

  private func resampling(width: Int, height: Int) throws(ImageError) -> Resampling {
    let geometry = try geometry(width: width, height: height)
    return Resampling(
      region: PixelRect(x: 0, y: 0, width: width, height: height),
      box: SampleBox(left: 0, top: 0, right: Float(width), bottom: Float(height)),
      outputWidth: geometry.resizedWidth, outputHeight: geometry.resizedHeight, window: geometry.window,
      filter: filter)
  }

  /// The size that an image is resized to, and the part of the resized image that is kept, in pixels.
  package struct Geometry: Hashable, Sendable {
    /// In pixels.
    package var resizedWidth: Int
    /// In pixels.
    package var resizedHeight: Int
    /// The part that is kept, in coordinates of the resized image.
    package var window: PixelRect
  }

  /// How an image of the given size, in pixels, is resized and cropped.
  ///
  /// - Throws: `ImageError.invalidGeometry` if a side is not in 1...2^31, or if no pixel would be left on the short
  ///   side.
  package func geometry(width: Int, height: Int) throws(ImageError) -> Geometry {
    guard width > 0, height > 0, width <= 1 << 31, height <= 1 << 31 else {
      throw .invalidGeometry("an image of \(width)x\(height) cannot be resized")
    }
    switch crop {
    case .square:
      let short = Int(Double(size) / cropRatio)
      let long = Self.proportion(short, max(width, height), min(width, height))
      let (resizedWidth, resizedHeight) = width <= height ? (short, long) : (long, short)
      return Geometry(
        resizedWidth: resizedWidth, resizedHeight: resizedHeight,
        window: PixelRect(
          x: Self.half(resizedWidth - size), y: Self.half(resizedHeight - size), width: size, height: size))
    case .rect:
      let short = Self.proportion(size, min(width, height), max(width, height))
      guard short > 0 else {
        throw .invalidGeometry(
          "an image of \(width)x\(height) resized to a long side of \(size) would have no pixel left on its short "
            + "side; use a larger size or the square crop")
      }
      let (resizedWidth, resizedHeight) = width >= height ? (size, short) : (short, size)
      return Geometry(
        resizedWidth: resizedWidth, resizedHeight: resizedHeight,
        window: PixelRect(x: 0, y: 0, width: resizedWidth, height: resizedHeight))
    }
  }

  /// Python's `int(side * numerator / denominator)`. The product is below 2^53, so that it is an exact double.
  private static func proportion(_ side: Int, _ numerator: Int, _ denominator: Int) -> Int {
    Int(Double(side * numerator) / Double(denominator))
  }

  /// Python's `round(value / 2)`.
  private static func half(_ value: Int) -> Int { Int((Double(value) / 2).rounded(.toNearestOrEven)) }
}
