import Files
import Tensors

/// Reads MindSpore's checkpoints: protobuf messages whose fields are read in place (formats/mindspore.proto).
///
/// Fields that the schema does not have are refused, and so are second occurrences of fields that are not repeated.
/// MindSpore writes neither, so they mean damage, which is not detected anywhere else in a file without a checksum. A
/// file that ends between two tensors is complete as far as its format can tell.
struct MindSporeReader {
  /// The maximum length of a name in bytes. Names go into messages and other files.
  private static let nameLimit = 1024

  private let file: MappedFile
  private var contents = CheckpointContents(tensors: NamedTensors())
  /// Successive values with the same name, which are the parts of a split tensor.
  private var parts: [Part] = []

  /// A tensor, or a part of one that was split.
  private struct Part {
    var name: String
    var type: String
    var dimensions: [Int]
    var bytes: Range<Int>
    /// The position of its TensorProto in the file.
    var offset: Int
  }

  static func read(_ file: MappedFile) throws(FormatError) -> CheckpointContents {
    var reader = MindSporeReader(file: file)
    try reader.readValues(0..<(try endOfMessages(file)))
    return try MindSporeNames.translate(reader.contents)
  }

  private init(file: MappedFile) { self.file = file }

  /// Whether the file starts like the first tensor of a checkpoint: with a Value that has a name followed by a tensor.
  static func isPlausible(_ file: MappedFile) -> Bool {
    var cursor = ByteCursor(file.storage)
    guard cursor.starts(with: [0x0A]), (try? cursor.skip(1, "tag")) != nil,
      let length = try? cursor.varint("length"),
      cursor.starts(with: [0x0A]), (try? cursor.skip(1, "tag")) != nil,
      let count = try? cursor.varint("length"), (1...UInt64(nameLimit)).contains(count), count < length,
      let name = try? cursor.name(Int(count), "name")
    else { return false }
    return !name.unicodeScalars.contains { $0.properties.generalCategory == .control }
      && (cursor.starts(with: [0x12]) || cursor.starts(with: [0x1A]))
  }

  /// The end of the messages: the position of the checksum, which is compared, or the end of the file if there is none.
  private static func endOfMessages(_ file: MappedFile) throws(FormatError) -> Int {
    let magic = Array("crc_num".utf8)
    let start = file.byteCount - magic.count - 10
    var cursor = ByteCursor(file.storage)
    guard start >= 0 else { return file.byteCount }
    try cursor.move(to: start, "crc_num")
    guard cursor.starts(with: magic) else { return file.byteCount }
    try cursor.pass(magic.count, "crc_num")
    let high = try cursor.value(UInt16.self, "crc_num")
    let stored = try cursor.value(UInt64.self, "crc_num").byteSwapped
    var crc = CRC32()
    file.forEachChunk(in: 0..<start) { crc.update($0) }
    guard high == 0, stored == UInt64(crc.value) else {
      throw .malformed(
        field: "crc_num", offset: start, reason: "the bytes before it have a different CRC-32; fetch the file again")
    }
    return start
  }

  // MARK: - Messages

  private mutating func readValues(_ range: Range<Int>) throws(FormatError) {
    var reader = ProtobufReader(file, range, message: "Checkpoint")
    while let field = try reader.next() {
      guard field.number == 1, field.type == .lengthDelimited else { throw Self.unknown(field, "Checkpoint") }
      let part = try part(field)
      if let first = parts.first, !first.name.isExactly(part.name) { try join() }
      parts.append(part)
    }
    if !parts.isEmpty { try join() }
    guard !contents.tensors.isEmpty else { throw .noStateDict(reason: "the file holds no tensors") }
  }

  private static func unknown(_ field: ProtobufField, _ message: String) -> FormatError {
    .malformed(
      field: "a field of \(message)", offset: field.bytes.lowerBound,
      reason: "\(message) has no field \(field.number) of wire type \(field.type.rawValue) here, or only one")
  }

  private func part(_ value: ProtobufField) throws(FormatError) -> Part {
    var name: String?
    var tensor: ProtobufField?
    var isMap = false
    var reader = ProtobufReader(file, value.payload, message: "Value")
    while let field = try reader.next() {
      switch (field.number, field.type) {
      case (1, .lengthDelimited) where name == nil: name = try text(field, "name")
      case (2, .lengthDelimited) where tensor == nil && !isMap: tensor = field
      case (3, .lengthDelimited) where tensor == nil && !isMap: isMap = true
      default: throw Self.unknown(field, "Value")
      }
    }
    guard let name, !name.isEmpty else {
      throw .malformed(field: "Value", offset: value.bytes.lowerBound, reason: "it has no name")
    }
    guard !isMap else {
      throw .unsupported(
        feature: "MapTensor \(name)", offset: value.bytes.lowerBound,
        advice: "no image network has one; save only the network's other parameters")
    }
    guard let tensor else {
      throw .malformed(field: "Value \(name)", offset: value.bytes.lowerBound, reason: "it has no tensor")
    }
    return try part(tensor, named: name)
  }

  private func part(_ tensor: ProtobufField, named name: String) throws(FormatError) -> Part {
    var dimensions: [Int] = []
    var type: String?
    var bytes: Range<Int>?
    var reader = ProtobufReader(file, tensor.payload, message: "TensorProto")
    while let field = try reader.next() {
      switch (field.number, field.type) {
      // The extents are a packed list, or one field for each.
      case (1, .lengthDelimited), (1, .varint):
        var cursor = ByteCursor(file.storage, range: field.payload)
        while !cursor.isAtEnd {
          let start = cursor.offset
          guard let extent = Int(exactly: try cursor.varint("dims")), dimensions.count < TensorResolver.rankLimit else {
            throw .malformed(
              field: "tensor \(name)", offset: start,
              reason: "it has a negative extent, or more than \(TensorResolver.rankLimit)")
          }
          dimensions.append(extent)
        }
      case (2, .lengthDelimited) where type == nil: type = try text(field, "tensor_type")
      case (3, .lengthDelimited) where bytes == nil: bytes = field.payload
      default: throw Self.unknown(field, "TensorProto")
      }
    }
    guard let type, let bytes else {
      throw .malformed(
        field: "tensor \(name)", offset: tensor.bytes.lowerBound, reason: "it needs tensor_type and tensor_content")
    }
    return Part(name: name, type: type, dimensions: dimensions, bytes: bytes, offset: tensor.bytes.lowerBound)
  }

  private func text(_ field: ProtobufField, _ what: String) throws(FormatError) -> String {
    guard field.payload.count <= Self.nameLimit else {
      throw .limitExceeded(
        what: "\(what) of \(field.payload.count) bytes", offset: field.bytes.lowerBound, limit: Self.nameLimit)
    }
    var cursor = ByteCursor(file.storage, range: field.payload)
    return try cursor.name(field.payload.count, what)
  }

  // MARK: - Tensors

  /// Creates a tensor from the parts: a view of the file if there is one part, or else a copy, which is smaller than
  /// the file.
  private mutating func join() throws(FormatError) {
    guard let first = parts.first else { return }
    defer { parts.removeAll(keepingCapacity: true) }
    for part in parts where part.type != first.type || part.dimensions != first.dimensions {
      throw Self.malformed(part, "its parts differ in type or dims")
    }
    guard first.type != "str" else {
      contents.ignored.append(.init(name: first.name, reason: "a string"))
      return
    }
    guard let type = ElementType(mindSporeName: first.type) else {
      throw .unsupported(
        feature: "type \(first.type) of tensor \(first.name)", offset: first.offset, advice: "convert it to Float32")
    }
    let size = parts.reduce(0) { $0 + $1.bytes.count }  // cannot overflow, because all parts lie in the file
    let shape = Shape(first.dimensions == [0] && size > 0 ? [] : first.dimensions)
    guard let strides = canonicalStrides(shape), let count = shape.checkedElementCount else {
      throw Self.malformed(first, "its dims \(shape.dimensions) are impossible")
    }
    guard count * type.byteCount == size else {
      throw Self.malformed(first, "\(shape) of \(type) does not take \(size) bytes")
    }
    let (storage, offset) = parts.count == 1 ? (file.storage, first.bytes.lowerBound) : (joined(size), 0)
    let tensor = Tensor(elementType: type, shape: shape, strides: strides, storage: storage, byteOffset: offset)
    guard let tensor else { throw Self.malformed(first, "its data ends outside of the file") }
    guard contents.tensors.append(tensor, named: first.name) else {
      throw Self.malformed(first, "this name appears twice, with others in between")
    }
  }

  /// A copy of the parts. Their pages are released once they are copied, so that the file and the copy are never both
  /// in memory.
  private func joined(_ size: Int) -> TensorStorage {
    TensorStorage(byteCount: size) { target in
      var end = 0
      for part in parts {
        file.forEachChunk(in: part.bytes) { chunk in
          UnsafeMutableRawBufferPointer(rebasing: target[end...]).copyMemory(from: chunk)
          end += chunk.count
        }
      }
    }
  }

  private static func malformed(_ part: Part, _ reason: String) -> FormatError {
    .malformed(field: "tensor \(part.name)", offset: part.offset, reason: reason)
  }
}

extension ElementType {
  init?(mindSporeName: String) {
    switch mindSporeName {
    case "Float32": self = .float32
    case "Float16": self = .float16
    case "BFloat16": self = .bfloat16
    case "Float64": self = .float64
    case "Int8": self = .int8
    case "UInt8": self = .uint8
    case "Int16": self = .int16
    case "UInt16": self = .uint16
    case "Int32": self = .int32
    case "UInt32": self = .uint32
    case "Int64": self = .int64
    case "UInt64": self = .uint64
    case "Bool": self = .bool
    default: return nil
    }
  }
}
