import CImageCodecs
import Pixels

extension RGBImage {
  /// Decodes a JPEG, PNG or WebP file, recognised by its content.
  ///
  /// The pixels are those of Pillow's `Image.open(file).convert('RGB')`: alpha is dropped, not composited; embedded
  /// profiles, gamma and orientation are ignored; CMYK and YCCK JPEGs are assumed to be inverted, as Adobe writes them.
  /// `turnsUpright` turns the image as `ImageOps.exif_transpose` does. There is one exception: 16-bit greyscale PNGs
  /// keep their high byte, as 16-bit colour PNGs do in Pillow, too. Pillow clips them to 255, which turns nearly every
  /// such image white.
  ///
  /// Like Pillow, the decoder accepts a file that ends between its last pixel and its end marker, and JPEG data with
  /// flipped bits that still decodes. Unlike Pillow, it verifies the checksums of a PNG's pixel data.
  ///
  /// - Throws: `ImageError`: `.empty`, `.unrecognized`, `.unsupportedFormat`, `.unsupported`, `.truncated`, `.corrupt`,
  ///   `.outOfMemory`, or what `DecodingLimits.check` throws. No bytes make it trap.
  package init(
    decoding bytes: UnsafeRawBufferPointer, limits: DecodingLimits = DecodingLimits(), turnsUpright: Bool = false
  ) throws(ImageError) {
    self = try RGBImage.decoding(bytes, limits: limits, turnsUpright: turnsUpright).image
  }

  /// Decodes a JPEG, PNG or WebP file. The memory is reserved first, and other threads that decode wait while there is
  /// not enough.
  ///
  /// - Parameter turnsUpright: whether the image is turned as its EXIF data say.
  /// - Returns: the image; the reservation, which is to be kept as long as the pixels; and what the EXIF data say.
  /// - Throws: the errors of the initialiser.
  static func decoding(
    _ bytes: UnsafeRawBufferPointer, limits: DecodingLimits, turnsUpright: Bool
  ) throws(ImageError) -> (image: RGBImage, reservation: DecodingReservation, orientation: EXIFOrientation) {
    let format = try ImageFormat(recognizing: bytes)
    let codec = ImageCodec(format: format, bytes: bytes)
    var (size, working) = try codec.size()
    let (width, height) = (Int(size.width), Int(size.height))
    guard width > 0, height > 0 else { throw .corrupt(format, offset: 0, problem: "its size is \(width)x\(height)") }
    try limits.check(format, width: width, height: height, workingBytes: working, fileBytes: bytes.count)
    working += codec.tableBytes(of: size)
    try limits.check(format, workingBytes: working, fileBytes: bytes.count)
    let orientation = EXIFOrientation(of: bytes, format)
    // Limits of both sides bound the product. An image is turned into another one.
    let isTurned = turnsUpright && orientation != .upright
    let reservation = DecodingReservation(byteCount: width * height * (isTurned ? 6 : 3) + Int(working))
    let stored = RGBImage(width: width, height: height, checked: try codec.pixels(of: size, limits))
    return (isTurned ? stored.turned(orientation) : stored, reservation, orientation)
  }

  /// Decodes a JPEG, PNG or WebP file, recognised by its content, as the initialiser above does.
  ///
  /// - Throws: the errors of that initialiser.
  package init(
    decoding bytes: [UInt8], limits: DecodingLimits = DecodingLimits(), turnsUpright: Bool = false
  ) throws(ImageError) {
    let result: Result<RGBImage, ImageError> = bytes.withUnsafeBytes { buffer in
      do throws(ImageError) {
        return .success(try RGBImage(decoding: buffer, limits: limits, turnsUpright: turnsUpright))
      } catch {
        return .failure(error)
      }
    }
    self = try result.get()
  }
}

/// The Swift interface of the C codecs.
private struct ImageCodec {
  var format: ImageFormat
  var bytes: UnsafeRawBufferPointer

  /// The size in pixels, and the memory in bytes that decoding takes besides the pixels.
  func size() throws(ImageError) -> (quern_image_size, workingBytes: UInt64) {
    let data = bytes.bindMemory(to: UInt8.self)
    var size = quern_image_size()
    var workingBytes: UInt64 = 0
    var failure = quern_codec_failure()
    let status =
      switch format {
      case .jpeg: quern_jpeg_read_size(data.baseAddress, data.count, &size, &workingBytes, &failure)
      case .png: quern_png_read_size(data.baseAddress, data.count, &size, &failure)
      case .webp: quern_webp_read_size(data.baseAddress, data.count, &size, &workingBytes, &failure)
      }
    try check(status, failure, size)
    return (size, workingBytes)
  }

  /// The memory in bytes that the tables of a lossless WebP image take, which only a part of the image tells.
  func tableBytes(of size: quern_image_size) -> UInt64 {
    guard format == .webp else { return 0 }
    let data = bytes.bindMemory(to: UInt8.self)
    return quern_webp_table_bytes(data.baseAddress, data.count, size)
  }

  func pixels(of size: quern_image_size, _ limits: DecodingLimits) throws(ImageError) -> [UInt8] {
    let data = bytes.bindMemory(to: UInt8.self)
    let byteCount = Int(size.width) * Int(size.height) * 3
    let jpeg = quern_jpeg_limits(
      scans: UInt32(DecodingLimits.scans), blocks: limits.blockLimit(fileBytes: bytes.count))
    var failure = quern_codec_failure()
    var status: Int32 = 0
    let pixels = [UInt8](unsafeUninitializedCapacity: byteCount) { pixels, count in
      status =
        switch format {
        case .jpeg: quern_jpeg_decode(data.baseAddress, data.count, size, jpeg, pixels.baseAddress, &failure)
        case .png: quern_png_decode(data.baseAddress, data.count, size, pixels.baseAddress, &failure)
        case .webp: quern_webp_decode(data.baseAddress, data.count, size, pixels.baseAddress, &failure)
        }
      count = status == 0 ? byteCount : 0
    }
    try check(status, failure, size)
    return pixels
  }

  private func check(
    _ status: Int32, _ failure: quern_codec_failure, _ size: quern_image_size
  ) throws(ImageError) {
    guard status != 0 else { return }
    let message = withUnsafeBytes(of: failure.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    switch UInt32(status) {
    case QUERN_CODEC_TRUNCATED.rawValue: throw .truncated(format, byteCount: bytes.count)
    case QUERN_CODEC_UNSUPPORTED.rawValue: throw .unsupported(format, problem: message)
    case QUERN_CODEC_LIMIT.rawValue: throw .tooMuchWork(format, problem: message, fileBytes: bytes.count)
    case QUERN_CODEC_OUT_OF_MEMORY.rawValue:
      throw .outOfMemory(width: Int(size.width), height: Int(size.height))
    default: throw .corrupt(format, offset: failure.offset, problem: message)
    }
  }
}
