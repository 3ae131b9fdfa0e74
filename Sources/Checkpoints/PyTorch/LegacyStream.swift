import Files

/// Reads PyTorch's format before 1.6: five pickles one after another, followed by the unaligned bytes of the storages.
enum LegacyStream {
  /// The first pickle is the number 0x1950a86a20f9469cfc6c.
  private static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]
  private static let decimalMagic = "119547037146038801333356"
  /// The size of the longest pickle of that number in bytes, rounded up.
  private static let magicLimit = 40

  /// Whether a file starts with the magic number, in any pickle protocol, even if the rest of the file is damaged.
  static func isLegacy(_ file: MappedFile) -> Bool {
    var cursor = ByteCursor(file.storage, range: 0..<min(file.byteCount, magicLimit))
    return readMagic(&cursor)
  }

  private static func readMagic(_ cursor: inout ByteCursor) -> Bool {
    guard cursor.starts(with: [0x80]) || cursor.starts(with: Array("L\(decimalMagic)".utf8)),
      let pickle = try? PickleMachine.read(&cursor, style: .plain), case .bigInteger(let text) = pickle.root
    else { return false }
    let bytes = cursor.storage.bytes[pickle.bytes(text)]
    return bytes.elementsEqual(magic) || bytes.elementsEqual(decimalMagic.utf8)
  }

  static func read(_ file: MappedFile) throws(FormatError) -> PickledState {
    var cursor = ByteCursor(file.storage)
    guard readMagic(&cursor) else {
      throw .malformed(field: "magic number", offset: 0, reason: "it is not that of a PyTorch file")
    }
    try readHeader(&cursor)
    let pickle = try PickleMachine.read(&cursor, style: .legacy)
    let records = try readStorages(&cursor, of: pickle)
    let resolver = TensorResolver(pickle, file: file) { (reference) throws(FormatError) in
      guard case .key(let key) = reference.location, let record = records[exactly: pickle.string(key)] else {
        throw .malformed(field: "storage", offset: reference.offset, reason: "its bytes are not in the file")
      }
      return record
    }
    return try PickledState(resolver)
  }

  private static func readHeader(_ cursor: inout ByteCursor) throws(FormatError) {
    var start = cursor.offset
    let version = try PickleMachine.read(&cursor, style: .plain).root
    guard version == .int(1001) else {
      throw .malformed(field: "protocol version", offset: start, reason: "it is not 1001")
    }
    start = cursor.offset
    let system = try PickleMachine.read(&cursor, style: .plain)
    guard case .dictionary(let position) = system.root else {
      throw .malformed(field: "system information", offset: start, reason: "it is \(system.summary(system.root))")
    }
    let fields = system.elements(position)
    for i in stride(from: 0, to: fields.count, by: 2) {
      guard case .string(let key) = fields[i], system.string(key) == "little_endian" else { continue }
      if fields[i + 1] == .bool(true) { return }
      throw .unsupported(
        feature: "a big-endian file", offset: start, advice: "load and save it again on a little-endian machine")
    }
    throw .malformed(field: "system information", offset: start, reason: "it does not say little_endian")
  }

  /// The positions of the storages' bytes in the file, by key. They follow the list of keys in its order, up to the end
  /// of the file.
  private static func readStorages(
    _ cursor: inout ByteCursor, of pickle: Pickle
  ) throws(FormatError) -> [String: Range<Int>] {
    let references = try referencesByKey(pickle)
    let listOffset = cursor.offset
    let list = try PickleMachine.read(&cursor, style: .plain)
    guard case .list(let position) = list.root else {
      throw .malformed(
        field: "storage keys", offset: listOffset, reason: "it is \(list.summary(list.root)), not a list")
    }
    var records: [String: Range<Int>] = [:]
    for value in list.elements(position) {
      guard case .string(let text) = value, let reference = references[exactly: list.string(text)] else {
        throw .malformed(
          field: "storage keys", offset: listOffset, reason: "\(list.summary(value)) is not a storage of the pickle")
      }
      let start = cursor.offset
      let count = try cursor.count("element count of a storage")
      guard count == reference.elementCount else {
        throw .malformed(
          field: "element count of a storage", offset: start,
          reason: "it is \(count), and \(reference.elementCount) in the pickle")
      }
      let bytes = try cursor.pass(reference.byteCount ?? -1, "bytes of storage \(list.string(text))")
      guard records.updateValue(bytes, forKey: list.string(text)) == nil else {
        throw .malformed(field: "storage keys", offset: listOffset, reason: "\(list.string(text)) appears twice")
      }
    }
    guard cursor.isAtEnd else {
      throw .malformed(field: "end of file", offset: cursor.offset, reason: "\(cursor.remaining) more bytes follow")
    }
    return records
  }

  private static func referencesByKey(_ pickle: Pickle) throws(FormatError) -> [String: StorageReference] {
    var references: [String: StorageReference] = [:]
    var forms = NameForms()
    for reference in pickle.storages {
      guard case .key(let text) = reference.location else { continue }
      let key = pickle.string(text)
      for name in [key, reference.viewKey.map(pickle.string)].compactMap(\.self) where !forms.add(name) {
        throw .malformed(field: "storage \(name)", offset: reference.offset, reason: NameForms.reason)
      }
      if let other = references.updateValue(reference, forKey: key) {
        guard other.elementCount == reference.elementCount, other.type == reference.type,
          other.isMeta == reference.isMeta
        else {
          throw .malformed(field: "storage \(key)", offset: reference.offset, reason: "it has two sizes or types")
        }
      }
    }
    try checkViews(pickle, storages: references)
    return references
  }

  /// Checks that each view has a name of its own: PyTorch takes the part that first had the name, or the storage.
  private static func checkViews(_ pickle: Pickle, storages: [String: StorageReference]) throws(FormatError) {
    var views: [String: (location: String, range: Range<Int>)] = [:]
    for reference in pickle.storages {
      guard case .key(let text) = reference.location, let viewKey = reference.viewKey else { continue }
      let (name, location) = (pickle.string(viewKey), pickle.string(text))
      let other = views.updateValue((location, reference.view), forKey: name)
      guard storages[name] == nil, other.map({ $0 == (location, reference.view) }) ?? true else {
        throw .malformed(
          field: "view of storage \(location)", offset: reference.offset,
          reason: "its name \(name) is also that of another")
      }
    }
  }
}
