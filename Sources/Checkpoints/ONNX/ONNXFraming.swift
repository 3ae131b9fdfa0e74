import Files

/// The messages of ONNX and the fields that contain further messages, so that their depth and number can be bounded
/// before anything is unpacked. Fields that are not listed contain no messages of ONNX, and are skipped.
enum ONNXMessage: String {
  case model = "ModelProto"
  case operatorSet = "OperatorSetIdProto"
  case graph = "GraphProto"
  case node = "NodeProto"
  case attribute = "AttributeProto"
  case tensor = "TensorProto"
  case sparseTensor = "SparseTensorProto"
  case valueInfo = "ValueInfoProto"
  case type = "TypeProto"
  case tensorType = "TypeProto.Tensor"
  case containerType = "TypeProto.Sequence"
  case mapType = "TypeProto.Map"
  case shape = "TensorShapeProto"
  case dimension = "TensorShapeProto.Dimension"
  case entry = "StringStringEntryProto"
  case training = "TrainingInfoProto"
  case function = "FunctionProto"
  case annotation = "TensorAnnotation"

  /// The message that the length-delimited field with this number contains, or `nil` if it contains none.
  func child(_ field: Int) -> ONNXMessage? {
    switch (self, field) {
    case (.model, 7), (.attribute, 6), (.attribute, 11), (.training, 1), (.training, 2): .graph
    case (.model, 8), (.function, 9): .operatorSet
    case (.model, 20): .training
    case (.model, 25): .function
    case (.graph, 1), (.function, 7): .node
    case (.graph, 5), (.attribute, 5), (.attribute, 10), (.sparseTensor, 1), (.sparseTensor, 2): .tensor
    case (.graph, 11), (.graph, 12), (.graph, 13), (.function, 12): .valueInfo
    case (.graph, 14): .annotation
    case (.graph, 15), (.attribute, 22), (.attribute, 23): .sparseTensor
    case (.node, 5), (.function, 11): .attribute
    case (.valueInfo, 2), (.attribute, 14), (.attribute, 15), (.containerType, 1), (.mapType, 2): .type
    case (.type, 1), (.type, 8): .tensorType
    case (.type, 4), (.type, 9): .containerType
    case (.type, 5): .mapType
    case (.tensorType, 2): .shape
    case (.shape, 1): .dimension
    case (.model, 14), (.graph, 16), (.node, 9), (.tensor, 13), (.tensor, 16), (.valueInfo, 4), (.training, 3),
      (.training, 4), (.annotation, 2), (.function, 14):
      .entry
    default: nil
    }
  }
}

enum ONNXFraming {
  /// The maximum nesting depth of messages; a graph without subgraphs has six levels.
  static let maximumDepth = 32
  static let maximumMessages = 4_000_000

  /// Checks the extent of every message of the file, without recursion.
  ///
  /// - Throws: `FormatError.truncated` or `FormatError.malformed` if a field is damaged or ends outside of the message
  ///   that contains it, and `FormatError.limitExceeded` if there are too many messages or levels.
  static func check(_ file: MappedFile) throws(FormatError) {
    var open = [(reader: ProtobufReader(ByteCursor(file.storage), message: "ModelProto"), kind: ONNXMessage.model)]
    var count = 1
    while let top = open.last {
      var reader = top.reader
      let field = try reader.next()
      guard let field else {
        open.removeLast()
        continue
      }
      open[open.count - 1].reader = reader
      guard field.type == .lengthDelimited, let child = top.kind.child(field.number) else { continue }
      count += 1
      guard count <= maximumMessages else {
        throw .limitExceeded(what: "the number of messages", offset: field.bytes.lowerBound, limit: maximumMessages)
      }
      guard open.count < maximumDepth else {
        throw .limitExceeded(what: "the nesting of messages", offset: field.bytes.lowerBound, limit: maximumDepth)
      }
      open.append((ProtobufReader(file, field.payload, message: child.rawValue), child))
    }
  }

  /// Whether a file of no other format starts like an ONNX model: with `ir_version` and another field of ModelProto.
  static func isPlausible(_ file: MappedFile) -> Bool {
    var reader = ProtobufReader(ByteCursor(file.storage), message: "ModelProto")
    guard let version = try? reader.next(), version.number == 1, version.type == .varint,
      version.payload.count == 1, version.bytes.count == 2
    else { return false }
    // Only the tag is read, because the field itself may be cut short.
    guard version.bytes.upperBound < file.byteCount else { return false }
    let tag = file.withBytes { $0[version.bytes.upperBound] }
    return [0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72].contains(tag)
  }
}
