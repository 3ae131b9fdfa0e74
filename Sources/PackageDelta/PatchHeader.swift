import Files
import PackageFormat
import Tensors

/// The first part of a patch, of fixed size (formats/patch.md, "Header").
struct PatchHeader: Hashable, Sendable {
  static let magic: [UInt8] = [0x89] + Array("QPATC\r\n".utf8)
  static let major = 1
  /// The minor version that is written. Later minor versions are read, too.
  static let minor = 0
  /// The size of the header, including its own hash.
  static let byteCount = 256
  /// The size of the part that the header's own hash covers.
  static let hashedByteCount = 224
  /// The largest directory without compression: one entry for each of 524,288 sections.
  static let directoryLimit = 16 << 20

  /// The size of the patch in bytes.
  var fileLength: Int
  /// The size of the directory in bytes, without compression.
  var directoryLength: Int
  /// The size of the directory in bytes, as stored. If it is less than `directoryLength`, the directory is compressed.
  var storedDirectoryLength: Int
  /// The version of libzstd that the new package's sections were compressed with, as `ZSTD_versionNumber` states it.
  var zstdVersion: Int
  /// The package that the patch applies to.
  var old: PackageIdentity
  /// The package that the patch makes.
  var new: PackageIdentity
  /// The hash of everything after the header.
  var bodyHash: SHA256.Digest

  func encoded() -> [UInt8] {
    var bytes = Self.magic
    bytes.append(integer: UInt16(Self.major))
    bytes.append(integer: UInt16(Self.minor))
    bytes.append(integer: UInt32(Self.byteCount))
    for count in [fileLength, directoryLength, storedDirectoryLength, old.byteCount, new.byteCount] {
      bytes.append(integer: UInt64(count))
    }
    bytes.append(integer: UInt32(clamping: zstdVersion))
    bytes.append(integer: UInt32(0))
    for digest in [old.sha256, old.contentHash, new.sha256, new.contentHash, bodyHash] { bytes += digest.bytes }
    return bytes + SHA256.hash(bytes).bytes
  }

  /// Reads the header of a patch and checks the hash of everything after it.
  ///
  /// - Throws: `PatchError.notAPatch`, `.newerVersion`, `.fileLength`, `.hashMismatch` or `.invalidField`.
  static func parse(_ storage: TensorStorage) throws(PatchError) -> PatchHeader {
    let cursor = ByteCursor(storage)
    guard cursor.starts(with: magic) else {
      throw .notAPatch(isPackage: cursor.starts(with: PackageReader.magic))
    }
    let actualLength = storage.bytes.count
    guard actualLength >= byteCount else { throw .fileLength(stated: byteCount, actual: actualLength) }
    var fields = PatchCursor(cursor, part: "header")
    _ = try fields.bytes(magic.count, "magic")
    let (major, minor) = (Int(try fields.read(UInt16.self, "version")), Int(try fields.read(UInt16.self, "version")))
    guard major == Self.major else {
      if major > Self.major { throw .newerVersion(major: major, minor: minor) }
      throw fields.invalid("major version", "version \(major).\(minor) does not exist")
    }
    var whole = PatchCursor(cursor, part: "header")
    let hashed = try whole.bytes(hashedByteCount, "fields")
    guard SHA256.hash(hashed) == (try whole.digest("header hash")) else { throw .hashMismatch(part: "header") }

    let size = try fields.read(UInt32.self, "header size")
    guard size == byteCount else { throw fields.invalid("header size", "\(size) instead of \(byteCount)") }
    let fileLength = try fields.size("file length")
    guard fileLength == actualLength else { throw .fileLength(stated: fileLength, actual: actualLength) }
    let (directoryLength, stored) = (try fields.size("directory length"), try fields.size("stored directory length"))
    guard directoryLength <= directoryLimit, directoryLength % PatchEntry.byteCount == 0, directoryLength > 0 else {
      throw fields.invalid("directory length", "\(directoryLength) is out of range")
    }
    guard stored <= directoryLength, stored <= fileLength - byteCount else {
      throw fields.invalid("stored directory length", "\(stored) is out of range")
    }
    let (oldLength, newLength) = (try fields.size("old length"), try fields.size("new length"))
    let version = Int(try fields.read(UInt32.self, "zstd version"))
    guard try fields.read(UInt32.self, "reserved") == 0 else { throw fields.invalid("reserved", "is not zero") }
    let header = PatchHeader(
      fileLength: fileLength, directoryLength: directoryLength, storedDirectoryLength: stored, zstdVersion: version,
      old: try fields.identity(byteCount: oldLength), new: try fields.identity(byteCount: newLength),
      bodyHash: try fields.digest("body hash"))
    let hash = withExtendedLifetime(storage) {
      SHA256.hash(UnsafeRawBufferPointer(rebasing: storage.bytes[byteCount...]))
    }
    guard hash == header.bodyHash else { throw .hashMismatch(part: "body") }
    return header
  }
}

extension PatchCursor {
  fileprivate mutating func identity(byteCount: Int) throws(PatchError) -> PackageIdentity {
    PackageIdentity(
      byteCount: byteCount, sha256: try digest("SHA-256 of a package"), contentHash: try digest("content hash"))
  }
}

/// Reads the fields of one part of a patch, and turns every violation of the format into an error that names the part.
struct PatchCursor {
  private var cursor: ByteCursor
  /// The name of the part, for errors.
  var part: String

  init(_ cursor: ByteCursor, part: String) { (self.cursor, self.part) = (cursor, part) }

  func invalid(_ field: String, _ problem: String) -> PatchError {
    .invalidField(part: "patch \(part)", field: field, problem: problem)
  }

  private mutating func checked<Value>(
    _ body: (inout ByteCursor) throws(ByteCursorError) -> Value
  ) throws(PatchError) -> Value {
    do throws(ByteCursorError) { return try body(&cursor) } catch { throw .outOfBounds(part: "patch \(part)", error) }
  }

  mutating func read<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ field: String
  ) throws(PatchError) -> Value {
    try checked { cursor throws(ByteCursorError) in try cursor.read(type, field) }
  }

  mutating func bytes(_ count: Int, _ field: String) throws(PatchError) -> [UInt8] {
    try checked { cursor throws(ByteCursorError) in try cursor.readBytes(count, field) }
  }

  mutating func digest(_ field: String) throws(PatchError) -> SHA256.Digest {
    guard let digest = SHA256.Digest(bytes: try bytes(SHA256.byteCount, field)) else {
      throw invalid(field, "is no SHA-256")
    }
    return digest
  }

  /// Reads a UInt64 that is a size.
  mutating func size(_ field: String) throws(PatchError) -> Int {
    let value = try read(UInt64.self, field)
    guard let size = Int(exactly: value) else { throw invalid(field, "\(value) is beyond any file") }
    return size
  }
}

extension [UInt8] {
  /// Appends the little-endian bytes of an integer.
  mutating func append(integer: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: integer.littleEndian) { append(contentsOf: $0) }
  }
}
