import CImageCodecs
import Pixels

extension RGBImage {
  /// The bytes of a PNG file of the image. They depend only on the pixels and the version of libpng.
  ///
  /// - Throws: `ImageError.outOfMemory`; `.invalidGeometry` if a side does not fit in 32 bits.
  package func png() throws(ImageError) -> [UInt8] {
    guard let width = UInt32(exactly: width), let height = UInt32(exactly: height) else {
      throw .invalidGeometry("an image of \(self.width)x\(self.height) does not fit in a PNG file")
    }
    let size = quern_image_size(width: width, height: height)
    let limit = quern_png_encoded_limit(size)
    let file = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
      var written = limit
      let status = pixels.withUnsafeBufferPointer {
        quern_png_encode($0.baseAddress, size, buffer.baseAddress, &written)
      }
      count = status == 0 ? written : 0
    }
    guard !file.isEmpty else { throw .outOfMemory(width: self.width, height: self.height) }
    return file
  }

  /// The image, resized to a long side of `side` pixels if it is larger.
  ///
  /// - Throws: `ImageError.invalidGeometry` if `side` is not in 1...`maximumSide`.
  package func thumbnail(side: Int) throws(ImageError) -> RGBImage {
    let long = max(width, height)
    guard long > side else { return self }
    return try resized(width: max(1, width * side / long), height: max(1, height * side / long))
  }
}
