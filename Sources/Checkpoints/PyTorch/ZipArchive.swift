import Files

/// The directory of a zip file without compression (PKWARE's APPNOTE.TXT, 6.3.10).
///
/// Only the central directory determines the contents of the file, and local headers must agree with it. Duplicate
/// names, overlaps, encryption and several disks are refused, because attacks have used each of them to trick readers.
struct ZipArchive {
  struct Entry {
    var name: String
    /// The CRC-32 of the data; 0 may mean that the writer computed none, see `hasChecksums`.
    var checksum: UInt32
    /// The position of the data in the file.
    var bytes: Range<Int>
    /// The position of the local header in the file.
    var header: Int
    /// Compressed entries are listed, so that other kinds of archives can be recognised, and are never read.
    var isCompressed: Bool
  }

  let entries: [Entry]
  /// The first entry whose name differs from another one only in the case of letters, which PyTorch ignores.
  let twin: Entry?
  private let positions: [String: Int]

  /// Whether the writer computed CRCs. PyTorch can be configured not to, and then all of them are 0.
  let hasChecksums: Bool

  /// The entry of exactly this name, whatever the case of its letters.
  subscript(name: String) -> Entry? { positions[exactly: Self.lowercased(name)].map { entries[$0] } }

  /// A name with the letters of ASCII in lower case.
  private static func lowercased(_ name: String) -> String {
    String(decoding: name.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self)
  }

  init(_ file: MappedFile) throws(FormatError) {
    let directory = try Self.locateDirectory(file)
    var cursor = ByteCursor(file.storage, range: directory.bytes)
    var entries: [Entry] = []
    var twin: Entry?
    var names: Set<String> = []
    var positions: [String: Int] = [:]
    while !cursor.isAtEnd {
      let offset = cursor.offset
      let entry = try Self.readEntry(&cursor, file, directory: directory.bytes)
      guard names.insert(entry.name).inserted else {
        throw .malformed(field: "zip directory", offset: offset, reason: "two entries are named \(entry.name)")
      }
      let other = positions.updateValue(entries.count, forKey: Self.lowercased(entry.name))
      if other != nil, twin == nil { twin = entry }
      entries.append(entry)
    }
    guard entries.count == directory.count else {
      throw .malformed(
        field: "zip directory", offset: directory.bytes.lowerBound,
        reason: "it has \(entries.count) entries, and should have \(directory.count)")
    }
    try Self.checkLayout(entries)
    self.entries = entries
    self.twin = twin
    self.positions = positions
    hasChecksums = entries.contains { $0.checksum != 0 }
  }

  /// Verifies an entry's CRC. Reads all of its bytes, and gives their memory back to the system.
  func verify(_ entry: Entry, in file: MappedFile) throws(FormatError) {
    guard hasChecksums else { return }
    var crc = CRC32()
    file.forEachChunk(in: entry.bytes) { crc.update($0) }
    guard crc.value == entry.checksum else {
      throw .malformed(
        field: "zip entry \(entry.name)", offset: entry.bytes.lowerBound,
        reason: "its CRC is wrong: the file is damaged; fetch it again")
    }
  }

  // MARK: - Central directory

  private struct Directory {
    var bytes: Range<Int>
    var count: Int
  }

  /// Finds the end record: the last 22 bytes of the file, or those before a comment that ends where the file ends.
  private static func locateDirectory(_ file: MappedFile) throws(FormatError) -> Directory {
    var cursor = ByteCursor(file.storage)
    let last = file.byteCount - 22
    for offset in stride(from: last, through: max(last - 0xFFFF, 0), by: -1) {
      try cursor.move(to: offset, "zip end record")
      guard cursor.starts(with: [0x50, 0x4B, 5, 6]) else { continue }
      try cursor.move(to: offset + 20, "zip end record")
      guard Int(try cursor.value(UInt16.self, "comment length")) == last - offset else { continue }
      return try readEndRecord(&cursor, at: offset)
    }
    throw .malformed(
      field: "zip end record", offset: max(last, 0),
      reason: "there is none: the file is cut short or damaged; fetch it again")
  }

  private static func readEndRecord(_ cursor: inout ByteCursor, at offset: Int) throws(FormatError) -> Directory {
    try cursor.move(to: offset + 4, "zip end record")
    let disks = (try cursor.value(UInt16.self, "disk number"), try cursor.value(UInt16.self, "disk number"))
    let counts = (try cursor.value(UInt16.self, "entry count"), try cursor.value(UInt16.self, "entry count"))
    let size = try cursor.value(UInt32.self, "directory size")
    let start = try cursor.value(UInt32.self, "directory offset")
    guard disks == (0, 0) || disks == (0xFFFF, 0xFFFF), counts.0 == counts.1 else {
      throw .unsupported(feature: "a zip file of several disks", offset: offset, advice: "save it as one file")
    }
    guard let wide = try readZip64EndRecord(&cursor, before: offset) else {
      return try directory(count: Int(counts.0), size: Int(size), start: Int(start), end: offset)
    }
    guard counts.0 == 0xFFFF || Int(counts.0) == wide.count, size == .max || Int(size) == wide.bytes.count,
      start == .max || Int(start) == wide.bytes.lowerBound
    else {
      throw .malformed(field: "zip end record", offset: offset, reason: "it disagrees with its zip64 record")
    }
    return wide
  }

  private static func readZip64EndRecord(
    _ cursor: inout ByteCursor, before end: Int
  ) throws(FormatError) -> Directory? {
    guard end >= 20 else { return nil }
    try cursor.move(to: end - 20, "zip64 locator")
    guard cursor.starts(with: [0x50, 0x4B, 6, 7]) else { return nil }
    try cursor.pass(8, "zip64 locator")
    let record = try cursor.count("zip64 end record offset")
    guard record <= end - 20 - 56 else {
      throw .malformed(field: "zip64 locator", offset: end - 20, reason: "it points to byte \(record)")
    }
    try cursor.move(to: record, "zip64 end record")
    let signature = try cursor.value(UInt32.self, "zip64 end record")
    let length = try cursor.count("zip64 end record size")
    guard signature == 0x0606_4B50, length >= 44, length == end - 20 - record - 12 else {
      throw .malformed(field: "zip64 end record", offset: record, reason: "its signature or size is wrong")
    }
    try cursor.pass(4, "zip64 versions")
    let disks = try cursor.value(UInt64.self, "zip64 disk numbers")
    let counts = (try cursor.count("zip64 entry count"), try cursor.count("zip64 entry count"))
    let size = try cursor.count("zip64 directory size")
    let start = try cursor.count("zip64 directory offset")
    guard disks == 0, counts.0 == counts.1 else {
      throw .unsupported(feature: "a zip file of several disks", offset: record, advice: "save it as one file")
    }
    return try directory(count: counts.0, size: size, start: start, end: record)
  }

  /// The directory, which must end where the record that describes it starts.
  private static func directory(count: Int, size: Int, start: Int, end: Int) throws(FormatError) -> Directory {
    let (sum, overflow) = start.addingReportingOverflow(size)
    guard !overflow, sum == end else {
      throw .malformed(
        field: "zip end record", offset: end, reason: "a directory of \(size) bytes at \(start) does not end here")
    }
    return Directory(bytes: start..<end, count: count)
  }

  // MARK: - Entries

  /// The sizes and the position of an entry, which the directory gives in 32 or 64 bits.
  private struct Location {
    var size = 0
    var compressedSize = 0
    var header = 0

    /// Reads 64-bit values, in this order, for those fields that are 0xFFFFFFFF in the entry.
    mutating func widen(_ extra: ByteCursor) throws(FormatError) {
      var extra = extra
      while extra.remaining >= 4 {
        let kind = try extra.value(UInt16.self, "zip extra field")
        let length = Int(try extra.value(UInt16.self, "zip extra field"))
        var field = ByteCursor(extra.storage, range: try extra.pass(length, "zip extra field"))
        guard kind == 1 else { continue }
        if size == 0xFFFF_FFFF { size = try field.count("zip64 entry size") }
        if compressedSize == 0xFFFF_FFFF { compressedSize = try field.count("zip64 entry size") }
        if header == 0xFFFF_FFFF { header = try field.count("zip64 entry offset") }
        return
      }
    }
  }

  private static func readEntry(
    _ cursor: inout ByteCursor, _ file: MappedFile, directory: Range<Int>
  ) throws(FormatError) -> Entry {
    let offset = cursor.offset
    guard try cursor.value(UInt32.self, "zip entry") == 0x0201_4B50 else {
      throw .malformed(field: "zip entry", offset: offset, reason: "its signature is wrong")
    }
    try cursor.pass(4, "zip entry versions")
    let flags = try cursor.value(UInt16.self, "zip entry flags")
    let method = try cursor.value(UInt16.self, "zip entry method")
    try cursor.pass(4, "zip entry time")
    let checksum = try cursor.value(UInt32.self, "zip entry CRC")
    var location = Location()
    location.compressedSize = Int(try cursor.value(UInt32.self, "zip entry size"))
    location.size = Int(try cursor.value(UInt32.self, "zip entry size"))
    let nameLength = Int(try cursor.value(UInt16.self, "zip entry name length"))
    let extraLength = Int(try cursor.value(UInt16.self, "zip entry extra length"))
    let commentLength = Int(try cursor.value(UInt16.self, "zip entry comment length"))
    let disk = try cursor.value(UInt16.self, "zip entry disk")
    try cursor.pass(6, "zip entry attributes")
    location.header = Int(try cursor.value(UInt32.self, "zip entry offset"))
    let name = try cursor.name(nameLength, "zip entry name")
    let extra = try cursor.pass(extraLength, "zip entry extra field")
    try cursor.pass(commentLength, "zip entry comment")
    try location.widen(ByteCursor(file.storage, range: extra))
    guard flags & 0x2041 == 0 else {
      throw .unsupported(feature: "encryption of \(name)", offset: offset, advice: "decrypt the file first")
    }
    guard method != 0 || location.size == location.compressedSize, disk == 0 || disk == 0xFFFF, !name.isEmpty,
      !name.utf8.contains(0)
    else {
      throw .malformed(
        field: "zip entry \(name)", offset: offset, reason: "its sizes differ, or its name or disk is wrong")
    }
    var local = ByteCursor(file.storage, range: 0..<directory.lowerBound)
    try local.move(to: location.header, "local header of \(name)")
    try readLocalHeader(&local, name: name, flags: flags, method: method, checksum: checksum, location)
    let bytes = try local.pass(location.compressedSize, "zip entry \(name)")
    return Entry(name: name, checksum: checksum, bytes: bytes, header: location.header, isCompressed: method != 0)
  }

  private static func readLocalHeader(
    _ cursor: inout ByteCursor, name: String, flags: UInt16, method: UInt16, checksum: UInt32,
    _ location: Location
  ) throws(FormatError) {
    let offset = cursor.offset
    let field = "local header of \(name)"
    let signature = try cursor.value(UInt32.self, field)
    try cursor.pass(2, field)
    let localFlags = try cursor.value(UInt16.self, field)
    let localMethod = try cursor.value(UInt16.self, field)
    try cursor.pass(4, field)
    let localChecksum = try cursor.value(UInt32.self, field)
    let sizes = (try cursor.value(UInt32.self, field), try cursor.value(UInt32.self, field))
    let nameLength = Int(try cursor.value(UInt16.self, field))
    let extraLength = Int(try cursor.value(UInt16.self, field))
    guard signature == 0x0403_4B50, localFlags == flags, localMethod == method,
      cursor.starts(with: Array(name.utf8)), nameLength == name.utf8.count
    else { throw .malformed(field: field, offset: offset, reason: "it disagrees with the zip directory") }
    // These are 0 if a data descriptor follows the data (bit 3), and have all bits set in zip64 entries.
    let deferred = flags & 8 != 0
    for (value, size) in [(sizes.0, location.compressedSize), (sizes.1, location.size)]
    where value != .max && Int(value) != size && !(deferred && value == 0) {
      throw .malformed(field: field, offset: offset, reason: "its size disagrees with the zip directory")
    }
    guard localChecksum == checksum || deferred && localChecksum == 0 else {
      throw .malformed(field: field, offset: offset, reason: "its CRC disagrees with the zip directory")
    }
    try cursor.pass(nameLength + extraLength, field)
  }

  /// Checks that entries do not overlap, and that nothing precedes the first one, where another file could be hidden.
  private static func checkLayout(_ entries: [Entry]) throws(FormatError) {
    var end = 0
    for (i, entry) in entries.sorted(by: { $0.header < $1.header }).enumerated() {
      guard i > 0 ? entry.header >= end : entry.header == 0 else {
        throw .malformed(
          field: "zip entry \(entry.name)", offset: entry.header,
          reason: i > 0 ? "it overlaps another entry" : "\(entry.header) bytes come before the first entry")
      }
      end = entry.bytes.upperBound
    }
  }
}
