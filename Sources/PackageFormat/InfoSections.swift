import Files
import Pixels

/// The section of fixed size with what a runtime needs to know (formats/package.md, "Runtime section").
struct RuntimeSection {
  let size: SizeRecord
  let crop: CropProtocol
  let classCount: Int
  let embeddingDimension: Int

  static func encode(_ info: PackageInfo) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(count: info.standard.side)
    writer.append(count: info.classCount)
    writer.append(count: info.embeddingDimension)
    writer.append(Float(info.standard.poolingExponent ?? 1))
    writer.append(info.standard.evaluation.crop.code)
    writer.append([0, 0, 0])
    return writer.bytes
  }

  static func parse(_ contents: [UInt8]) throws(PackageError) -> RuntimeSection {
    var fields = SectionCursor(contents, part: "runtime section")
    let side = try number(&fields, "image size", SizeRecord.sides)
    let classCount = try number(&fields, "class count", 0...Int(Int32.max))
    let embeddingDimension = try number(&fields, "embedding dimension", 1...Int(Int32.max))
    let exponent = try fields.float("pooling exponent")
    // A float32 stands for its shortest decimal, such as 3.3, and not for the nearest double, 3.299999952316284.
    guard exponent > 0, let number = Double("\(exponent)") else {
      throw fields.invalid("pooling exponent", at: 12, "is \(exponent)")
    }
    let code = try fields.read(UInt8.self, "crop")
    guard let crop = CropProtocol.allCases.first(where: { $0.code == code }) else {
      throw fields.invalid("crop", at: 16, "\(code) is unknown")
    }
    try fields.expectZeros(3, "reserved")
    try fields.expectEnd()
    return RuntimeSection(
      size: SizeRecord(side: side, poolingExponent: number), crop: crop, classCount: classCount,
      embeddingDimension: embeddingDimension)
  }

  private static func number(
    _ fields: inout SectionCursor, _ field: String, _ range: ClosedRange<Int>
  ) throws(PackageError) -> Int {
    let start = fields.offset
    let value = Int(try fields.read(UInt32.self, field))
    guard range.contains(value) else {
      throw fields.invalid(field, at: start, "\(value) is out of range")
    }
    return value
  }
}

extension CropProtocol {
  /// The code in a package. Codes must never be renumbered.
  fileprivate var code: UInt8 {
    switch self {
    case .square: 1
    case .rect: 2
    }
  }
}

extension PackageInfo {
  /// The information in several sections.
  ///
  /// - Parameters:
  ///   - runtime: the contents of the runtime section.
  ///   - sizes: the contents of the size section; `nil` if the package has none.
  ///   - resizing: the contents of the resizing section; `nil` if the package has none.
  init(runtime: [UInt8], sizes: [UInt8]?, resizing: [UInt8]?) throws(PackageError) {
    let runtime = try RuntimeSection.parse(runtime)
    var records = [runtime.size]
    if let sizes { records += try SizeSection.parse(sizes, first: runtime.size.side) }
    let resizing = if let resizing { try ResizingSection.parse(resizing) } else { ResizingSection.standard }
    guard runtime.crop == .square || resizing.cropRatio == ResizingSection.standard.cropRatio else {
      throw .invalidField(
        part: ResizingSection.part, field: "crop ratio", offset: 1,
        problem: "is \(resizing.cropRatio), but a rect crop does not use one")
    }
    var resolutions: [Resolution] = []
    for record in records {
      do throws(ImageError) {
        let evaluation = try EvaluationProtocol(
          crop: runtime.crop, size: record.side, filter: resizing.filter, cropRatio: resizing.cropRatio)
        resolutions.append(Resolution(evaluation, poolingExponent: record.poolingExponent))
      } catch {
        throw .invalidField(part: "runtime section", field: "image size", offset: 0, problem: "\(error)")
      }
    }
    self.init(
      resolutions: resolutions, classCount: runtime.classCount, embeddingDimension: runtime.embeddingDimension)
  }
}

/// The section with the names of the classes (formats/package.md, "Label section").
enum LabelSection {
  static let countLimit = 1 << 20

  static func encode(_ labels: [String]) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(count: labels.count)
    for label in labels { writer.append(label) }
    return writer.bytes
  }

  static func parse(_ contents: ByteCursor, classCount: Int) throws(PackageError) -> [String] {
    var fields = SectionCursor(contents, part: "label section")
    let count = try fields.count("label count", itemSize: 4, limit: countLimit)
    guard count == classCount, count > 0 else {
      throw fields.invalid("label count", at: 0, "\(count) labels for \(classCount) classes")
    }
    var labels: [String] = []
    labels.reserveCapacity(count)
    for _ in 0..<count { labels.append(try fields.string("label", limit: SectionCursor.textLimit)) }
    try fields.expectEnd()
    return labels
  }
}
