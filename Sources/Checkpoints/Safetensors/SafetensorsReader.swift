import Files
import Tensors

/// Reads safetensors files: a length, a JSON header, and the bytes of the tensors without gaps or overlaps
/// (github.com/huggingface/safetensors, README "Format").
enum SafetensorsReader {
  static let headerLimit = 100_000_000
  /// The maximum length of a tensor's name in bytes. Names go into messages, and parts of them into other names.
  static let nameLimit = 1024

  /// Whether the header's length and first byte are plausible for a safetensors file, which may be damaged.
  static func isPlausible(_ file: MappedFile) -> Bool {
    var cursor = ByteCursor(file.storage)
    guard let length = try? cursor.read(UInt64.self, "header length"), length < 1 << 32 else { return false }
    return cursor.starts(with: [UInt8(ascii: "{")])
  }

  private struct Entry {
    var name: String
    var type: ElementType
    var shape: Shape
    /// The range of the data, from the first byte after the header.
    var bytes: Range<Int>
    /// The position of the name in the file.
    var offset: Int
  }

  static func read(_ file: MappedFile) throws(FormatError) -> CheckpointContents {
    var cursor = ByteCursor(file.storage)
    let length = try cursor.count("header length")
    guard length <= headerLimit else {
      throw .limitExceeded(what: "header of \(length) bytes", offset: 0, limit: headerLimit)
    }
    let header = try cursor.pass(length, "header")
    var (entries, metadata) = try readHeader(ByteCursor(file.storage, range: header))
    var contents = CheckpointContents(tensors: NamedTensors(), metadata: metadata)
    let dataStart = cursor.offset
    for entry in entries {
      let tensor = Tensor(
        elementType: entry.type, shape: entry.shape, strides: try checkedStrides(entry), storage: file.storage,
        byteOffset: dataStart + min(entry.bytes.lowerBound, file.byteCount))
      guard let tensor else { throw malformed(entry, "its data ends outside of the file") }
      guard contents.tensors.append(tensor, named: entry.name) else {
        throw malformed(entry, "this name appears twice")
      }
    }
    entries.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
    var end = 0
    for entry in entries {
      guard entry.bytes.lowerBound == end else {
        throw malformed(
          entry, "its data starts at \(entry.bytes.lowerBound), and \(end) is the end of the data before it")
      }
      end = entry.bytes.upperBound
    }
    guard end == cursor.remaining else {
      throw .malformed(
        field: "end of file", offset: file.byteCount, reason: "the tensors take \(end) bytes of \(cursor.remaining)")
    }
    return MindSporeNames.isMindSpore(contents) ? try MindSporeNames.translate(contents) : contents
  }

  /// Row-major strides, after checking that a tensor with these extents takes the entry's bytes.
  private static func checkedStrides(_ entry: Entry) throws(FormatError) -> [Int] {
    guard let strides = canonicalStrides(entry.shape), let count = entry.shape.checkedElementCount else {
      throw malformed(entry, "its shape \(entry.shape.dimensions) is impossible")
    }
    let (size, overflow) = count.multipliedReportingOverflow(by: entry.type.byteCount)
    guard !overflow, size == entry.bytes.count else {
      throw malformed(entry, "\(entry.shape) of \(entry.type) does not take \(entry.bytes.count) bytes")
    }
    return strides
  }

  private static func malformed(_ entry: Entry, _ reason: String) -> FormatError {
    .malformed(field: "tensor \(entry.name)", offset: entry.offset, reason: reason)
  }

  // MARK: - Header

  private static func readHeader(_ cursor: ByteCursor) throws(FormatError) -> ([Entry], [String: String]) {
    var entries: [Entry] = []
    var metadata: [String: String]?
    guard cursor.starts(with: [UInt8(ascii: "{")]) else {
      throw .malformed(field: "header", offset: cursor.offset, reason: "it does not start with '{'")
    }
    var json = HeaderJSON(cursor: cursor)
    try json.object { (json, name, offset) throws(FormatError) in
      if name == "__metadata__" {
        guard metadata == nil else {
          throw .malformed(field: "header", offset: offset, reason: "__metadata__ appears twice")
        }
        metadata = try readMetadata(&json)
      } else {
        guard name.utf8.count <= nameLimit else {
          throw .limitExceeded(what: "name of \(name.utf8.count) bytes", offset: offset, limit: nameLimit)
        }
        entries.append(try readEntry(&json, name, offset))
      }
    }
    json.skipBlanks()
    guard json.cursor.isAtEnd else {
      throw .malformed(
        field: "header", offset: json.cursor.offset, reason: "\(json.cursor.remaining) more bytes follow its JSON")
    }
    return (entries, metadata ?? [:])
  }

  private static func readMetadata(_ json: inout HeaderJSON) throws(FormatError) -> [String: String] {
    var metadata: [String: String] = [:]
    try json.object { (json, key, offset) throws(FormatError) in
      guard metadata.updateValue(try json.string(), forKey: key) == nil else {
        throw .malformed(field: "__metadata__", offset: offset, reason: "\(key) appears twice")
      }
    }
    return metadata
  }

  private static func readEntry(
    _ json: inout HeaderJSON, _ name: String, _ offset: Int
  ) throws(FormatError) -> Entry {
    var type: ElementType?
    var shape: Shape?
    var bytes: Range<Int>?
    try json.object { (json, key, keyOffset) throws(FormatError) in
      switch key {
      case "dtype" where type == nil:
        let name = try json.string()
        guard let elementType = ElementType(safetensorsName: name) else {
          throw .unsupported(feature: "dtype \(name)", offset: keyOffset, advice: "convert the tensor to F32")
        }
        type = elementType
      case "shape" where shape == nil: shape = Shape(try json.counts(limit: TensorResolver.rankLimit))
      case "data_offsets" where bytes == nil:
        let ends = try json.counts(limit: 2)
        guard ends.count == 2, ends[0] <= ends[1] else {
          throw .malformed(field: "data_offsets of \(name)", offset: keyOffset, reason: "\(ends) is not a range")
        }
        bytes = ends[0]..<ends[1]
      default:
        throw .malformed(field: "tensor \(name)", offset: keyOffset, reason: "\(key) is unknown or appears twice")
      }
    }
    guard let type, let shape, let bytes else {
      throw .malformed(field: "tensor \(name)", offset: offset, reason: "it needs dtype, shape and data_offsets")
    }
    return Entry(name: name, type: type, shape: shape, bytes: bytes, offset: offset)
  }
}

extension ElementType {
  /// Element types and their names in the order of the safetensors library, which sorts the tensors of its files by it.
  static let safetensorsNames: [(type: ElementType, name: String)] = [
    (.bool, "BOOL"), (.uint8, "U8"), (.int8, "I8"), (.int16, "I16"), (.uint16, "U16"), (.float16, "F16"),
    (.bfloat16, "BF16"), (.int32, "I32"), (.uint32, "U32"), (.float32, "F32"), (.float64, "F64"), (.int64, "I64"),
    (.uint64, "U64"),
  ]

  init?(safetensorsName: String) {
    guard let entry = Self.safetensorsNames.first(where: { $0.name == safetensorsName }) else { return nil }
    self = entry.type
  }
}
