import Pixels
import Synchronization

/// Limits on image files, beyond which a file is refused: by its header, before any pixel is decoded, or where a JPEG
/// takes more passes than its bytes can be worth.
///
/// Some limits grow with the file. A photograph has more than a byte for every 80 pixels, even at a low quality, and a
/// file of a megabyte or less can therefore not take much memory or time. Whoever sets the limit of pixels accepts all
/// files.
package struct DecodingLimits: Hashable, Sendable {
  /// The limit of width times height unless another one is set. Decoded pixels take three bytes each.
  package static let defaultPixels = 1 << 27
  /// The limit of width and of height.
  package static let side = 65_535
  /// The number of pixels that a file of any size may have, unless it exceeds `maximumPixels`.
  package static let freePixels = 1 << 26
  /// The number of pixels that a larger image may have for each byte of its file.
  package static let pixelsPerByte = 80
  /// The limit of scans of a JPEG. Encoders write at most a few dozen.
  package static let scans = 100
  /// The size of a file in bytes up to which the coefficients of a JPEG have a fixed limit.
  package static let smallFileBytes = 1 << 20
  /// The memory in bytes that they may take in such a file, and so may what decoding a WebP image takes.
  package static let freeWorkingBytes = 48 << 20
  /// The memory in bytes that either may take for each byte of a larger file.
  package static let workingBytesPerByte = 256
  /// The number of blocks in all scans of a JPEG that has several, in a file of any size.
  package static let freeBlocks = 1 << 23
  /// The number of blocks that there may be for each byte of a larger file.
  package static let blocksPerByte = 16

  /// Limit of width times height.
  package var maximumPixels: Int
  /// Limit of the bytes of a file.
  package var maximumFileBytes: Int
  /// Whether the limits that depend on the size of the file apply.
  package var expectsDenseFiles: Bool

  /// - Parameters:
  ///   - maximumPixels: by default 134,217,728.
  ///   - maximumFileBytes: by default 256 MiB.
  ///   - expectsDenseFiles: whether the limits that depend on the size of the file apply.
  package init(
    maximumPixels: Int = Self.defaultPixels, maximumFileBytes: Int = 256 << 20, expectsDenseFiles: Bool = true
  ) {
    self.maximumPixels = maximumPixels
    self.maximumFileBytes = maximumFileBytes
    self.expectsDenseFiles = expectsDenseFiles
  }

  /// The limit that the user set; 0 where it was not set.
  private static let stated = Atomic<Int>(0)

  /// The limits of this process.
  package static var current: DecodingLimits {
    let pixels = stated.load(ordering: .relaxed)
    return pixels == 0 ? DecodingLimits() : DecodingLimits(maximumPixels: pixels, expectsDenseFiles: false)
  }

  /// Sets the limit of pixels of all images that this process decodes from now on, whatever the sizes of their files.
  package static func setPixelLimit(_ pixels: Int) { stated.store(max(pixels, 1), ordering: .relaxed) }

  /// The number of blocks that the scans of a JPEG may have, if it has several.
  func blockLimit(fileBytes: Int) -> UInt64 {
    guard expectsDenseFiles else { return .max }
    return UInt64(max(Self.freeBlocks, Self.blocksPerByte * fileBytes))
  }

  /// Checks what the header of a file says.
  ///
  /// - Parameters:
  ///   - width: in pixels, positive.
  ///   - height: in pixels, positive.
  ///   - workingBytes: what decoding takes besides the pixels.
  ///   - fileBytes: the size of the file.
  /// - Throws: `ImageError.sideTooLong`, `.tooManyPixels`, `.tooFewBytes` or `.tooMuchWork`.
  package func check(
    _ format: ImageFormat, width: Int, height: Int, workingBytes: UInt64, fileBytes: Int
  ) throws(ImageError) {
    guard max(width, height) <= Self.side else {
      throw .sideTooLong(width: width, height: height, limit: Self.side)
    }
    guard width * height <= maximumPixels else {
      throw .tooManyPixels(width: width, height: height, limit: maximumPixels)
    }
    guard expectsDenseFiles else { return }
    let limit = max(Self.freePixels, Self.pixelsPerByte * fileBytes)
    guard width * height <= limit else {
      throw .tooFewBytes(format, width: width, height: height, fileBytes: fileBytes, limit: limit)
    }
    try check(format, workingBytes: workingBytes, fileBytes: fileBytes)
  }

  /// Checks the memory that decoding a file takes besides the pixels.
  ///
  /// - Throws: `ImageError.tooMuchWork`.
  func check(_ format: ImageFormat, workingBytes: UInt64, fileBytes: Int) throws(ImageError) {
    guard expectsDenseFiles else { return }
    let memory =
      fileBytes <= Self.smallFileBytes ? Self.freeWorkingBytes : Self.workingBytesPerByte * fileBytes
    guard workingBytes <= UInt64(memory) else {
      throw .tooMuchWork(
        format, problem: "decoding takes \(workingBytes) bytes besides the pixels, more than \(memory)",
        fileBytes: fileBytes)
    }
  }
}
