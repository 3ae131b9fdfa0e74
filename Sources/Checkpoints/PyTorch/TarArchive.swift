import Files

/// The members of a tar file (POSIX ustar).
struct TarArchive {
  private static let blockSize = 512

  /// The positions of the regular files' bytes, by name.
  let members: [String: Range<Int>]

  static func isTar(_ file: MappedFile) -> Bool {
    let cursor = ByteCursor(file.storage, range: 257..<max(file.byteCount, 257))
    return cursor.starts(with: Array("ustar".utf8))
  }

  init(_ file: MappedFile) throws(FormatError) {
    var cursor = ByteCursor(file.storage)
    var members: [String: Range<Int>] = [:]
    while true {
      let offset = cursor.offset
      let header = ByteCursor(file.storage, range: try cursor.pass(Self.blockSize, "tar header"))
      if Self.isZero(header) { break }
      let (name, kind, size) = try Self.readHeader(header)
      let bytes = try cursor.pass(size, "tar member \(name)")
      try cursor.pass((Self.blockSize - size % Self.blockSize) % Self.blockSize, "padding of tar member \(name)")
      switch kind {
      case UInt8(ascii: "0"), 0:
        guard members.updateValue(bytes, forKey: name) == nil else {
          throw .malformed(field: "tar header", offset: offset, reason: "two members are named \(name)")
        }
      case UInt8(ascii: "x"), UInt8(ascii: "g"): try Self.checkAttributes(ByteCursor(file.storage, range: bytes))
      case UInt8(ascii: "5"): break  // a folder
      default:
        throw .unsupported(
          feature: "tar member \(name) of type \(Character(UnicodeScalar(kind)))", offset: offset,
          advice: "PyTorch writes regular files only")
      }
    }
    self.members = members
  }

  private static func isZero(_ block: ByteCursor) -> Bool {
    block.storage.bytes[block.range].allSatisfy { $0 == 0 }
  }

  private static func readHeader(_ header: ByteCursor) throws(FormatError) -> (name: String, kind: UInt8, size: Int) {
    let start = header.range.lowerBound
    let bytes = header.storage.bytes[header.range]
    func field(_ range: Range<Int>) -> Slice<UnsafeRawBufferPointer> {
      bytes[start + range.lowerBound..<start + range.upperBound]
    }
    // The sum is computed as if its eight bytes were blanks.
    let sum = bytes.reduce(0) { $0 + Int($1) } - field(148..<156).reduce(0) { $0 + Int($1) } + 8 * 0x20
    guard octal(field(148..<156)) == sum else {
      throw .malformed(field: "tar header", offset: start, reason: "its checksum is wrong: the file is damaged")
    }
    guard let size = octal(field(124..<136)) else {
      throw .malformed(field: "tar member size", offset: start + 124, reason: "it is not an octal number")
    }
    guard let name = String(validating: field(0..<100).prefix { $0 != 0 }, as: UTF8.self) else {
      throw .malformed(field: "tar member name", offset: start, reason: "it is not UTF-8")
    }
    return (name, bytes[start + 156], size)
  }

  /// The value of octal digits, which blanks or zero bytes may surround.
  private static func octal(_ field: Slice<UnsafeRawBufferPointer>) -> Int? {
    let isBlank = { (byte: UInt8) in byte == 0 || byte == 0x20 }
    let digits = field.drop(while: isBlank).prefix { !isBlank($0) }
    guard digits.allSatisfy({ (0x30...0x37).contains($0) }), digits.count <= 20 else { return nil }
    return digits.reduce(0) { $0 << 3 | Int($1 - 0x30) }
  }

  /// Refuses extended headers that rename or resize a member, because other readers might then see other contents than
  /// this one. Extended headers with times and owners are allowed.
  private static func checkAttributes(_ attributes: ByteCursor) throws(FormatError) {
    let records = attributes.storage.bytes[attributes.range].split(separator: UInt8(ascii: "\n"))
      .map { $0.drop { $0 != UInt8(ascii: " ") }.dropFirst() }
    for key in ["path=", "size=", "linkpath=", "GNU."] where records.contains(where: { $0.starts(with: key.utf8) }) {
      throw .unsupported(
        feature: "extended tar attribute \(key.dropLast())", offset: attributes.offset, advice: "PyTorch writes none")
    }
  }
}
