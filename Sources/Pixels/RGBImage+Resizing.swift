/// A rectangle in fractional pixels, like the argument `box` of Pillow's `resize`.
package struct SampleBox: Hashable, Sendable {
  /// In pixels from the left edge.
  package var left: Float
  /// In pixels from the top edge.
  package var top: Float
  /// In pixels from the left edge.
  package var right: Float
  /// In pixels from the top edge.
  package var bottom: Float

  package init(left: Float, top: Float, right: Float, bottom: Float) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }
}

extension RGBImage {
  /// The largest side of a resized image, in pixels: far beyond the inputs of networks, and still little memory.
  package static let maximumSide = 8192

  /// Resizes by one of Pillow's antialiased filters, bit for bit `image.resize((width, height), filter, box)`.
  ///
  /// - Parameter box: the part of the image that fills the result, by default all of it. Samples outside of the box
  ///   still contribute at its edges; `resized(width:height:cropping:filter:)` resizes a crop by itself.
  /// - Throws: `ImageError.invalidGeometry` if the box is empty or exceeds the image, or if a side is not in
  ///   1...`maximumSide`.
  package func resized(
    width: Int, height: Int, box: SampleBox? = nil, filter: ResizeFilter = .bilinear
  ) throws(ImageError) -> RGBImage {
    let full = SampleBox(left: 0, top: 0, right: Float(self.width), bottom: Float(self.height))
    let box = box ?? full
    guard box.left >= 0, box.top >= 0, box.right <= full.right, box.bottom <= full.bottom,
      box.left < box.right, box.top < box.bottom
    else {
      throw .invalidGeometry(
        "the box (\(box.left), \(box.top), \(box.right), \(box.bottom)) is empty or exceeds the image of "
          + "\(self.width)x\(self.height)")
    }
    try Self.checkOutput(width: width, height: height)
    return resampled(
      Resampling(
        region: bounds, box: box, outputWidth: width, outputHeight: height,
        window: PixelRect(x: 0, y: 0, width: width, height: height), filter: filter))
  }

  /// Crops, then resizes the crop: bit for bit `image.crop(...).resize((width, height), filter)`.
  ///
  /// - Throws: `ImageError.invalidGeometry` if the crop is empty or does not lie inside the image, or if a side is not
  ///   in 1...`maximumSide`.
  package func resized(
    width: Int, height: Int, cropping rect: PixelRect, filter: ResizeFilter = .bilinear
  ) throws(ImageError) -> RGBImage {
    guard rect.fits(width: self.width, height: self.height) else {
      throw .invalidGeometry("a crop of \(rect) does not lie inside an image of \(self.width)x\(self.height)")
    }
    try Self.checkOutput(width: width, height: height)
    return resampled(
      Resampling(
        region: rect, box: SampleBox(left: 0, top: 0, right: Float(rect.width), bottom: Float(rect.height)),
        outputWidth: width, outputHeight: height, window: PixelRect(x: 0, y: 0, width: width, height: height),
        filter: filter))
  }

  private static func checkOutput(width: Int, height: Int) throws(ImageError) {
    guard (1...maximumSide).contains(width), (1...maximumSide).contains(height) else {
      throw .invalidGeometry("cannot resize to \(width)x\(height); each side must be in 1...\(maximumSide)")
    }
  }

  func resampled(_ resampling: Resampling) -> RGBImage {
    let plan = ResamplingPlan(resampling)
    var scratch = [UInt8](repeating: 0, count: plan.scratchByteCount)
    let output = [UInt8](unsafeUninitializedCapacity: plan.byteCount) { output, count in
      scratch.withUnsafeMutableBufferPointer { scratch in
        pixels.withUnsafeBufferPointer { source in
          guard let source = source.baseAddress else { return }
          plan.run(source, stride: width * 3, scratch: scratch.baseAddress, to: output.baseAddress)
        }
      }
      count = plan.byteCount
    }
    return RGBImage(width: plan.width, height: plan.height, checked: output)
  }
}
