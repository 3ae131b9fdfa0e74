import Files
import Suggestions

/// The first part of a package, of fixed size (formats/package.md, "Header").
struct FileHeader: Hashable, Sendable {
  static let magic: [UInt8] = [0x89] + Array("QUERN\r\n".utf8)
  static let major = 1
  /// The minor version that is written. Later minor versions are read, too.
  static let minor = 0
  /// The size of the header, including its own hash.
  static let byteCount = 160
  /// The size of the part that the header's own hash covers.
  static let hashedByteCount = 128
  /// Every section starts at a multiple of this many bytes.
  static let alignment = 64

  var minor: Int
  var obligations: Obligations
  var fileLength: Int
  var indexOffset: Int
  var indexLength: Int
  var indexHash: SHA256.Digest
  var contentHash: SHA256.Digest

  /// The first multiple of the alignment at or after `offset`; `nil` if it does not fit into an Int.
  static func aligned(_ offset: Int) -> Int? {
    let (sum, overflow) = offset.addingReportingOverflow(alignment - 1)
    return overflow ? nil : sum & ~(alignment - 1)
  }

  func encoded() -> [UInt8] {
    var writer = ByteWriter()
    writer.append(Self.magic)
    writer.append(UInt16(Self.major))
    writer.append(UInt16(clamping: minor))
    writer.append(UInt32(Self.byteCount))
    writer.append(obligations.rawValue)
    writer.append(UInt64(fileLength))
    writer.append(UInt64(indexOffset))
    writer.append(UInt64(indexLength))
    writer.append([UInt8](repeating: 0, count: 16))
    writer.append(indexHash.bytes)
    writer.append(contentHash.bytes)
    writer.append(SHA256.hash(writer.bytes).bytes)
    return writer.bytes
  }

  /// Reads the header of a file with `fileLength` bytes.
  ///
  /// The order of the checks gives the most useful error: first another format, then a newer version, damage, and a
  /// file that was cut short.
  static func parse(_ cursor: ByteCursor, fileLength: Int) throws(PackageError) -> FileHeader {
    try checkMagic(cursor)
    var fields = SectionCursor(cursor, part: "header")
    _ = try fields.bytes(magic.count, "magic")
    let major = Int(try fields.read(UInt16.self, "major version"))
    let minor = Int(try fields.read(UInt16.self, "minor version"))
    guard major == Self.major else {
      if major > Self.major { throw .newerVersion(major: major, minor: minor) }
      throw fields.invalid("major version", at: 8, "version \(major).\(minor) does not exist")
    }
    var whole = SectionCursor(cursor, part: "header")
    let hashed = try whole.bytes(hashedByteCount, "fields")
    let hash = try whole.digest("header hash")
    guard SHA256.hash(hashed) == hash else { throw .hashMismatch(part: "header", offset: 0) }

    let size = try fields.read(UInt32.self, "header size")
    guard size == byteCount else { throw fields.invalid("header size", at: 12, "\(size) instead of \(byteCount)") }
    let obligations = Obligations(rawValue: try fields.read(UInt64.self, "obligations"))
    guard obligations.isSubset(of: .known) else { throw .unknownObligations(bits: obligations.rawValue) }
    let stated = try fields.size("file length")
    guard stated == fileLength else { throw .fileLength(stated: stated, actual: fileLength) }
    let indexOffset = try fields.size("index offset")
    let indexLength = try fields.size("index length")
    guard let start = aligned(byteCount), indexOffset >= start, indexOffset % alignment == 0 else {
      throw fields.invalid("index offset", at: 32, "\(indexOffset) is unaligned or inside the header")
    }
    let (end, overflow) = indexOffset.addingReportingOverflow(indexLength)
    guard !overflow, end == fileLength else {
      throw fields.invalid("index length", at: 40, "\(indexLength) does not end the index at the end of the file")
    }
    try fields.expectZeros(16, "reserved")
    return FileHeader(
      minor: minor, obligations: obligations, fileLength: stated, indexOffset: indexOffset, indexLength: indexLength,
      indexHash: try fields.digest("index hash"), contentHash: try fields.digest("content hash"))
  }

  private static func checkMagic(_ cursor: ByteCursor) throws(PackageError) {
    if cursor.starts(with: magic) { return }
    if cursor.remaining < magic.count, cursor.starts(with: Array(magic.prefix(cursor.remaining))) {
      throw .fileLength(stated: byteCount, actual: cursor.remaining)
    }
    let kinds: [([UInt8], String)] = [
      (
        [0x89] + Array("QUERN\n".utf8),
        "a quern package whose line ends were converted as if it were text; copy it in binary mode"
      ),
      ([0x09] + Array("QUERN".utf8), "a quern package that went through a 7-bit channel; copy it in binary mode"),
      (Array("PK\u{3}\u{4}".utf8), "a ZIP archive, such as a PyTorch checkpoint; convert it first"),
      ([0x80, 0x02], "a pickle, such as an older PyTorch checkpoint; convert it first"),
      (InputAdvice.pointerStart, "\(InputAdvice.pointerKind); \(InputAdvice.pointerAdvice)"),
      ([0x08], "a protobuf message, such as an ONNX model; convert it first"),
    ]
    // These are the bytes that most files of the kind start with; others are reported as unknown.
    let kind = kinds.first { cursor.starts(with: $0.0) }?.1
    throw .notAPackage(looksLike: kind ?? "no format that quern knows")
  }
}
