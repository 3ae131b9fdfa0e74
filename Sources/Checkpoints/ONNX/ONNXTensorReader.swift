import COnnx
import Files
import Tensors

/// Creates tensors from TensorProto messages. They are views of the file or of external files if their elements are
/// contiguous there.
struct ONNXTensorReader {
  let file: MappedFile
  /// The folder that external data must lie in.
  let folder: String
  /// The external files that were opened, with their paths relative to `folder`.
  private(set) var externalFiles: [(location: String, file: MappedFile)] = []
  /// The indices of these files, by the bytes of their paths in their shortest spelling.
  private var externalNumbers: [[UInt8]: Int] = [:]
  /// Each file is mapped as long as the model is.
  private static let maximumFiles = 4096

  init(_ file: MappedFile) {
    self.file = file
    folder = file.path.pathParts.folder
  }

  static let maximumRank = 16

  /// The fields of a message except contiguous elements.
  private struct Header {
    var name = ""
    var shape = Shape([])
    var type = ElementType.float32
    var isExternal = false
    var external: [String: String] = [:]
    /// Elements that are not contiguous in the file.
    var typed: Tensor?
    var count = 0
  }

  /// - Throws: `FormatError.unreadableTensor` if type, shape and elements contradict each other.
  mutating func tensor(in range: Range<Int>) throws(FormatError) -> (name: String, tensor: Tensor) {
    var raw: Range<Int>?
    var packed: [ProtobufField] = []
    var reader = ProtobufReader(file, range, message: ONNXMessage.tensor.rawValue)
    while let field = try reader.next() {
      guard field.type == .lengthDelimited else { continue }
      switch field.number {
      case 9:
        guard raw == nil else {
          throw .malformed(field: "raw_data", offset: field.bytes.lowerBound, reason: "it appears twice in a tensor")
        }
        raw = field.payload
      case 4, 10: packed.append(field)
      default: break
      }
    }
    // A single packed field of floats or doubles has the same layout as raw_data.
    let piece = packed.count == 1 ? packed.first : nil
    let header = try header(in: range, piece: piece, isRaw: raw != nil)
    let tensor: Tensor
    if header.isExternal {
      guard raw == nil else { throw Self.unreadable(header, "has both external data and data in the model") }
      tensor = try external(header)
    } else if let bytes = raw ?? (header.typed == nil ? piece?.payload : nil) {
      tensor = try view(header, of: file, bytes)
    } else if let typed = header.typed {
      tensor = typed
    } else {
      guard header.count == 0 else { throw Self.unreadable(header, "has a shape of \(header.shape) and no elements") }
      tensor = Tensor(shape: header.shape, of: UInt8.self) { _ in }
      guard let empty = Tensor(elementType: header.type, shape: header.shape, storage: tensor.storage, byteOffset: 0)
      else { throw Self.unreadable(header, "has no elements") }
      return (header.name, empty)
    }
    return (header.name, tensor)
  }

  private static func unreadable(_ header: Header, _ reason: String) -> FormatError {
    .unreadableTensor(name: header.name.isEmpty ? "(unnamed)" : header.name, reason: reason)
  }

  /// - Parameter piece: the packed field of floats or doubles, if there is only one.
  private func header(in range: Range<Int>, piece: ProtobufField?, isRaw: Bool) throws(FormatError) -> Header {
    let unpacking = ONNXUnpacking(file: file, message: .tensor, range: range)
    return try unpacking(
      fields: [1, 2, 4, 5, 7, 8, 10, 11, 13, 14], except: piece.map { [$0.bytes] } ?? [], texts: [8],
      onnx__tensor__unpack, onnx__tensor__free_unpacked
    ) { message throws(FormatError) in
      var header = Header()
      header.name = try unpacking.text(message.name)
      header.type = try Self.elementType(message.data_type, header)
      var dimensions: [Int] = []
      for dimension in array(message.dims, message.n_dims) { dimensions.append(Int(dimension)) }
      guard dimensions.count <= Self.maximumRank else { throw Self.unreadable(header, "has \(dimensions.count) axes") }
      header.shape = Shape(dimensions)
      guard let count = header.shape.checkedElementCount,
        !count.multipliedReportingOverflow(by: header.type.byteCount).overflow
      else { throw Self.unreadable(header, "has the impossible shape \(dimensions)") }
      header.count = count
      header.isExternal = message.data_location == 1
      for entry in UnsafeBufferPointer(start: message.external_data, count: message.n_external_data) {
        guard let entry = entry?.pointee else { continue }
        header.external[try unpacking.text(entry.key)] = try unpacking.text(entry.value)
      }
      if let piece, !isRaw, !header.isExternal, header.type != (piece.number == 4 ? .float32 : .float64) {
        throw Self.unreadable(header, "is \(header.type), and its elements are of another type")
      }
      if !isRaw, !header.isExternal { header.typed = try Self.elements(message, header) }
      return header
    }
  }

  /// The elements of the typed fields; `nil` if there are none. As ONNX Runtime reads them, integers lose the bits that
  /// their type does not hold, and every number but 0 is true.
  private static func elements(_ message: Onnx__Tensor, _ header: Header) throws(FormatError) -> Tensor? {
    func tensor<Source, Element: TensorElement>(
      _ values: [Source], _ convert: (Source) -> Element
    ) throws(FormatError) -> Tensor? {
      guard !values.isEmpty else { return nil }
      guard values.count == header.count else {
        throw unreadable(header, "has \(values.count) elements for the shape \(header.shape)")
      }
      let tensor = Tensor(values.map(convert), shape: header.shape)
      // float16, bfloat16 and bool are stored as the bits of another type.
      return Tensor(elementType: header.type, shape: header.shape, storage: tensor.storage, byteOffset: 0)
    }
    let ints = array(message.int32_data, message.n_int32_data)
    if [.float16, .bfloat16].contains(header.type), let value = ints.first(where: { UInt16(exactly: $0) == nil }) {
      throw unreadable(header, "has the element \(value), and the bits of a \(header.type) are 0...65535")
    }
    return switch header.type {
    case .float32: try tensor(array(message.float_data, message.n_float_data)) { $0 }
    case .float64: try tensor(array(message.double_data, message.n_double_data)) { $0 }
    case .int64: try tensor(array(message.int64_data, message.n_int64_data)) { $0 }
    case .uint64: try tensor(array(message.uint64_data, message.n_uint64_data)) { $0 }
    case .uint32: try tensor(array(message.uint64_data, message.n_uint64_data)) { UInt32(truncatingIfNeeded: $0) }
    case .int32: try tensor(ints) { $0 }
    case .int16: try tensor(ints) { Int16(truncatingIfNeeded: $0) }
    case .uint16, .float16, .bfloat16: try tensor(ints) { UInt16(truncatingIfNeeded: $0) }
    case .int8: try tensor(ints) { Int8(truncatingIfNeeded: $0) }
    case .uint8: try tensor(ints) { UInt8(truncatingIfNeeded: $0) }
    case .bool: try tensor(ints) { UInt8($0 == 0 ? 0 : 1) }
    }
  }

  private func view(_ header: Header, of file: MappedFile, _ bytes: Range<Int>) throws(FormatError) -> Tensor {
    guard bytes.count == header.count * header.type.byteCount else {
      throw Self.unreadable(
        header,
        "has \(bytes.count) bytes, and its shape \(header.shape) of \(header.type) needs "
          + "\(header.count * header.type.byteCount)")
    }
    guard
      let tensor = Tensor(
        elementType: header.type, shape: header.shape, storage: file.storage, byteOffset: bytes.lowerBound)
    else { throw Self.unreadable(header, "lies outside of \(file.path)") }
    return tensor
  }

  private mutating func external(_ header: Header) throws(FormatError) -> Tensor {
    guard let location = header.external["location"] else {
      throw Self.unreadable(header, "has external data without a location")
    }
    let data: MappedFile
    let spelling = Array(MappedFile.shortest(location).utf8)
    if let number = externalNumbers[spelling] {
      data = externalFiles[number].file
    } else {
      guard externalFiles.count < Self.maximumFiles else {
        throw .limitExceeded(what: "external data files", offset: 0, limit: Self.maximumFiles)
      }
      externalNumbers[spelling] = externalFiles.count
      do throws(ConfinementError) { data = try MappedFile.confined(to: folder, location: location) } catch {
        if case .file(let problem) = error, problem.kind == .inputOutput { throw .system(problem) }
        throw Self.unreadable(header, "its external data '\(location)' cannot be read: \(error)")
      }
      externalFiles.append((location, data))
    }
    let offset = try Self.number("offset", of: header) ?? 0
    let size = header.count * header.type.byteCount
    let length = try Self.number("length", of: header) ?? size
    let (end, overflow) = offset.addingReportingOverflow(length)
    guard !overflow, end <= data.byteCount else {
      throw Self.unreadable(
        header,
        "its external data '\(location)' has \(data.byteCount) bytes, and \(length) from byte \(offset) on are "
          + "requested")
    }
    return try view(header, of: data, offset..<end)
  }

  private static func number(_ key: String, of header: Header) throws(FormatError) -> Int? {
    guard let text = header.external[key] else { return nil }
    guard let value = Int(text), value >= 0 else {
      throw unreadable(header, "the \(key) '\(text)' of its external data is not a number of bytes")
    }
    return value
  }

  private static func elementType(_ code: Int32, _ header: Header) throws(FormatError) -> ElementType {
    if let type = ElementType(onnxCode: Int(code)) { return type }
    let names: [Int32: String] = [
      0: "undefined", 8: "string", 14: "complex64", 15: "complex128", 17: "float8", 18: "float8", 19: "float8",
      20: "float8", 21: "uint4", 22: "int4", 23: "float4",
    ]
    throw unreadable(header, "has the element type \(names[code] ?? "number \(code)"), which is not supported")
  }
}

extension ElementType {
  /// The type with a number of ONNX's `TensorProto.DataType`; `nil` for types that are not supported.
  package init?(onnxCode code: Int) {
    let types: [Int: ElementType] = [
      1: .float32, 2: .uint8, 3: .int8, 4: .uint16, 5: .int16, 6: .int32, 7: .int64, 9: .bool, 10: .float16,
      11: .float64, 12: .uint32, 13: .uint64, 16: .bfloat16,
    ]
    guard let type = types[code] else { return nil }
    self = type
  }
}
