import Files
import Graphs
import Tensors

/// The binary form of a graph record (formats/package.md, "Graph section"). Each graph has exactly one form: `parse`
/// accepts only what `encode` can write.
enum GraphSection {
  static let part = "graph section"
  static let nodeLimit = Graph.nodeLimit
  static let rankLimit = 8
  static let outputLimit = 256

  /// The minimum number of bytes that a node, an output, an attribute and a constant take.
  private static let smallestNode = 22, smallestOutput = 9, smallestAttribute = 10, smallestConstant = 11

  // MARK: - Writing

  static func encode(_ record: GraphRecord) -> [UInt8] {
    var writer = ByteWriter()
    writer.append(record.architecture)
    for value in record.preprocessing.mean + record.preprocessing.std { writer.append(value) }
    encode(record.inputFormat, to: &writer)
    writer.append(count: record.nodes.count)
    for node in record.nodes { encode(node, to: &writer) }
    writer.append(count: record.outputs.count)
    for output in record.outputs {
      writer.append(output.name)
      writer.append(count: output.value.index)
    }
    return writer.bytes
  }

  private static func encode(_ format: ValueFormat, to writer: inout ByteWriter) {
    switch format {
    case .float32: writer.append(UInt8(1))
    case .uint8(let parameters), .uint8WithRemainder(let parameters):
      writer.append(UInt8(format == .uint8(parameters) ? 2 : 3))
      writer.append(parameters.scale)
      writer.append(parameters.zeroPoint)
    }
  }

  private static func encode(_ node: NodeRecord, to writer: inout ByteWriter) {
    writer.append(node.name)
    writer.append(node.operatorName)
    let attributes = node.attributes.sorted
    writer.append(count: attributes.count)
    for attribute in attributes {
      writer.append(attribute.name)
      encode(attribute.value, to: &writer)
    }
    writer.append(count: node.inputs.count)
    for input in node.inputs { writer.append(count: input) }
    encode(node.format, to: &writer)
    writer.append(count: node.constants.count)
    for constant in node.constants {
      writer.append(constant.role)
      writer.append(count: constant.tensor)
      writer.append(constant.elementType.rawValue)
      writer.append(UInt8(clamping: constant.shape.rank))
      for extent in constant.shape.dimensions { writer.append(UInt64(clamping: extent)) }
    }
  }

  private static func encode(_ value: AttributeValue, to writer: inout ByteWriter) {
    switch value {
    case .int(let value):
      writer.append(UInt8(1))
      writer.append(Int64(value))
    case .float(let value):
      writer.append(UInt8(2))
      writer.append(value)
    case .string(let value):
      writer.append(UInt8(3))
      writer.append(value)
    case .ints(let values):
      writer.append(UInt8(4))
      writer.append(count: values.count)
      for value in values { writer.append(Int64(value)) }
    case .floats(let values):
      writer.append(UInt8(5))
      writer.append(count: values.count)
      for value in values { writer.append(value) }
    }
  }

  // MARK: - Reading

  /// - Parameters:
  ///   - contents: the uncompressed contents of the graph section.
  ///   - tensorLengths: the lengths of the tensor sections' contents, in the order of the sections.
  static func parse(_ contents: ByteCursor, tensorLengths: [Int]) throws(PackageError) -> GraphRecord {
    var fields = SectionCursor(contents, part: part)
    let architecture = try fields.name("architecture")
    let preprocessing = try parsePreprocessing(&fields)
    let inputFormat = try parseFormat(&fields)
    var tensors = TensorNumbering(lengths: tensorLengths)
    var nodes: [NodeRecord] = []
    var names: Set<String> = []
    for index in 0..<(try fields.count("node count", itemSize: smallestNode, limit: nodeLimit)) {
      let start = fields.offset
      let node = try parseNode(&fields, index: index, tensors: &tensors)
      guard names.insert(node.name).inserted else { throw fields.invalid("node name", at: start, "occurs twice") }
      nodes.append(node)
    }
    var outputs: [GraphOutput] = []
    var outputNames: Set<String> = []
    for _ in 0..<(try fields.count("output count", itemSize: smallestOutput, limit: outputLimit)) {
      let start = fields.offset
      let name = try fields.identifier("output name")
      guard outputNames.insert(name).inserted else {
        throw fields.invalid("output name", at: start, "'\(name)' occurs twice")
      }
      outputs.append(
        GraphOutput(name: name, value: ValueID(try parseValue(&fields, "output value", limit: nodes.count))))
    }
    try fields.expectEnd()
    guard tensors.next == tensorLengths.count else {
      throw fields.invalid(
        "tensors", at: 0, "use \(tensors.next) of the package's \(tensorLengths.count) tensor sections")
    }
    return GraphRecord(
      architecture: architecture, preprocessing: preprocessing, inputFormat: inputFormat, nodes: nodes, outputs: outputs
    )
  }

  private static func parsePreprocessing(_ fields: inout SectionCursor) throws(PackageError) -> Preprocessing {
    var values: [Float] = []
    for index in 0..<6 {
      let name = index < 3 ? "mean" : "standard deviation"
      let start = fields.offset
      let value = try fields.float(name)
      guard value.isFinite, index < 3 || value > 0 else { throw fields.invalid(name, at: start, "is \(value)") }
      values.append(value)
    }
    return Preprocessing(mean: Array(values[..<3]), std: Array(values[3...]))
  }

  private static func parseFormat(_ fields: inout SectionCursor) throws(PackageError) -> ValueFormat {
    let start = fields.offset
    switch try fields.read(UInt8.self, "value format") {
    case 1: return .float32
    case let tag where tag == 2 || tag == 3:
      let scale = try fields.float("scale")
      guard scale > 0, scale.isFinite else { throw fields.invalid("scale", at: start + 1, "is \(scale)") }
      let parameters = QuantizationParameters(scale: scale, zeroPoint: try fields.read(UInt8.self, "zero point"))
      return tag == 2 ? .uint8(parameters) : .uint8WithRemainder(parameters)
    case let tag: throw fields.invalid("value format", at: start, "\(tag) is unknown")
    }
  }

  /// Reads the number of a value, which is at most `limit`.
  private static func parseValue(
    _ fields: inout SectionCursor, _ field: String, limit: Int
  ) throws(PackageError) -> Int {
    let start = fields.offset
    let value = Int(try fields.read(UInt32.self, field))
    guard value <= limit else { throw fields.invalid(field, at: start, "value \(value) is not produced yet") }
    return value
  }

  private static func parseNode(
    _ fields: inout SectionCursor, index: Int, tensors: inout TensorNumbering
  ) throws(PackageError) -> NodeRecord {
    let name = try fields.name("node name")
    let operatorName = try fields.identifier("operator name")
    let attributes = try parseAttributes(&fields)
    var inputs: [Int] = []
    for _ in 0..<(try fields.count("input count", itemSize: 4)) {
      inputs.append(try parseValue(&fields, "node input", limit: index))
    }
    let format = try parseFormat(&fields)
    var constants: [ConstantRecord] = []
    for _ in 0..<(try fields.count("constant count", itemSize: smallestConstant)) {
      let start = fields.offset
      let constant = try parseConstant(&fields, tensors: &tensors)
      try expectOrder(constants.last?.role, constant.role, fields, "constant role", at: start)
      constants.append(constant)
    }
    return NodeRecord(
      name: name, operatorName: operatorName, attributes: attributes, inputs: inputs, format: format,
      constants: constants)
  }

  private static func expectOrder(
    _ previous: String?, _ name: String, _ fields: SectionCursor, _ field: String, at offset: Int
  ) throws(PackageError) {
    guard let previous else { return }
    guard previous.utf8.lexicographicallyPrecedes(name.utf8) else {
      throw fields.invalid(field, at: offset, "'\(name)' after '\(previous)': not in ascending order")
    }
  }

  private static func parseConstant(
    _ fields: inout SectionCursor, tensors: inout TensorNumbering
  ) throws(PackageError) -> ConstantRecord {
    let role = try fields.identifier("constant role")
    let start = fields.offset
    let tensor = Int(try fields.read(UInt32.self, "tensor number"))
    guard let length = tensors.length(of: tensor) else {
      throw fields.invalid("tensor number", at: start, "\(tensor) is out of order, or no such section exists")
    }
    guard let elementType = ElementType(rawValue: try fields.read(UInt8.self, "element type")) else {
      throw fields.invalid("element type", at: start + 4, "is unknown")
    }
    let rank = Int(try fields.read(UInt8.self, "rank"))
    guard rank <= rankLimit else { throw fields.invalid("rank", at: start + 5, "\(rank) is more than \(rankLimit)") }
    var dimensions: [Int] = []
    for _ in 0..<rank { dimensions.append(try fields.size("extent")) }
    let record = ConstantRecord(role: role, elementType: elementType, shape: Shape(dimensions), tensor: tensor)
    guard record.checkedByteCount == length else {
      throw fields.invalid(
        "shape", at: start + 6, "\(elementType) \(record.shape) does not take the \(length) bytes of its section")
    }
    return record
  }

  private static func parseAttributes(_ fields: inout SectionCursor) throws(PackageError) -> Attributes {
    var values: [String: AttributeValue] = [:]
    var previous: String?
    for _ in 0..<(try fields.count("attribute count", itemSize: smallestAttribute)) {
      let start = fields.offset
      let name = try fields.identifier("attribute name")
      try expectOrder(previous, name, fields, "attribute name", at: start)
      values[name] = try parseAttribute(&fields)
      previous = name
    }
    return Attributes(values)
  }

  private static func parseAttribute(_ fields: inout SectionCursor) throws(PackageError) -> AttributeValue {
    let start = fields.offset
    let field = "attribute value"
    switch try fields.read(UInt8.self, "attribute type") {
    case 1: return .int(Int(try fields.read(Int64.self, field)))
    case 2: return .float(Double(bitPattern: try fields.read(UInt64.self, field)))
    case 3: return .string(try fields.name(field))
    case 4:
      var values: [Int] = []
      for _ in 0..<(try fields.count(field, itemSize: 8)) { values.append(Int(try fields.read(Int64.self, field))) }
      return .ints(values)
    case 5:
      var values: [Double] = []
      for _ in 0..<(try fields.count(field, itemSize: 8)) {
        values.append(Double(bitPattern: try fields.read(UInt64.self, field)))
      }
      return .floats(values)
    case let tag: throw fields.invalid("attribute type", at: start, "\(tag) is unknown")
    }
  }
}

/// Checks that tensor sections are numbered in the order of their first use.
private struct TensorNumbering {
  let lengths: [Int]
  private(set) var next = 0

  init(lengths: [Int]) { self.lengths = lengths }

  /// The length of a section that was used before or is next in order; `nil` for any other.
  mutating func length(of tensor: Int) -> Int? {
    guard tensor <= next, tensor < lengths.count else { return nil }
    if tensor == next { next += 1 }
    return lengths[tensor]
  }
}
