import COnnx
import Files
import Tensors

/// Reads ONNX models. The fields of the file are read in place twice: first to bound the depth and the number of
/// messages, then to find the messages of the graph, which protobuf-c unpacks one at a time. The bytes of tensors are
/// not copied.
struct ONNXReader {
  private let file: MappedFile
  private var tensors: ONNXTensorReader
  private var initializers = NamedTensors()
  private var nodes: [ONNXModel.Node] = []
  private var inputs: [ONNXModel.ValueInfo] = []
  private var outputs: [ONNXModel.ValueInfo] = []
  private var graphName = ""
  private var functions: [ONNXFunction.Key: ONNXFunction] = [:]

  static func read(_ file: MappedFile) throws(FormatError) -> CheckpointContents {
    try ONNXFraming.check(file)
    var reader = ONNXReader(file: file)
    return try reader.read()
  }

  private init(file: MappedFile) {
    self.file = file
    tensors = ONNXTensorReader(file)
  }

  private mutating func read() throws(FormatError) -> CheckpointContents {
    let whole = 0..<file.byteCount
    var graph: Range<Int>?
    var ignored: [Checkpoint.Ignored] = []
    var fields = ProtobufReader(file, whole, message: ONNXMessage.model.rawValue)
    while let field = try fields.next() {
      switch field.number {
      case 7 where field.type == .lengthDelimited:
        guard graph == nil else {
          throw .malformed(field: "graph", offset: field.bytes.lowerBound, reason: "the model has two")
        }
        graph = field.payload
      case 20: ignored.append(Checkpoint.Ignored(name: "training_info", reason: "how the model was trained"))
      case 25 where field.type == .lengthDelimited:
        guard let function = try self.function(field) else { break }
        guard functions.updateValue(function, forKey: function.key) == nil else {
          throw malformed("functions", field, "a second one is named '\(function.key.name)'")
        }
      default: break
      }
    }
    let unpacking = ONNXUnpacking(file: file, message: .model, range: whole)
    let header = try unpacking(
      fields: [1, 2, 3, 8], texts: [2, 3], onnx__model__unpack, onnx__model__free_unpacked
    ) { message throws(FormatError) in try Self.header(message, unpacking) }
    guard let graph else {
      throw .malformed(field: "ModelProto", offset: 0, reason: "there is no graph; the file is cut short or damaged")
    }
    guard header.operatorSets[""] != nil else {
      throw .malformed(
        field: "ModelProto", offset: 0,
        reason: "no opset_import names the standard operators; the file is cut short or damaged")
    }
    try readGraph(graph)
    try checkNames(header)
    let initial = initializers
    let byteCount = tensors.externalFiles.reduce(file.byteCount) { $0 + $1.file.byteCount }
    let model = ONNXModel(
      irVersion: header.irVersion, producer: header.producer, producerVersion: header.producerVersion,
      operatorSets: header.operatorSets, name: graphName, inputs: inputs.filter { initial[$0.name] == nil },
      outputs: outputs,
      nodes: try ONNXInlining.inline(
        nodes, functions, operatorSet: header.operatorSets[""] ?? 0, modelBytes: byteCount),
      initializers: initializers, externalFiles: tensors.externalFiles.map(\.location), byteCount: byteCount)
    return CheckpointContents(
      tensors: initializers, ignored: ignored, network: model, dataFiles: tensors.externalFiles.map(\.file))
  }

  /// Refuses texts that differ in the Unicode normal form alone: values, nodes and functions refer to each other by
  /// them.
  private func checkNames(_ header: Header) throws(FormatError) {
    var texts = nodes.flatMap(\.texts)
    texts += inputs.flatMap(\.texts)
    texts += outputs.flatMap(\.texts)
    texts += initializers.names
    texts += header.operatorSets.keys.sorted()
    texts += functions.values.sorted { $0.offset < $1.offset }.flatMap(\.texts)
    guard let text = NameForms.lookalike(in: texts) else { return }
    throw .malformed(field: "name '\(text)'", offset: 0, reason: NameForms.reason)
  }

  private struct Header {
    var irVersion: Int
    var producer: String
    var producerVersion: String
    var operatorSets: [String: Int]
  }

  private static func header(_ message: Onnx__Model, _ unpacking: ONNXUnpacking) throws(FormatError) -> Header {
    var sets: [String: Int] = [:]
    for set in UnsafeBufferPointer(start: message.opset_import, count: message.n_opset_import) {
      guard let set = set?.pointee else { continue }
      let domain = Self.domain(try unpacking.text(set.domain))
      if let earlier = sets.updateValue(Int(set.version), forKey: domain), earlier != Int(set.version) {
        throw unpacking.malformed("opset_import has two versions of the domain '\(domain)'")
      }
    }
    return Header(
      irVersion: Int(message.ir_version), producer: try unpacking.text(message.producer_name),
      producerVersion: try unpacking.text(message.producer_version), operatorSets: sets)
  }

  /// A domain in its usual spelling: that of the standard operators has two.
  private static func domain(_ text: String) -> String { text == "ai.onnx" ? "" : text }

  private mutating func readGraph(_ range: Range<Int>) throws(FormatError) {
    var fields = ProtobufReader(file, range, message: ONNXMessage.graph.rawValue)
    while let field = try fields.next() {
      guard field.type == .lengthDelimited else { continue }
      switch field.number {
      case 1: nodes.append(try node(field.payload, index: nodes.count))
      case 2: graphName = file.withBytes { String(decoding: $0[field.payload].prefix(200), as: UTF8.self) }
      case 5:
        let (name, tensor) = try initializer(field)
        guard initializers.append(tensor, named: name) else {
          throw malformed("initializer", field, "a second one is named '\(name)'")
        }
      case 11: inputs.append(try valueInfo(field.payload))
      case 12: outputs.append(try valueInfo(field.payload))
      case 15: throw Self.sparseInitializer(field)
      default: break
      }
    }
  }

  private static func sparseInitializer(_ field: ProtobufField) -> FormatError {
    .unsupported(
      feature: "a sparse initialiser", offset: field.bytes.lowerBound, advice: "save the model with dense weights")
  }

  private mutating func initializer(_ field: ProtobufField) throws(FormatError) -> (name: String, tensor: Tensor) {
    let (name, tensor) = try tensors.tensor(in: field.payload)
    guard !name.isEmpty else { throw malformed("initializer", field, "it has no name") }
    return (name, tensor)
  }

  /// A graph inside a node. `ONNXFraming` has bounded how deeply these nest.
  private mutating func subgraph(_ range: Range<Int>, index: Int) throws(FormatError) -> ONNXModel.Subgraph {
    var nodes: [ONNXModel.Node] = []
    var initializers = NamedTensors()
    var outputs: [String] = []
    var fields = ProtobufReader(file, range, message: ONNXMessage.graph.rawValue)
    while let field = try fields.next() {
      guard field.type == .lengthDelimited else { continue }
      switch field.number {
      case 1: nodes.append(try node(field.payload, index: index))
      case 5:
        let (name, tensor) = try initializer(field)
        guard initializers.append(tensor, named: name) else {
          throw malformed("initializer", field, "a second one is named '\(name)'")
        }
      case 12: outputs.append(try valueInfo(field.payload).name)
      case 15: throw Self.sparseInitializer(field)
      default: break
      }
    }
    return ONNXModel.Subgraph(nodes: nodes, initializers: initializers, outputs: outputs)
  }

  /// A function; `nil` for one of several of the same name (ONNX 1.16), which no node that can be read calls.
  private mutating func function(_ function: ProtobufField) throws(FormatError) -> ONNXFunction? {
    var (domain, name) = ("", "")
    var isOverload = false
    var operatorSets: Set<Int> = []
    var inputs: [String] = []
    var outputs: [String] = []
    var nodes: [ONNXModel.Node] = []
    var defaults: [String: ONNXModel.Attribute] = [:]
    var fields = ProtobufReader(file, function.payload, message: ONNXMessage.function.rawValue)
    while let field = try fields.next() {
      guard field.type == .lengthDelimited else { continue }
      switch field.number {
      case 1: name = try text(field)
      case 4: inputs.append(try text(field))
      case 5: outputs.append(try text(field))
      case 7: nodes.append(try node(field.payload, index: nodes.count))
      case 9: if let version = try standardOperatorSet(field.payload) { operatorSets.insert(version) }
      case 10: domain = try text(field)
      case 11:
        let (name, value) = try attribute(field.payload, index: 0)
        guard !defaults.hasLookalike(of: name) else {
          throw malformed("attribute", field, "'\(name)': \(NameForms.reason)")
        }
        defaults[name] = value
      case 13: isOverload = !field.payload.isEmpty
      default: break
      }
    }
    guard !name.isEmpty else { throw malformed("functions", function, "one has no name") }
    if isOverload { return nil }
    return ONNXFunction(
      key: ONNXFunction.Key(domain: Self.domain(domain), name: name), offset: function.bytes.lowerBound,
      operatorSets: operatorSets, inputs: inputs, outputs: outputs, defaults: defaults, nodes: nodes)
  }

  /// The version of the standard operators that an OperatorSetIdProto states; `nil` where it is of another domain.
  private func standardOperatorSet(_ range: Range<Int>) throws(FormatError) -> Int? {
    var (domain, version) = ("", 0)
    var fields = ProtobufReader(file, range, message: ONNXMessage.operatorSet.rawValue)
    while let field = try fields.next() {
      switch (field.number, field.type) {
      case (1, .lengthDelimited): domain = try text(field)
      case (2, .varint):
        var cursor = ByteCursor(file.storage, range: field.payload)
        version = Int(truncatingIfNeeded: try cursor.varint("version"))
      default: break
      }
    }
    return Self.domain(domain).isEmpty ? version : nil
  }

  private func text(_ field: ProtobufField) throws(FormatError) -> String {
    guard let text = file.withBytes({ String(ofFile: $0[field.payload]) }) else {
      throw malformed("name", field, "it is not \(String.fileTextRule)")
    }
    return text
  }

  private func malformed(_ name: String, _ field: ProtobufField, _ reason: String) -> FormatError {
    .malformed(field: name, offset: field.bytes.lowerBound, reason: reason)
  }

  private mutating func node(_ range: Range<Int>, index: Int) throws(FormatError) -> ONNXModel.Node {
    var attributes: [String: ONNXModel.Attribute] = [:]
    var fields = ProtobufReader(file, range, message: ONNXMessage.node.rawValue)
    while let field = try fields.next() {
      guard field.type == .lengthDelimited else { continue }
      if field.number == 8, !field.payload.isEmpty {
        throw .unsupported(
          feature: "a call of an overloaded function", offset: field.bytes.lowerBound,
          advice: "give each function a name of its own")
      }
      guard field.number == 5 else { continue }
      let (name, value) = try attribute(field.payload, index: index)
      guard attributes.updateValue(value, forKey: name) == nil else {
        throw malformed("attribute", field, "a second one is named '\(name)'")
      }
    }
    let unpacking = ONNXUnpacking(file: file, message: .node, range: range)
    return try unpacking(
      fields: [1, 2, 3, 4, 7], texts: [1, 2, 3, 4, 7], onnx__node__unpack, onnx__node__free_unpacked
    ) { message throws(FormatError) in
      let type = try unpacking.text(message.op_type)
      guard !type.isEmpty else { throw unpacking.malformed("a node without an operator") }
      let domain = try unpacking.text(message.domain)
      return ONNXModel.Node(
        index: index, name: try unpacking.text(message.name), operatorType: type, domain: Self.domain(domain),
        inputs: try unpacking.texts(message.input, message.n_input),
        outputs: try unpacking.texts(message.output, message.n_output), attributes: attributes)
    }
  }

  private mutating func attribute(
    _ range: Range<Int>, index: Int
  ) throws(FormatError) -> (String, ONNXModel.Attribute) {
    var tensor: Tensor?
    var graph: ONNXModel.Subgraph?
    var reference: String?
    var other: String?
    var fields = ProtobufReader(file, range, message: ONNXMessage.attribute.rawValue)
    while let field = try fields.next() {
      guard field.type == .lengthDelimited else { continue }
      switch field.number {
      case 5: tensor = try tensors.tensor(in: field.payload).tensor
      case 6:
        guard graph == nil else { throw malformed("attribute", field, "it has two graphs") }
        graph = try subgraph(field.payload, index: index)
      case 11: other = "a list of graphs"
      case 21: reference = try text(field)
      case 10: other = "a list of tensors"
      case 14, 15: other = "a type"
      case 22, 23: other = "a sparse tensor"
      default: break
      }
    }
    let unpacking = ONNXUnpacking(file: file, message: .attribute, range: range)
    return try unpacking(
      fields: [1, 2, 3, 4, 7, 8, 9, 20], texts: [1], onnx__attribute__unpack, onnx__attribute__free_unpacked
    ) { message throws(FormatError) in
      let name = try unpacking.text(message.name)
      guard !name.isEmpty else { throw unpacking.malformed("an attribute without a name") }
      if let reference, !reference.isEmpty { return (name, .reference(reference)) }
      return (name, try Self.value(message, tensor: tensor, graph: graph, other: other, unpacking))
    }
  }

  private static func value(
    _ message: Onnx__Attribute, tensor: Tensor?, graph: ONNXModel.Subgraph?, other: String?,
    _ unpacking: ONNXUnpacking
  ) throws(FormatError) -> ONNXModel.Attribute {
    // AttributeProto.AttributeType, which files before IR version 2 do not have.
    switch message.type {
    case 1: return .float(message.f)
    case 2: return .int(Int(message.i))
    case 3: return .string(try unpacking.text(message.s))
    case 4:
      guard let tensor else { throw unpacking.malformed("an attribute of type tensor has no tensor") }
      return .tensor(tensor)
    case 5:
      guard let graph else { throw unpacking.malformed("an attribute of type graph has no graph") }
      return .graph(graph)
    case 6: return .floats(array(message.floats, message.n_floats))
    case 7: return .ints(array(message.ints, message.n_ints).map { Int($0) })
    case 8:
      var texts: [String] = []
      for data in array(message.strings, message.n_strings) { texts.append(try unpacking.text(data)) }
      return .strings(texts)
    case 0:
      if let tensor { return .tensor(tensor) }
      if let graph { return .graph(graph) }
      if message.has_f != 0 { return .float(message.f) }
      if message.has_i != 0 { return .int(Int(message.i)) }
      if message.has_s != 0 { return .string(try unpacking.text(message.s)) }
      if message.n_floats > 0 { return .floats(array(message.floats, message.n_floats)) }
      if message.n_ints > 0 { return .ints(array(message.ints, message.n_ints).map { Int($0) }) }
      return .other(other ?? "nothing")
    default: return .other(other ?? "a value of type \(message.type)")
    }
  }

  private func valueInfo(_ range: Range<Int>) throws(FormatError) -> ONNXModel.ValueInfo {
    let unpacking = ONNXUnpacking(file: file, message: .valueInfo, range: range)
    return try unpacking(
      fields: [1, 2], texts: [1], onnx__value_info__unpack, onnx__value_info__free_unpacked
    ) { message throws(FormatError) in
      let tensor = message.type?.pointee.tensor_type?.pointee
      var dimensions: [ONNXModel.Dimension]?
      if let shape = tensor?.shape?.pointee {
        var extents: [ONNXModel.Dimension] = []
        for dimension in UnsafeBufferPointer(start: shape.dim, count: shape.n_dim) {
          guard let dimension = dimension?.pointee else { continue }
          let isFixed = dimension.has_dim_value != 0 && dimension.dim_value > 0
          extents.append(
            isFixed ? .fixed(Int(dimension.dim_value)) : .dynamic(try unpacking.text(dimension.dim_param)))
        }
        dimensions = extents
      }
      return ONNXModel.ValueInfo(
        name: try unpacking.text(message.name),
        elementType: tensor.flatMap { ElementType(onnxCode: Int($0.elem_type)) }, dimensions: dimensions)
    }
  }
}
