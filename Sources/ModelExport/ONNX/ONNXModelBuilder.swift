import Tensors

/// Collects the nodes and initialisers of an ONNX model (field numbers: onnx.proto of the ONNX project).
struct ONNXModelBuilder {
  /// The operator set. Per-channel DequantizeLinear exists from 13 on, and ReduceMean and ReduceMax of 13 still take
  /// their axes as an attribute.
  static let opset = 13
  /// The version of the intermediate representation that belongs to operator set 13.
  static let irVersion = 7

  enum Attribute {
    case int(Int)
    case ints([Int])
    case float(Float)
    case string(String)
  }

  private var graph = ProtobufMessage()
  private var names: ONNXNames
  private var sharedInitializers: [String: String] = [:]

  /// - Parameters:
  ///   - inputs: the names of the model's inputs, which no node may have.
  ///   - outputs: the names of the model's outputs, which only `output(_:of:_:)` may use.
  init(inputs: [String], outputs: [String]) {
    names = ONNXNames(inputs: inputs, outputs: outputs)
  }

  /// Adds a node.
  ///
  /// - Parameter name: the proposed name. If it is taken, a number is appended.
  /// - Returns: the name of the node and of its output.
  mutating func node(
    _ op: String, name: String, inputs: [String], attributes: [(String, Attribute)] = []
  ) -> String {
    let name = names.fresh(name)
    add(op, name: name, inputs: inputs, attributes: attributes)
    return name
  }

  private mutating func add(_ op: String, name: String, inputs: [String], attributes: [(String, Attribute)]) {
    var node = ProtobufMessage()
    for input in inputs {
      // An omitted optional input has an empty name.
      precondition(
        input.isEmpty || names.contains(input), "the ONNX node '\(name)' reads '\(input)', which no node produces")
      node.add(1, string: input)
    }
    node.add(2, string: name)
    node.add(3, string: name)
    node.add(4, string: op)
    for (name, value) in attributes {
      var attribute = ProtobufMessage()
      attribute.add(1, string: name)
      switch value {
      case .float(let value):
        attribute.add(2, float: value)
        attribute.add(20, int: 1)
      case .int(let value):
        attribute.add(3, int: value)
        attribute.add(20, int: 2)
      case .string(let text):
        attribute.add(4, string: text)
        attribute.add(20, int: 3)
      case .ints(let values):
        for value in values { attribute.add(8, int: value) }
        attribute.add(20, int: 7)
      }
      node.add(5, message: attribute)
    }
    graph.add(1, message: node)
  }

  /// Adds a constant.
  ///
  /// - Parameter name: the proposed name. If it is taken, a number is appended.
  /// - Returns: the name of the constant.
  mutating func initializer(_ name: String, _ tensor: Tensor) -> String {
    let name = names.fresh(name)
    var message = ProtobufMessage()
    for extent in tensor.shape.dimensions { message.add(1, int: extent) }
    message.add(2, int: Self.dataType(tensor.elementType))
    message.add(8, string: name)
    message.add(9, bytesOf: tensor)
    graph.add(5, message: message)
    return name
  }

  /// Adds a constant that nodes share, unless it has already been added under this name.
  ///
  /// - Returns: the name of the constant in the model.
  mutating func sharedInitializer(_ name: String, _ tensor: Tensor) -> String {
    if let existing = sharedInitializers[name] { return existing }
    let added = initializer(name, tensor)
    sharedInitializers[name] = added
    return added
  }

  /// The value of `TensorProto.DataType` for an element type.
  private static func dataType(_ type: ElementType) -> Int {
    switch type {
    case .float32: 1
    case .uint8: 2
    case .int8: 3
    case .uint16: 4
    case .int16: 5
    case .int32: 6
    case .int64: 7
    case .bool: 9
    case .float16: 10
    case .float64: 11
    case .uint32: 12
    case .uint64: 13
    case .bfloat16: 16
    }
  }

  /// A dimension of a declared input or output.
  enum Dimension {
    case fixed(Int)
    case symbolic(String)
  }

  private static func valueInfo(_ name: String, _ dimensions: [Dimension]) -> ProtobufMessage {
    var shape = ProtobufMessage()
    for dimension in dimensions {
      var message = ProtobufMessage()
      switch dimension {
      case .fixed(let extent): message.add(1, int: extent)
      case .symbolic(let name): message.add(2, string: name)
      }
      shape.add(1, message: message)
    }
    var tensor = ProtobufMessage()
    tensor.add(1, int: dataType(.float32))
    tensor.add(2, message: shape)
    var type = ProtobufMessage()
    type.add(1, message: tensor)
    var info = ProtobufMessage()
    info.add(1, string: name)
    info.add(2, message: type)
    return info
  }

  /// Declares an input.
  mutating func input(_ name: String, _ dimensions: [Dimension]) {
    graph.add(11, message: Self.valueInfo(name, dimensions))
  }

  /// Declares an output and connects it to a value.
  mutating func output(_ name: String, of value: String, _ dimensions: [Dimension]) {
    names.claim(name)
    add("Identity", name: name, inputs: [value], attributes: [])
    graph.add(12, message: Self.valueInfo(name, dimensions))
  }

  /// The finished model.
  ///
  /// - Parameter metadata: the model's metadata, in the order of the file.
  func model(name: String, producerVersion: String, metadata: [(key: String, value: String)]) -> ProtobufMessage {
    names.checkOutputs()
    var graph = graph
    graph.add(2, string: name)
    var opset = ProtobufMessage()
    opset.add(1, string: "")
    opset.add(2, int: Self.opset)
    var model = ProtobufMessage()
    model.add(1, int: Self.irVersion)
    model.add(2, string: "quern")
    model.add(3, string: producerVersion)
    model.add(7, message: graph)
    model.add(8, message: opset)
    for (key, value) in metadata {
      var entry = ProtobufMessage()
      entry.add(1, string: key)
      entry.add(2, string: value)
      model.add(14, message: entry)
    }
    return model
  }
}
