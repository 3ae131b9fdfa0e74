/// The fixed-size section of what a runtime has to know (formats/package.md, "Runtime section").
enum RuntimeSection {
  static func encode(_ info: PackageInfo) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(count: info.imageSize)
    writer.append(count: info.classCount)
    writer.append(count: info.embeddingDimension)
    writer.append(info.poolingExponent)
    writer.append(info.crop.rawValue)
    writer.append([0, 0, 0])
    return writer.bytes
  }

  static func parse(_ contents: [UInt8]) throws(PackageError) -> PackageInfo {
    var fields = SectionCursor(contents, part: "runtime section")
    let imageSize = try number(&fields, "image size", 1...)
    let classCount = try number(&fields, "class count", 0...)
    let embeddingDimension = try number(&fields, "embedding dimension", 1...)
    let exponent = try fields.float("pooling exponent")
    guard exponent > 0 else { throw fields.invalid("pooling exponent", at: 12, "is \(exponent)") }
    let crop = try fields.read(UInt8.self, "crop")
    guard let crop = PackageInfo.Crop(rawValue: crop) else {
      throw fields.invalid("crop", at: 16, "\(crop) is unknown")
    }
    try fields.expectZeros(3, "reserved")
    try fields.expectEnd()
    return PackageInfo(
      imageSize: imageSize, crop: crop, classCount: classCount, embeddingDimension: embeddingDimension,
      poolingExponent: exponent)
  }

  private static func number(
    _ fields: inout SectionCursor, _ field: String, _ range: PartialRangeFrom<Int>
  ) throws(PackageError) -> Int {
    let start = fields.offset
    let value = Int(try fields.read(UInt32.self, field))
    guard range.contains(value), value <= Int(Int32.max) else {
      throw fields.invalid(field, at: start, "\(value) is out of range")
    }
    return value
  }
}

/// The classes' names (formats/package.md, "Label section").
enum LabelSection {
  static let countLimit = 1 << 20

  static func encode(_ labels: [String]) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(count: labels.count)
    for label in labels { writer.append(label) }
    return writer.bytes
  }

  static func parse(_ contents: [UInt8], classCount: Int) throws(PackageError) -> [String] {
    var fields = SectionCursor(contents, part: "label section")
    let count = try fields.count("label count", itemSize: 4, limit: countLimit)
    guard count == classCount, count > 0 else {
      throw fields.invalid("label count", at: 0, "\(count) labels for \(classCount) classes")
    }
    var labels: [String] = []
    for _ in 0..<count { labels.append(try fields.string("label")) }
    try fields.expectEnd()
    return labels
  }
}
