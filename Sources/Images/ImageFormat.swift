import Pixels
import Suggestions

extension ImageFormat {
  /// Recognises the format of an image by its first bytes, whatever the file's name.
  init(recognizing bytes: UnsafeRawBufferPointer) throws(ImageError) {
    guard !bytes.isEmpty else { throw .empty }
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
      self = .webp
    } else if let format = Self.formatOfBeginning(bytes) {
      throw .truncated(format, byteCount: bytes.count)
    } else if let problem = ImageError.placeholder(bytes) {
      throw problem
    } else if let name = Self.nameOfOtherFormat(bytes) {
      throw .unsupportedFormat(name)
    } else {
      throw .unrecognized
    }
  }

  /// The format of a file that ends within its signature; `nil` for others.
  private static func formatOfBeginning(_ bytes: UnsafeRawBufferPointer) -> ImageFormat? {
    if bytes.count < 3, [0xFF, 0xD8].starts(with: bytes) { return .jpeg }
    if bytes.count < 8, [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A].starts(with: bytes) { return .png }
    // The size of the file is between the two words.
    let isWebP = "RIFF".utf8.starts(with: bytes.prefix(4)) && "WEBP".utf8.starts(with: bytes.dropFirst(8))
    return bytes.count < 12 && isWebP ? .webp : nil
  }

  private static func nameOfOtherFormat(_ bytes: UnsafeRawBufferPointer) -> String? {
    func has(_ text: String, at offset: Int = 0) -> Bool { bytes.dropFirst(offset).starts(with: text.utf8) }
    if has("GIF87a") || has("GIF89a") { return "GIF" }
    if has("BM") { return "BMP" }
    if has("II*\0") || has("MM\0*") || has("II+\0") || has("MM\0+") { return "TIFF" }
    if has("ftyp", at: 4) { return nameOfISOMedia(bytes) }
    if bytes.starts(with: [0, 0, 0, 12, 0x6A, 0x50, 0x20, 0x20]) || bytes.starts(with: [0xFF, 0x4F, 0xFF, 0x51]) {
      return "JPEG 2000"
    }
    if bytes.starts(with: [0, 0, 0, 12, 0x4A, 0x58, 0x4C, 0x20]) || bytes.starts(with: [0xFF, 0x0A]) {
      return "JPEG XL"
    }
    if has("8BPS") { return "Photoshop" }
    if has("qoif") { return "QOI" }
    if bytes.starts(with: [0, 0, 1, 0]) { return "ICO" }
    if has("P"), bytes.count > 2, (0x31...0x37).contains(bytes[1]), bytes[2] <= 0x20 { return "PNM" }
    if has("<svg") || has("<?xml") { return "SVG or XML" }
    if has("%PDF") { return "PDF" }
    return nil
  }

  private static func nameOfISOMedia(_ bytes: UnsafeRawBufferPointer) -> String {
    let brand = String(decoding: bytes.dropFirst(8).prefix(4), as: UTF8.self)
    return switch brand {
    case "avif", "avis": "AVIF"
    case "heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1": "HEIC"
    default: "ISO media"
    }
  }
}

extension ImageError {
  /// The error for a file that stands for images without being one: a Git LFS pointer, or an archive; `nil` for others.
  ///
  /// - Parameter start: the first `InputAdvice.byteCount` bytes of the file or more, or the whole file.
  static func placeholder(_ start: UnsafeRawBufferPointer) -> ImageError? {
    if start.starts(with: InputAdvice.pointerStart) { return .lfsPointer }
    return InputAdvice.archive(start).map { .archive(kind: $0) }
  }
}
