import PackageFormat

/// One entry of a patch's directory: how one section of the new package is made (formats/patch.md, "Directory").
struct PatchEntry: Hashable, Sendable {
  static let byteCount = 32
  /// The result may be at most this many times as long as the payload, in addition to the source.
  static let expansionLimit = 32
  /// All results together may be at most this many times as long as the patch, in addition to the sources and to
  /// `freeLength`.
  static let totalExpansionLimit = 8
  /// The size in bytes up to which results need neither sources nor payloads.
  static let freeLength = 1 << 20

  /// What the entry makes of a section.
  enum Form: UInt8, Sendable {
    /// The contents, which are then stored or compressed as writers of packages do.
    case contents = 0
    /// The bytes in the file, which are taken over.
    case storedBytes = 1
  }

  /// How the result is made.
  enum Method: UInt8, Sendable {
    /// The source itself.
    case copy = 0
    /// The payload.
    case literal = 1
    /// A zstd frame, decompressed with the source as its prefix.
    case prefix = 2
    /// Integers that are added to those of the source.
    case difference = 3
  }

  /// How a payload is stored.
  enum Encoding: UInt8, Sendable {
    case stored = 0
    /// One zstd frame.
    case zstd = 1
    /// Two zstd frames: which bytes of a difference are not zero, and these.
    case sparse = 2
  }

  /// The kind of the section.
  var kind: SectionKind
  /// Whether a reader that does not know the kind must refuse the package.
  var isCritical: Bool
  /// Whether the section is a zstd frame in the new package.
  var isCompressed: Bool
  var form: Form
  var method: Method
  /// The size in bytes of the integers of a difference: 1, 2, 4 or 8; 0 for other methods.
  var width: Int
  var encoding: Encoding
  /// The section of the old package that is read; `nil` for a literal.
  var source: Int?
  /// The length of the result in bytes.
  var length: Int
  /// The length of the payload in bytes, as stored.
  var payloadLength: Int

  /// Whether the result is made in memory, and not taken from a file as it is.
  var isMade: Bool { form == .contents && (method != .literal || encoding != .stored) }

  /// The number of bytes that all results that are made in memory may have.
  ///
  /// - Parameters:
  ///   - entries: the entries of the patch.
  ///   - patchLength: the length of the patch in bytes.
  ///   - old: the package that the patch applies to.
  static func lengthLimit(of entries: some Sequence<PatchEntry>, patchLength: Int, old: PackageReader) -> Int {
    entries.reduce(freeLength + totalExpansionLimit * patchLength) { $0 + $1.sourceLength(in: old) }
  }

  /// The length in bytes of the contents that new contents are made from; 0 where they are not.
  func sourceLength(in old: PackageReader) -> Int {
    guard isMade, let source, old.sections.indices.contains(source) else { return 0 }
    let section = old.sections[source]
    // Sections of another encoding can be no sources, and may state any length.
    return section.encoding == .stored || section.encoding == .zstd ? section.rawLength : 0
  }

  func append(to bytes: inout [UInt8]) {
    bytes += [
      kind.rawValue, isCritical ? 1 : 0, isCompressed ? 1 : 0, form.rawValue, method.rawValue,
      UInt8(clamping: width), encoding.rawValue, 0,
    ]
    bytes.append(integer: source.map { UInt32(clamping: $0) } ?? .max)
    bytes.append(integer: UInt32(0))
    bytes.append(integer: UInt64(length))
    bytes.append(integer: UInt64(payloadLength))
  }

  /// Reads an entry. Only what does not depend on other entries and on the old package is checked.
  static func parse(_ fields: inout PatchCursor) throws(PatchError) -> PatchEntry {
    let bytes = try fields.bytes(8, "codes")
    let (source, reserved) = (try fields.read(UInt32.self, "source"), try fields.read(UInt32.self, "reserved"))
    let (length, payloadLength) = (try fields.size("length"), try fields.size("payload length"))
    guard bytes[1] <= 1, bytes[2] <= 1, bytes[7] == 0, reserved == 0 else {
      throw fields.invalid("reserved", "a bit that must be 0 is not")
    }
    guard let form = Form(rawValue: bytes[3]), let method = Method(rawValue: bytes[4]),
      let encoding = Encoding(rawValue: bytes[6])
    else { throw fields.invalid("method", "\(bytes[3]), \(bytes[4]), \(bytes[6]) is unknown") }
    let entry = PatchEntry(
      kind: SectionKind(rawValue: bytes[0]), isCritical: bytes[1] == 1, isCompressed: bytes[2] == 1, form: form,
      method: method, width: Int(bytes[5]), encoding: encoding, source: source == .max ? nil : Int(source),
      length: length, payloadLength: payloadLength)
    guard entry.kind.rawValue != 0 else { throw fields.invalid("kind", "0 is not a kind") }
    guard method == .difference ? [1, 2, 4, 8].contains(entry.width) : entry.width == 0 else {
      throw fields.invalid("width", "\(entry.width) is not allowed")
    }
    guard (method == .literal) == (entry.source == nil) else {
      throw fields.invalid("source", entry.source == nil ? "is missing" : "a literal has none")
    }
    guard method != .copy || (payloadLength == 0 && encoding == .stored) else {
      throw fields.invalid("payload length", "a copy has no payload")
    }
    guard method != .prefix || encoding == .zstd else { throw fields.invalid("encoding", "a prefix needs zstd") }
    guard method == .difference || encoding != .sparse else {
      throw fields.invalid("encoding", "only differences are sparse")
    }
    guard form == .contents || method == .copy || (method == .literal && encoding == .stored) else {
      throw fields.invalid("form", "frames are copied or stored")
    }
    return entry
  }
}
