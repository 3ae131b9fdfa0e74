/// How images are resized where that is not the default (formats/package.md, "Resizing section").
enum ResizingSection {
  static let byteCount = 9

  static func encode(_ resizing: PackageInfo.Resizing) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(resizing.filter.rawValue)
    writer.append(resizing.cropRatio)
    return writer.bytes
  }

  static func parse(_ contents: [UInt8]) throws(PackageError) -> PackageInfo.Resizing {
    var fields = SectionCursor(contents, part: "resizing section")
    let number = try fields.read(UInt8.self, "filter")
    guard let filter = PackageInfo.ResizeFilter(rawValue: number) else {
      throw fields.invalid("filter", at: 0, "\(number) is unknown")
    }
    let ratio = try fields.double("crop ratio")
    guard PackageInfo.Resizing.cropRatios.contains(ratio) else {
      throw fields.invalid("crop ratio", at: 1, "\(ratio) is not in \(PackageInfo.Resizing.cropRatios)")
    }
    try fields.expectEnd()
    let resizing = PackageInfo.Resizing(filter: filter, cropRatio: ratio)
    guard resizing != .standard else {
      throw fields.invalid("filter", at: 0, "the section states what holds without it")
    }
    return resizing
  }
}
