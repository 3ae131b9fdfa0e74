import Images
import Pixels
import Testing

/// What scripts/fixtures/make_image_fixtures.py wrote.
enum Fixtures {
  static let folder: String = {
    let file = "\(#filePath)"
    let root = file.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(root)/fixtures/images"
  }()

  static func bytes(_ name: String) throws -> [UInt8] { try ImageFile.read("\(folder)/\(name)") }

  /// The rows of a table, split at tabs.
  static func table(_ name: String) throws -> [[String]] {
    String(decoding: try bytes(name), as: UTF8.self).split(separator: "\n").map { row in
      row.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
  }

  /// The checksum of a chunk of a PNG.
  static func crc32(of bytes: ArraySlice<UInt8>) -> [UInt8] {
    var crc: UInt32 = .max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return withUnsafeBytes(of: (~crc).bigEndian) { Array($0) }
  }

  /// Noise from an integer hash of each byte's index, as the script makes it.
  static func synthetic(_ width: Int, _ height: Int) throws -> RGBImage {
    let pixels = (0..<UInt32(width * height * 3)).map { index in
      var value = index &* 2_654_435_761
      value ^= value >> 15
      value = value &* 2_246_822_519
      value ^= value >> 13
      return UInt8(truncatingIfNeeded: value)
    }
    return try #require(RGBImage(width: width, height: height, pixels: pixels))
  }
}

extension RGBImage {
  /// The CRC-32 (zlib's) of the pixels, as eight hexadecimal digits.
  var crc: String {
    var crc: UInt32 = .max
    for byte in pixels {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    let digits = String(~crc, radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }
}

/// A generator for tests, whose seed is printed where a test fails.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
    return value ^ value >> 31
  }
}
