import Images
import Pixels
import Testing

@Suite struct DecodingTests {
  /// A file, and what Pillow makes of it.
  struct Expectation: CustomTestStringConvertible, Sendable {
    var name: String
    var width: Int
    var height: Int
    var crc: String
    var testDescription: String { name }
  }

  static func expectations() throws -> [Expectation] {
    try Fixtures.table("decoded.tsv").map { row in
      Expectation(
        name: row[0], width: try #require(Int(row[1])), height: try #require(Int(row[2])), crc: row[3])
    }
  }

  @Test(arguments: try expectations())
  func pixelsArePillows(expected: Expectation) throws {
    let image = try ImageFile.load("\(Fixtures.folder)/\(expected.name)")
    #expect(image.width == expected.width)
    #expect(image.height == expected.height)
    #expect(image.crc == expected.crc)
  }

  /// Every shorter file is truncated, but for those that end after their last pixel, which Pillow takes, too.
  @Test(arguments: try Fixtures.table("truncated.tsv"))
  func cutFilesAreNamedTruncated(row: [String]) throws {
    let whole = try Fixtures.bytes(row[0])
    let acceptedByPillow = Set(row[2].split(separator: ",").compactMap { Int($0) })
    var accepted = 0
    for length in 0..<whole.count {
      do {
        let image = try RGBImage(decoding: Array(whole[..<length]))
        accepted += 1
        #expect(acceptedByPillow.contains(length), "\(length) bytes")
        #expect(image.crc == row[1], "\(length) bytes")
      } catch {
        let format = try #require(
          [".png": ImageFormat.png, ".jpg": .jpeg, "webp": .webp][String(row[0].suffix(4))], "\(row[0])")
        #expect(error == (length == 0 ? .empty : .truncated(format, byteCount: length)))
      }
    }
    #expect((accepted == 0) == acceptedByPillow.isEmpty)
  }

  /// Damage gives an error or a picture of some sort, never a trap; a PNG's checksums betray it.
  @Test(arguments: try Fixtures.table("truncated.tsv").map { $0[0] })
  func damagedFilesDoNotTrap(name: String) throws {
    let whole = try Fixtures.bytes(name)
    var random = SplitMix64(state: 20)
    for round in 0..<3000 {
      var bytes = whole
      for _ in 0...Int.random(in: 0..<3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      guard let image = try? RGBImage(decoding: bytes, limits: DecodingLimits(maximumPixels: 1 << 20)) else { continue }
      #expect(image.pixels.count == image.width * image.height * 3, "round \(round) of seed 20")
    }
  }

  @Test func damagedPixelDataOfPNGIsRefused() throws {
    var bytes = try Fixtures.bytes("cut.png")
    let data = try #require(bytes.indices.first { bytes[$0...].starts(with: Array("IDAT".utf8)) })
    bytes[data + 20] ^= 0x10
    do {
      _ = try RGBImage(decoding: bytes)
      Issue.record("the damage went unnoticed")
    } catch {
      guard case .corrupt(.png, let offset, _) = error else { throw error }
      #expect(offset > data)
    }
  }

  /// The first bytes of a file, text and all, and what is said of it.
  static let otherFormats: [(String, ImageError)] = [
    ("", .empty),
    ("hello, world", .unrecognized),
    ("GIF89a......", .unsupportedFormat("GIF")),
    ("RIFF....WEBP", .truncated(.webp, byteCount: 12)),
    ("RIFF....WAVEfmt ", .unrecognized),
    ("BM..........", .unsupportedFormat("BMP")),
    ("II*\0........", .unsupportedFormat("TIFF")),
    ("\0\0\0\u{18}ftypheic....", .unsupportedFormat("HEIC")),
    ("\0\0\0\u{18}ftypavif....", .unsupportedFormat("AVIF")),
    ("\0\0\0\u{C}jP  \r\n", .unsupportedFormat("JPEG 2000")),
    ("P6\n1 1\n255\nabc", .unsupportedFormat("PNM")),
    ("<svg xmlns=''/>", .unsupportedFormat("SVG or XML")),
  ]

  @Test(arguments: otherFormats)
  func otherFormatsAreNamed(text: String, expected: ImageError) {
    #expect(throws: expected) { try RGBImage(decoding: Array(text.utf8)) }
  }

  @Test func animationsAreUnsupported() throws {
    #expect(throws: ImageError.unsupported(.webp, problem: "it is animated")) {
      try RGBImage(decoding: try Fixtures.bytes("animated.webp"))
    }
  }

  /// A lossless image of a few bytes takes more memory than its pixels. The header of `VP8L` has 14 bits for each side.
  @Test func smallFilesOfLargeLosslessImagesAreRefused() throws {
    var bytes = try Fixtures.bytes("lossless-palette.webp")
    try #require(bytes[12..<16].elementsEqual("VP8L".utf8) && bytes[20] == 0x2F)
    let side: UInt32 = 5999
    let bits = (UInt32(bytes[24]) & 0xF0) << 24 | (side << 14) | side
    for index in 0..<4 { bytes[21 + index] = UInt8(truncatingIfNeeded: bits >> (8 * index)) }
    #expect {
      try RGBImage(decoding: bytes)
    } throws: { error in
      guard case .tooMuchWork(.webp, _, bytes.count)? = error as? ImageError else { return false }
      return "\(error)".contains("144000000 bytes besides the pixels")
    }
  }

  /// 65,536 groups of prefix codes, which take 164 kB of a file, would take 386 MB.
  @Test func manyGroupsOfPrefixCodesAreRefused() throws {
    let bytes = try Fixtures.bytes("3025-groups.webp")
    #expect {
      try RGBImage(decoding: bytes)
    } throws: { error in
      guard case .tooMuchWork(.webp, _, bytes.count)? = error as? ImageError else { return false }
      return "\(error)".contains("\(4 * 220 * 220 + 3025 * 20_600) bytes besides the pixels")
    }
    var limits = DecodingLimits()
    limits.expectsDenseFiles = false
    #expect(try RGBImage(decoding: bytes, limits: limits).width == 220)
  }

  /// libwebp reads a lossless image up to the end of the file, whatever length its chunk states, and even without one.
  @Test func groupsCountWhateverTheirChunk() throws {
    let bytes = try Fixtures.bytes("3025-groups.webp")
    try #require(bytes[12..<16].elementsEqual("VP8L".utf8))
    var short = bytes
    short.replaceSubrange(16..<20, with: [10, 0, 0, 0])
    for file in [short, riff(Array(bytes[20...]))] {
      #expect {
        try RGBImage(decoding: file)
      } throws: { error in
        if case .tooMuchWork(.webp, _, file.count)? = error as? ImageError { true } else { false }
      }
    }
  }

  /// libwebp decodes the first image, and with a lossy one the last alpha channel before it. Reading the images within
  /// tens of thousands of others would take a minute.
  @Test func onlyDecodedChunksCountGroups() throws {
    // Lossless compression; no transform and no cache; blocks of 4 x 4 pixels, all with the group 65,535.
    let channel: [UInt8] = [0x41, 0x4C, 0x50, 0x48, 7, 0, 0, 0, 0x01, 0x84, 0xFE, 0xF7, 0x3F, 0x22, 0x00, 0]
    let channels = Array(repeatElement(channel, count: 10_000).joined())
    let lossless = try Fixtures.bytes("lossless.webp")
    try #require(lossless[12..<16].elementsEqual("VP8L".utf8))
    #expect(try RGBImage(decoding: riff(lossless[12...] + channels)) == RGBImage(decoding: lossless))

    let lossy = try Fixtures.bytes("lossy-alpha.webp")
    try #require(lossy[12..<16].elementsEqual("VP8X".utf8) && lossy[30..<34].elementsEqual("ALPH".utf8))
    let image = try #require(lossy.indices.first { lossy[$0...].starts(with: Array("VP8 ".utf8)) })
    let decoded = try RGBImage(decoding: lossy)
    #expect(try RGBImage(decoding: riff(lossy[12...] + channels)) == decoded)
    #expect(try RGBImage(decoding: riff(lossy[12..<30] + channels + lossy[30...])) == decoded)
    #expect {
      try RGBImage(decoding: riff(lossy[12..<image] + channel + lossy[image...]))
    } throws: { error in
      guard case .tooMuchWork(.webp, _, _)? = error as? ImageError else { return false }
      return "\(error)".contains("\(5 * decoded.width * decoded.height + 65_536 * 20_600) bytes besides the pixels")
    }
  }

  /// A WebP file with what follows the 12 bytes of its header.
  private func riff(_ contents: some Collection<UInt8>) -> [UInt8] {
    let length = withUnsafeBytes(of: UInt32(4 + contents.count).littleEndian) { Array($0) }
    return Array("RIFF".utf8) + length + Array("WEBP".utf8) + contents
  }

  @Test(arguments: ["grey.jpg", "rgb-8.png", "lossless.webp", "lossy-quality-80.webp"])
  func pixelsAreLimited(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let image = try RGBImage(decoding: bytes)
    let area = image.width * image.height
    #expect(try RGBImage(decoding: bytes, limits: DecodingLimits(maximumPixels: area)) == image)
    #expect(throws: ImageError.tooManyPixels(width: image.width, height: image.height, limit: area - 1)) {
      try RGBImage(decoding: bytes, limits: DecodingLimits(maximumPixels: area - 1))
    }
  }

  /// A header may claim two thousand million pixels a side: refused before any memory is asked for.
  @Test func bombIsRefusedByItsHeader() throws {
    var bytes = try Fixtures.bytes("rgb-8.png")
    bytes.replaceSubrange(16..<24, with: [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF])
    // The header's checksum, as zlib.crc32 has it.
    bytes.replaceSubrange(29..<33, with: Fixtures.crc32(of: bytes[12..<29]))
    #expect(throws: ImageError.sideTooLong(width: 0x7FFF_FFFF, height: 0x7FFF_FFFF, limit: 65_535)) {
      try RGBImage(decoding: bytes)
    }
  }

  @Test func jpegOfTwoComponentsIsUnsupported() throws {
    // A frame of two components of 8 bits; libjpeg reads as far as the scan's header before it says how many there are.
    let bytes: [UInt8] =
      [0xFF, 0xD8, 0xFF, 0xC0, 0, 14, 8, 0, 8, 0, 8, 2, 1, 0x11, 0, 2, 0x11, 0]
      + [0xFF, 0xDA, 0, 10, 2, 1, 0, 2, 0, 0, 63, 0, 0xFF, 0xD9]
    #expect(throws: ImageError.unsupported(.jpeg, problem: "2 colour components instead of 1, 3 or 4")) {
      try RGBImage(decoding: bytes)
    }
  }

  @Test func jpegOfTwelveBitsIsUnsupported() throws {
    var bytes = try Fixtures.bytes("grey.jpg")
    let frame = try #require(bytes.indices.first { bytes[$0...].starts(with: [0xFF, 0xC0]) })
    bytes[frame + 4] = 12
    do {
      _ = try RGBImage(decoding: bytes)
      Issue.record("12 bits were taken")
    } catch {
      guard case .unsupported(.jpeg, _) = error else { throw error }
    }
  }

  /// A progressive file with thousands of scans takes minutes; it is stopped at 100.
  @Test func endlessScansAreStopped() throws {
    let bytes = try Fixtures.bytes("cut-progressive.jpg")
    let scan = try #require(bytes.lastIndex(where: { $0 == 0xDA })) - 1
    let lastScan = bytes[scan..<bytes.count - 2]
    var bomb = Array(bytes[..<scan])
    for _ in 0..<120 { bomb += lastScan }
    bomb += [0xFF, 0xD9]
    do {
      _ = try RGBImage(decoding: bomb)
      Issue.record("120 scans were taken")
    } catch {
      guard case .tooMuchWork(.jpeg, "it has more than 100 scans", _) = error else { throw error }
    }
  }
}
