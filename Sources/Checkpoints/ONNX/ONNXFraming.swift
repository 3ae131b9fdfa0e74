import Files

/// The messages of ONNX and which fields hold further ones, so that depth and number can be bounded before anything is
/// unpacked. Fields that are not listed hold no messages that ONNX knows, and are passed over.
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

  /// What the length-delimited field of that number holds, if it is a message.
  func child(_ field: Int) -> ONNXMessage? { children[field] }

  private var children: [Int: ONNXMessage] {
    switch self {
    case .model: Self.modelFields
    case .graph: Self.graphFields
    case .node: [5: .attribute, 9: .entry]
    case .attribute: Self.attributeFields
    case .tensor: [13: .entry, 16: .entry]
    case .sparseTensor: [1: .tensor, 2: .tensor]
    case .valueInfo: [2: .type, 4: .entry]
    case .type: Self.typeFields
    case .tensorType: [2: .shape]
    case .containerType: [1: .type]
    case .mapType: [2: .type]
    case .shape: [1: .dimension]
    case .training: [1: .graph, 2: .graph, 3: .entry, 4: .entry]
    case .function: Self.functionFields
    case .annotation: [2: .entry]
    case .operatorSet, .dimension, .entry: [:]
    }
  }

  private static let modelFields: [Int: ONNXMessage] = [
    7: .graph, 8: .operatorSet, 14: .entry, 20: .training, 25: .function,
  ]
  private static let graphFields: [Int: ONNXMessage] = [
    1: .node, 5: .tensor, 11: .valueInfo, 12: .valueInfo, 13: .valueInfo, 14: .annotation, 15: .sparseTensor,
    16: .entry,
  ]
  private static let attributeFields: [Int: ONNXMessage] = [
    5: .tensor, 6: .graph, 10: .tensor, 11: .graph, 14: .type, 15: .type, 22: .sparseTensor, 23: .sparseTensor,
  ]
  private static let typeFields: [Int: ONNXMessage] = [
    1: .tensorType, 4: .containerType, 5: .mapType, 8: .tensorType, 9: .containerType,
  ]
  private static let functionFields: [Int: ONNXMessage] = [
    7: .node, 9: .operatorSet, 11: .attribute, 12: .valueInfo, 14: .entry,
  ]
}

enum ONNXFraming {
  /// Messages within messages; a graph without subgraphs has six.
  static let maximumDepth = 32
  static let maximumMessages = 4_000_000

  /// Walks the frames of every message of the file, without recursion.
  ///
  /// - Throws: `FormatError` where a frame ends outside of the one that holds it, or there are too many of them.
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

  /// Whether a file that is nothing else begins as ONNX models do: with `ir_version` and another of ModelProto's fields.
  static func isPlausible(_ file: MappedFile) -> Bool {
    var reader = ProtobufReader(ByteCursor(file.storage), message: "ModelProto")
    guard let version = try? reader.next(), version.number == 1, version.type == .varint,
      version.payload.count == 1, version.bytes.count == 2
    else { return false }
    // Looked at by its tag alone: the field itself may be cut short.
    guard version.bytes.upperBound < file.byteCount else { return false }
    let tag = file.withBytes { $0[version.bytes.upperBound] }
    return [0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72].contains(tag)
  }
}
