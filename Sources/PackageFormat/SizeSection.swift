import Pixels

/// A size that a package was converted for, as it is stored.
struct SizeRecord {
  /// The side in pixels.
  let side: Int
  let poolingExponent: Double

  static let sides = 1...RGBImage.maximumSide
}

/// The sizes that a package was converted for, other than the first (formats/package.md, "Size section"). A package for
/// one size does not have this section.
enum SizeSection {
  static let countLimit = 64

  static func encode(_ resolutions: some Collection<Resolution>) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(count: resolutions.count)
    for resolution in resolutions {
      writer.append(count: resolution.side)
      writer.append(resolution.poolingExponent ?? 1)
    }
    return writer.bytes
  }

  /// - Parameters:
  ///   - contents: the uncompressed contents of the section.
  ///   - first: the image size of the runtime section, which must not occur again.
  static func parse(_ contents: [UInt8], first: Int) throws(PackageError) -> [SizeRecord] {
    var fields = SectionCursor(contents, part: "size section")
    let count = try fields.count("size count", itemSize: 12, limit: countLimit)
    guard count > 0 else { throw fields.invalid("size count", at: 0, "is 0") }
    var sizes: [SizeRecord] = []
    for _ in 0..<count {
      let start = fields.offset
      let side = Int(try fields.read(UInt32.self, "image size"))
      guard side > sizes.last?.side ?? 0, SizeRecord.sides.contains(side), side != first else {
        throw fields.invalid("image size", at: start, "\(side) is out of range, out of order, or a duplicate")
      }
      let exponent = try fields.double("pooling exponent")
      guard exponent > 0 else { throw fields.invalid("pooling exponent", at: start + 4, "is \(exponent)") }
      sizes.append(SizeRecord(side: side, poolingExponent: exponent))
    }
    try fields.expectEnd()
    return sizes
  }
}
