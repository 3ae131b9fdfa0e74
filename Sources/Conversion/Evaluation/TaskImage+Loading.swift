import Images
import Pixels
import Retrieval

extension TaskImage {
  /// The file as an entry of a list of images.
  ///
  /// - Throws: `ConversionError.wrongKind` where no file is known.
  func file() throws(ConversionError) -> ImageFolder.File {
    guard let path else {
      throw .wrongKind("\(name): only its embedding is at hand; give the folder of images by --data")
    }
    return ImageFolder.File(relativePath: name, path: path)
  }

  /// The pixels, turned upright and cropped to the box.
  ///
  /// - Parameter image: that of `file()`.
  /// - Throws: `ImageError.invalidGeometry` where the box has no pixel of the image.
  func pixels(_ image: LoadedImage) throws(ImageError) -> RGBImage {
    let pixels = image.pixels.turned(quarters: quarterTurns)
    guard let box else { return pixels }
    guard let rect = box.rect(inWidth: pixels.width, height: pixels.height) else {
      throw .invalidGeometry("the query's box does not cover a pixel of the image of \(pixels.width)x\(pixels.height)")
    }
    return try pixels.cropped(to: rect)
  }
}

extension ImageBox {
  /// The part inside an image, with the corners rounded as Pillow's `crop` does, halves to even; `nil` where that is
  /// empty.
  func rect(inWidth width: Int, height: Int) -> PixelRect? {
    func rounded(_ value: Double, _ limit: Int) -> Int { min(max(Int(value.rounded(.toNearestOrEven)), 0), limit) }
    let (x, y) = (rounded(left, width), rounded(top, height))
    let (endX, endY) = (rounded(right, width), rounded(bottom, height))
    return x < endX && y < endY ? PixelRect(x: x, y: y, width: endX - x, height: endY - y) : nil
  }
}
