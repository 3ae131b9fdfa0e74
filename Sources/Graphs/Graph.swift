import Tensors

/// Names one value (activation) of a graph.
package struct ValueID: Hashable, Sendable, Comparable {
  package let index: Int
  package init(_ index: Int) { self.index = index }
  package static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
}

/// How a value's elements are encoded at run time.
package enum ValueFormat: Hashable, Sendable {
  case float32
  case uint8(QuantizationParameters)
  /// Two planes: the map as uint8, which is all that most operators read, and behind it what the rounding left over, in
  /// 1/256 of a step and plus 128, so that it is a map of uint8, too, with the zero point 128. It is for readers that add
  /// the map to another, and for those that are told to: so a sum that a map takes part in again and again, as in the
  /// residual stream of He et al. (arXiv 1512.03385), is rounded to 16 bits and not to 8.
  case uint8WithRemainder(QuantizationParameters)

  /// The type of an element; that of the first plane where there are two.
  package var elementType: ElementType {
    switch self {
    case .float32: .float32
    case .uint8, .uint8WithRemainder: .uint8
    }
  }

  /// Scale and zero point; `nil` for float.
  package var quantization: QuantizationParameters? {
    switch self {
    case .float32: nil
    case .uint8(let parameters), .uint8WithRemainder(let parameters): parameters
    }
  }

  /// For people.
  package var name: String {
    switch self {
    case .float32: "float32"
    case .uint8: "uint8"
    case .uint8WithRemainder: "uint8 with remainders"
    }
  }

  /// Whether it is uint8 without remainders.
  package var isPlainUInt8: Bool { if case .uint8 = self { true } else { false } }

  /// The form that readers see which do not take remainders.
  package var withoutRemainder: ValueFormat { quantization.map { .uint8($0) } ?? .float32 }

  /// Bytes of all planes of a map of `elementCount` elements.
  package func byteCount(elementCount: Int) -> Int {
    switch self {
    case .float32: elementCount * 4
    case .uint8: elementCount
    case .uint8WithRemainder: elementCount * 2
    }
  }
}

/// Names a node of a graph for as long as rewriting keeps it, whatever becomes of its name, its operator and its output.
package struct NodeID: Hashable, Sendable, Comparable {
  package let index: Int
  package init(_ index: Int) { self.index = index }
  package static func < (a: NodeID, b: NodeID) -> Bool { a.index < b.index }
}

/// One operator applied to values, with its constants (weights) by role, such as "weight" and "bias".
package struct Node: Sendable {
  /// Unique in its graph. A rewritten node keeps it; a new one has the number of its output, unless that
  /// is one that another node made before.
  package let id: NodeID
  /// Unique in its graph; derived from the checkpoint's key names, such as `layer1.0.conv2`.
  package var name: String
  package var op: any Operator
  package var inputs: [ValueID]
  package var output: ValueID
  package var constants: [String: Tensor]

  package init(
    name: String, op: any Operator, inputs: [ValueID], output: ValueID, constants: [String: Tensor] = [:],
    id: NodeID? = nil
  ) {
    self.id = id ?? NodeID(output.index)
    self.name = name
    self.op = op
    self.inputs = inputs
    self.output = output
    self.constants = constants
  }

  /// The operator's wire name.
  package var kind: String { type(of: op).wireName }
}

/// A named output of a graph.
package struct GraphOutput: Hashable, Sendable {
  package var name: String
  package var value: ValueID

  package init(name: String, value: ValueID) {
    self.name = name
    self.value = value
  }

  /// The names every MultiGrain graph uses.
  package static let normalizedEmbedding = "normalized_embedding"
  package static let embedding = "embedding"
  package static let logits = "logits"
}

/// Per-channel RGB normalisation: `(pixel / 255 - mean) / std`.
package struct Preprocessing: Hashable, Sendable {
  package var mean: [Float]
  package var std: [Float]

  package init(mean: [Float], std: [Float]) {
    precondition(mean.count == 3 && std.count == 3)
    self.mean = mean
    self.std = std
  }

  package static let imageNet = Preprocessing(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
  package static let half = Preprocessing(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
}

/// A network as nodes in an order of execution. A value type: passes return changed copies, and the constants, which are
/// the bulk, are shared.
///
/// The input is an NHWC batch of RGB images: float32 normalised by `preprocessing`, or, where its format is uint8, the
/// pixels themselves.
package struct Graph: Sendable {
  /// For people: "resnet50", or what the source called itself.
  package var architecture: String
  package var preprocessing: Preprocessing
  package private(set) var formats: [ValueFormat]
  package let input: ValueID
  package var outputs: [GraphOutput]
  /// In an order of execution.
  package var nodes: [Node]

  /// A graph that has an input and nothing else.
  package init(architecture: String, preprocessing: Preprocessing, inputFormat: ValueFormat = .float32) {
    self.architecture = architecture
    self.preprocessing = preprocessing
    input = ValueID(0)
    formats = [inputFormat]
    outputs = []
    nodes = []
  }

  package var valueCount: Int { formats.count }
  package func format(of value: ValueID) -> ValueFormat { formats[value.index] }
  package mutating func setFormat(_ format: ValueFormat, of value: ValueID) { formats[value.index] = format }

  package mutating func makeValue(format: ValueFormat = .float32) -> ValueID {
    formats.append(format)
    return ValueID(formats.count - 1)
  }

  /// Appends a node and returns its output.
  @discardableResult
  package mutating func append(
    _ op: any Operator, name: String, inputs: [ValueID], constants: [String: Tensor] = [:],
    format: ValueFormat = .float32
  ) -> ValueID {
    let output = makeValue(format: format)
    nodes.append(Node(name: name, op: op, inputs: inputs, output: output, constants: constants))
    return output
  }

  package func output(named name: String) -> ValueID? { outputs.first { $0.name == name }?.value }

  /// The index of the node that makes each value; the input has none.
  package var producers: [ValueID: Int] {
    Dictionary(nodes.enumerated().map { ($1.output, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The indices of the nodes that read each value, in order of execution.
  package var consumers: [ValueID: [Int]] {
    var result: [ValueID: [Int]] = [:]
    for (index, node) in nodes.enumerated() {
      for value in node.inputs { result[value, default: []].append(index) }
    }
    return result
  }

  /// The values that are made before a node and read by it or later, outputs included, in order.
  ///
  /// - Parameter index: of a node; their number for what is left at the end.
  package func valuesAlive(before index: Int) -> [ValueID] {
    let made = Set(nodes[..<index].map(\.output)).union([input])
    let read = Set(nodes[index...].flatMap(\.inputs)).union(outputs.map(\.value))
    return made.intersection(read).sorted()
  }

  /// Bytes of all constants.
  package var constantByteCount: Int {
    nodes.reduce(0) { $0 + $1.constants.values.reduce(0) { $0 + $1.byteCount } }
  }
}
