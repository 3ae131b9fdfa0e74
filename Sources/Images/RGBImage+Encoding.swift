import CImageCodecs

extension RGBImage {
  /// A PNG file of the picture: the same bytes for the same pixels and version of libpng.
  ///
  /// - Throws: `.outOfMemory`.
  package func png() throws(ImageError) -> [UInt8] {
    guard let width = UInt32(exactly: width), let height = UInt32(exactly: height) else {
      throw .invalidGeometry("a picture of \(self.width)x\(self.height) does not fit a PNG file")
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

  /// The picture with its long side at most `side` pixels; smaller ones stay what they are.
  package func thumbnail(side: Int) throws(ImageError) -> RGBImage {
    let long = max(width, height)
    guard long > side else { return self }
    return try resized(width: max(1, width * side / long), height: max(1, height * side / long))
  }
}
