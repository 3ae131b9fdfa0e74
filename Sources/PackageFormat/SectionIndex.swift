import Files
import Tensors

/// What a section contains (formats/package.md, "Index"). It may be a kind that this version does not know.
package struct SectionKind: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The nodes of the network and their attributes.
  package static let graph = SectionKind(rawValue: 1)
  /// The first image size, the crop, and the lengths of the outputs.
  package static let runtime = SectionKind(rawValue: 2)
  /// The names of the classes.
  package static let labels = SectionKind(rawValue: 3)
  /// The elements of a constant.
  package static let tensor = SectionKind(rawValue: 4)
  /// The image sizes other than the first.
  package static let sizes = SectionKind(rawValue: 5)
  /// The resize filter and the crop ratio, where they are not the default.
  package static let resizing = SectionKind(rawValue: 6)
  /// What the network computes for synthetic images.
  package static let selfTest = SectionKind(rawValue: 7)
  /// The licence of the weights.
  package static let license = SectionKind(rawValue: 8)
  /// A JSON text that does not change what the package computes.
  package static let metadata = SectionKind(rawValue: 255)

  /// Whether a reader that does not know the kind must refuse the package; `nil` for kinds that this version does not
  /// know.
  var isCritical: Bool? {
    switch self {
    case .graph, .runtime, .tensor, .sizes, .resizing: true
    case .labels, .selfTest, .license, .metadata: false
    default: nil
    }
  }

  /// The maximum number of bytes of the contents.
  var contentLimit: Int {
    switch self {
    case .graph, .labels, .metadata: 16 << 20
    case .sizes: 4 + 12 * SizeSection.countLimit
    case .resizing: ResizingSection.byteCount
    case .selfTest: SelfTestSection.byteLimit
    case .license: LicenseSection.byteLimit
    default: .max
    }
  }
}

extension SectionKind {
  /// Contents of more than `freeLength` bytes may be at most this many times as long as the compressed bytes. Texts
  /// take several times their length once they are read.
  fileprivate var expansionLimit: Int {
    switch self {
    case .labels, .metadata: 4
    default: SectionIndex.compressionLimit
    }
  }

  /// The length of contents up to which a text may expand as everything else.
  fileprivate static let freeLength = 1 << 20
}

extension SectionKind: CustomStringConvertible {
  package var description: String {
    switch self {
    case .graph: "graph"
    case .runtime: "runtime"
    case .labels: "labels"
    case .tensor: "tensor"
    case .sizes: "size"
    case .resizing: "resizing"
    case .selfTest: "self-test"
    case .license: "licence"
    case .metadata: "metadata"
    default: "kind \(rawValue)"
    }
  }
}

/// How a section's bytes are stored in the file. It may be an encoding that this version does not know, in sections
/// that it may ignore.
package struct SectionEncoding: RawRepresentable, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// The contents as they are.
  package static let stored = SectionEncoding(rawValue: 0)
  /// One zstd frame.
  package static let zstd = SectionEncoding(rawValue: 1)
}

extension SectionEncoding: CustomStringConvertible {
  package var description: String {
    switch self {
    case .stored: "stored"
    case .zstd: "zstd"
    default: "encoding \(rawValue)"
    }
  }
}

/// One entry of the index (formats/package.md, "Index").
package struct SectionEntry: Hashable, Sendable {
  /// What the section contains.
  package var kind: SectionKind
  /// How its bytes are stored.
  package var encoding: SectionEncoding
  /// Whether a reader that does not know the kind must refuse the package.
  package var isCritical: Bool
  /// The offset of the section in the file.
  package var offset: Int
  /// The number of bytes in the file.
  package var storedLength: Int
  /// The number of bytes of the contents.
  package var rawLength: Int
  /// The hash of the contents.
  package var rawHash: SHA256.Digest
  /// The hash of the bytes in the file.
  package var storedHash: SHA256.Digest

  /// The range of the bytes in the file. Those of entries from a parsed index are within the file.
  package var range: Range<Int> { offset..<offset + storedLength }
}

/// The list of a package's sections (formats/package.md, "Index").
enum SectionIndex {
  static let entryByteCount = 96

  /// Contents may be at most this many times as long as the compressed bytes, plus `compressionAllowance`, so that a
  /// small file cannot fill the memory. Long texts have a lower limit.
  static let compressionLimit = 32
  static let compressionAllowance = 4096

  /// Whether contents of a kind may be stored in so few compressed bytes.
  static func mayCompress(_ kind: SectionKind, rawLength: Int, to storedLength: Int) -> Bool {
    let limit = rawLength <= SectionKind.freeLength ? compressionLimit : kind.expansionLimit
    let (product, overflow) = storedLength.multipliedReportingOverflow(by: limit)
    return overflow || rawLength <= compressionAllowance || rawLength - compressionAllowance <= product
  }

  static func encode(_ entries: [SectionEntry]) -> [UInt8] {
    var writer = ByteWriter()
    for entry in entries {
      writer.append(entry.kind.rawValue)
      writer.append(entry.encoding.rawValue)
      writer.append(UInt8(entry.isCritical ? 1 : 0))
      writer.append([UInt8](repeating: 0, count: 5))
      writer.append(UInt64(entry.offset))
      writer.append(UInt64(entry.storedLength))
      writer.append(UInt64(entry.rawLength))
      writer.append(entry.rawHash.bytes)
      writer.append(entry.storedHash.bytes)
    }
    return writer.bytes
  }

  /// The hash of the critical sections' kinds, lengths and contents, which identifies what the package computes.
  static func contentHash(_ entries: [SectionEntry]) -> SHA256.Digest {
    var writer = ByteWriter()
    writer.append(Array("quern content 1\n".utf8))
    for entry in entries where entry.isCritical {
      writer.append(entry.kind.rawValue)
      writer.append(UInt64(entry.rawLength))
      writer.append(entry.rawHash.bytes)
    }
    return SHA256.hash(writer.bytes)
  }

  static func parse(_ cursor: ByteCursor, header: FileHeader) throws(PackageError) -> [SectionEntry] {
    let indexRange = header.indexOffset..<header.indexOffset + header.indexLength
    guard indexRange.upperBound <= cursor.storage.bytes.count, header.indexLength % entryByteCount == 0 else {
      throw .invalidField(
        part: "header", field: "index length", offset: 40,
        problem: "\(header.indexLength) is not a multiple of \(entryByteCount)")
    }
    let hash = cursor.storage.withBytes(in: indexRange) { SHA256.hash($0) }
    guard hash == header.indexHash else { throw .hashMismatch(part: "index", offset: header.indexOffset) }

    var fields = SectionCursor(ByteCursor(cursor.storage, range: indexRange), part: "index")
    var entries: [SectionEntry] = []
    var tensorHashes: Set<SHA256.Digest> = []
    var end = FileHeader.byteCount
    while fields.remaining > 0 {
      fields = SectionCursor(
        ByteCursor(cursor.storage, range: fields.offset..<indexRange.upperBound), part: "index entry \(entries.count)")
      let entry = try parseEntry(
        &fields, number: entries.count, after: entries.last, expectedOffset: end, header: header)
      if entry.kind == .tensor, !tensorHashes.insert(entry.rawHash).inserted {
        throw fields.invalid("raw hash", at: fields.offset - 64, "an earlier tensor has the same contents")
      }
      end = entry.range.upperBound
      entries.append(entry)
    }
    guard FileHeader.aligned(end) == header.indexOffset else {
      throw .invalidField(
        part: "header", field: "index offset", offset: 32, problem: "does not follow the last section's end at \(end)")
    }
    for kind in [SectionKind.graph, .runtime] where !entries.contains(where: { $0.kind == kind }) {
      throw .missingSection(kind: "\(kind)")
    }
    guard contentHash(entries) == header.contentHash else { throw .hashMismatch(part: "content hash", offset: 96) }
    return entries
  }

  private static func parseEntry(
    _ fields: inout SectionCursor, number: Int, after previous: SectionEntry?, expectedOffset end: Int,
    header: FileHeader
  ) throws(PackageError) -> SectionEntry {
    let start = fields.offset
    let kind = SectionKind(rawValue: try fields.read(UInt8.self, "kind"))
    let encoding = SectionEncoding(rawValue: try fields.read(UInt8.self, "encoding"))
    let flags = try fields.read(UInt8.self, "flags")
    guard kind.rawValue != 0 else { throw fields.invalid("kind", at: start, "0 is not a kind") }
    guard flags <= 1 else { throw fields.invalid("flags", at: start + 2, "unknown bits are set") }
    if let critical = kind.isCritical {
      guard critical == (flags == 1) else {
        throw fields.invalid("flags", at: start + 2, "wrong for a \(kind) section")
      }
      guard encoding == .stored || encoding == .zstd else {
        throw fields.invalid("encoding", at: start + 1, "\(encoding.rawValue) is unknown")
      }
    } else if flags == 1 {
      throw .unknownCriticalSection(entry: number, kind: kind.rawValue)
    }
    if let previous {
      guard previous.kind.rawValue <= kind.rawValue else {
        throw fields.invalid("kind", at: start, "\(kind) after \(previous.kind): not in ascending order")
      }
      guard previous.kind != kind || kind == .tensor || kind.isCritical == nil else {
        throw fields.invalid("kind", at: start, "a second \(kind) section")
      }
    }
    try fields.expectZeros(5, "reserved")
    let offset = try fields.size("offset")
    let storedLength = try fields.size("stored length")
    let rawLength = try fields.size("raw length")
    guard offset == FileHeader.aligned(end) else {
      throw fields.invalid("offset", at: start + 8, "\(offset) does not follow the previous part, which ends at \(end)")
    }
    guard offset <= header.indexOffset, storedLength <= header.indexOffset - offset else {
      throw fields.invalid("stored length", at: start + 16, "\(storedLength) bytes reach into the index")
    }
    guard rawLength <= kind.contentLimit else {
      throw fields.invalid("raw length", at: start + 24, "\(rawLength) is more than \(kind.contentLimit)")
    }
    let entry = SectionEntry(
      kind: kind, encoding: encoding, isCritical: flags == 1, offset: offset, storedLength: storedLength,
      rawLength: rawLength, rawHash: try fields.digest("raw hash"), storedHash: try fields.digest("stored hash"))
    if encoding == .stored {
      guard storedLength == rawLength, entry.rawHash == entry.storedHash else {
        throw fields.invalid(
          "raw length", at: start + 24, "without compression, lengths and hashes must be equal")
      }
    } else if encoding == .zstd {
      guard storedLength < rawLength, mayCompress(kind, rawLength: rawLength, to: storedLength) else {
        throw fields.invalid(
          "raw length", at: start + 24,
          "\(storedLength) compressed bytes of a \(kind) section must not expand to \(rawLength)")
      }
    }
    return entry
  }
}

extension TensorStorage {
  /// Calls `body` with a range of the bytes, which must be within bounds, and keeps the storage alive until it returns.
  func withBytes<Result>(in range: Range<Int>, _ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
    try withExtendedLifetime(self) { try body(UnsafeRawBufferPointer(rebasing: bytes[range])) }
  }
}
