import Pixels

/// How images are resized, where that differs from the default (formats/package.md, "Resizing section").
struct ResizingSection: Equatable {
  static let part = "resizing section"
  static let byteCount = 9
  /// The default, which applies to packages without this section.
  static let standard = ResizingSection(filter: .bilinear, cropRatio: EvaluationProtocol.defaultCropRatio)

  let filter: ResizeFilter
  let cropRatio: Double

  func encode() -> [UInt8] {
    var writer = ByteWriter()
    writer.append(filter.code)
    writer.append(cropRatio)
    return writer.bytes
  }

  static func parse(_ contents: [UInt8]) throws(PackageError) -> ResizingSection {
    var fields = SectionCursor(contents, part: part)
    let code = try fields.read(UInt8.self, "filter")
    guard let filter = ResizeFilter.allCases.first(where: { $0.code == code }) else {
      throw fields.invalid("filter", at: 0, "\(code) is unknown")
    }
    let ratio = try fields.double("crop ratio")
    guard EvaluationProtocol.cropRatios.contains(ratio) else {
      throw fields.invalid("crop ratio", at: 1, "\(ratio) is not in \(EvaluationProtocol.cropRatios)")
    }
    try fields.expectEnd()
    let resizing = ResizingSection(filter: filter, cropRatio: ratio)
    guard resizing != .standard else {
      throw fields.invalid("filter", at: 0, "the section states the default, which is not stored")
    }
    return resizing
  }
}

extension ResizeFilter {
  /// The code in a package. Codes must never be renumbered.
  fileprivate var code: UInt8 {
    switch self {
    case .bilinear: 1
    case .bicubic: 2
    case .lanczos: 3
    }
  }
}
