/// How a picture becomes the network's input when the network is evaluated or used.
package enum CropProtocol: String, Hashable, Sendable, CaseIterable {
  /// The short side is resized to `int(size / ratio)`, then `size` by `size` pixels are cut from the centre.
  case square
  /// The long side is resized to `size`; nothing is cut off.
  case rect
}

/// A crop protocol at a size: evaluation preprocessing up to the 8-bit pixels.
///
/// The arithmetic is that of torchvision and timm: true division, truncation by `int`, and a centre crop placed by Python's
/// `round`, which rounds halves to even. The defaults are MultiGrain's.
package struct EvaluationProtocol: Hashable, Sendable {
  package let crop: CropProtocol
  /// Pixels: of both sides of a square crop, of the long side of a rectangular one.
  package let size: Int
  package let filter: ResizeFilter
  /// What a square crop keeps of the short side of the resized picture, in `cropRatios`; the default for a rectangular one,
  /// which has no use for it.
  package let cropRatio: Double

  /// 224 of 256 pixels. For every size `int(size / ratio)` is `int(256 / 224 * size)`.
  package static let defaultCropRatio = 0.875
  package static let cropRatios = 0.1...1.0

  /// - Throws: `ImageError.invalidGeometry` for a size or a ratio out of range.
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

  /// What differs from the default, to follow a crop protocol: ", bicubic, crop ratio 0.95".
  package var resizingRemark: String {
    (filter == .bilinear ? "" : ", \(filter.rawValue)")
      + (cropRatio == Self.defaultCropRatio ? "" : ", crop ratio \(cropRatio)")
  }

  /// The same at another size.
  package func resized(to size: Int) throws(ImageError) -> EvaluationProtocol {
    try EvaluationProtocol(crop: crop, size: size, filter: filter, cropRatio: cropRatio)
  }

  /// The size of the outcome for a picture of the given size.
  package func outputSize(width: Int, height: Int) throws(ImageError) -> (width: Int, height: Int) {
    let window = try geometry(width: width, height: height).window
    return (window.width, window.height)
  }

  /// The picture as the network takes it.
  package func apply(to image: RGBImage) throws(ImageError) -> RGBImage {
    let geometry = try geometry(width: image.width, height: image.height)
    return image.resampled(
      Resampling(
        region: image.bounds,
        box: SampleBox(left: 0, top: 0, right: Float(image.width), bottom: Float(image.height)),
        outputWidth: geometry.resizedWidth, outputHeight: geometry.resizedHeight, window: geometry.window,
        filter: filter))
  }

  /// What the picture is resized to, and the part of that which is kept.
  package struct Geometry: Hashable, Sendable {
    package var resizedWidth: Int
    package var resizedHeight: Int
    package var window: PixelRect
  }

  package func geometry(width: Int, height: Int) throws(ImageError) -> Geometry {
    guard width > 0, height > 0, width <= 1 << 31, height <= 1 << 31 else {
      throw .invalidGeometry("a picture of \(width)x\(height) cannot be resized")
    }
    switch crop {
    case .square:
      let short = Int(Double(size) / cropRatio)
      let long = Self.proportion(short, max(width, height), min(width, height))
      let (resizedWidth, resizedHeight) = width <= height ? (short, long) : (long, short)
      return Geometry(
        resizedWidth: resizedWidth, resizedHeight: resizedHeight,
        window: PixelRect(
          x: Self.halved(resizedWidth - size), y: Self.halved(resizedHeight - size), width: size, height: size))
    case .rect:
      let short = Self.proportion(size, min(width, height), max(width, height))
      guard short > 0 else {
        throw .invalidGeometry(
          "a picture of \(width)x\(height) resized to a long side of \(size) would have no pixel left on its short "
            + "side; use a larger size or the square crop")
      }
      let (resizedWidth, resizedHeight) = width >= height ? (size, short) : (short, size)
      return Geometry(
        resizedWidth: resizedWidth, resizedHeight: resizedHeight,
        window: PixelRect(x: 0, y: 0, width: resizedWidth, height: resizedHeight))
    }
  }

  /// Python's `int(side * numerator / denominator)`; the product is below 2^53, so that both are exact doubles.
  private static func proportion(_ side: Int, _ numerator: Int, _ denominator: Int) -> Int {
    Int(Double(side * numerator) / Double(denominator))
  }

  /// Python's `round(value / 2)`.
  private static func halved(_ value: Int) -> Int { Int((Double(value) / 2).rounded(.toNearestOrEven)) }
}
