import Tensors

/// Identifies one value (activation) of a graph.
package struct ValueID: Hashable, Sendable, Comparable {
  /// From 0 to `Graph.valueCount - 1`.
  package let index: Int
  package init(_ index: Int) { self.index = index }
  package static func < (a: ValueID, b: ValueID) -> Bool { a.index < b.index }
}

/// How a value's elements are encoded at run time.
package enum ValueFormat: Hashable, Sendable {
  case float32
  /// One plane of levels.
  case uint8(QuantizationParameters)
  /// Two planes: the levels, which are all that most operators read, followed by the remainders. A remainder is stored
  /// in 1/256 of a step plus 128, so that the second plane is a uint8 map with the zero point 128. It is read by
  /// operators that add the map to another one, and by those with 16-bit input. So a value to which layer after layer
  /// adds, as in the residual stream of He et al. (arXiv 1512.03385), is rounded to 16 bits and not to 8.
  case uint8WithRemainder(QuantizationParameters)

  /// The type of an element (of either plane, where there are two).
  package var elementType: ElementType {
    switch self {
    case .float32: .float32
    case .uint8, .uint8WithRemainder: .uint8
    }
  }

  /// Scale and zero point of the levels; `nil` for float32.
  package var quantization: QuantizationParameters? {
    switch self {
    case .float32: nil
    case .uint8(let parameters), .uint8WithRemainder(let parameters): parameters
    }
  }

  /// The name in messages and reports.
  package var name: String {
    switch self {
    case .float32: "float32"
    case .uint8: "uint8"
    case .uint8WithRemainder: "uint8 with remainders"
    }
  }

  /// Whether the format is uint8 without remainders.
  package var isPlainUInt8: Bool { if case .uint8 = self { true } else { false } }

  /// The format for operators that read no remainders: that of the first plane.
  package var withoutRemainder: ValueFormat { quantization.map { .uint8($0) } ?? .float32 }

  /// The number of bytes of all planes of a map of `elementCount` elements.
  package func byteCount(elementCount: Int) -> Int {
    switch self {
    case .float32: elementCount * 4
    case .uint8: elementCount
    case .uint8WithRemainder: elementCount * 2
    }
  }
}

/// Identifies a node of a graph. Passes keep it even where they change the node's name, its operator or its output.
package struct NodeID: Hashable, Sendable, Comparable {
  /// A number that is unique among the nodes of one graph.
  package let index: Int
  package init(_ index: Int) { self.index = index }
  package static func < (a: NodeID, b: NodeID) -> Bool { a.index < b.index }
}

/// One operator applied to values, with its constants (weights) by role, such as "weight" and "bias".
package struct Node: Sendable {
  /// Unique in its graph. A rewritten node keeps it; a new one gets the index of its output, unless that is the
  /// identifier of another node already.
  package let id: NodeID
  /// Unique in its graph; derived from the checkpoint's key names, such as `layer1.0.conv2`.
  package var name: String
  /// The operator with its attributes.
  package var op: any Operator
  /// The values that the node reads, by slot.
  package var inputs: [ValueID]
  /// The value that the node computes.
  package var output: ValueID
  /// Weights and other constants by role.
  package var constants: [String: Tensor]

  /// - Parameter id: `nil` for a new node, which gets the index of its output.
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
  /// Unique among the outputs of its graph.
  package var name: String
  /// The value that is the output.
  package var value: ValueID

  package init(name: String, value: ValueID) {
    self.name = name
    self.value = value
  }

  /// The name of the L2-normalised embedding, [N, D].
  package static let normalizedEmbedding = "normalized_embedding"
  /// The name of the embedding before L2 normalisation, [N, D].
  package static let embedding = "embedding"
  /// The name of the classifier's output, [N, classes].
  package static let logits = "logits"
}

/// Per-channel RGB normalisation: `(pixel / 255 - mean) / std`.
package struct Preprocessing: Hashable, Sendable {
  /// The means of R, G and B, for pixels from 0 to 1.
  package var mean: [Float]
  /// The standard deviations of R, G and B, for pixels from 0 to 1.
  package var std: [Float]

  package init(mean: [Float], std: [Float]) {
    precondition(mean.count == 3 && std.count == 3)
    self.mean = mean
    self.std = std
  }

  /// The statistics of ImageNet, as in torchvision.
  package static let imageNet = Preprocessing(mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225])
  /// Mean 127 and standard deviation 128 of pixels in 0...255, as in EfficientNet-Lite.
  package static let efficientNetLite = Preprocessing(
    mean: [127 / 255, 127 / 255, 127 / 255], std: [128 / 255, 128 / 255, 128 / 255])
  /// Mean and standard deviation 0.5: pixels from -1 to 1.
  package static let half = Preprocessing(mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])
}

/// A network as a list of nodes in an order of execution. A value type: passes return changed copies, which share the
/// constants, by far the largest part.
///
/// The input is an NHWC batch of RGB images: float32 normalised by `preprocessing`, or, where its format is uint8, the
/// pixels themselves.
package struct Graph: Sendable {
  /// The network's name in messages and reports, such as "resnet50": the architecture, or the name in the checkpoint.
  package var architecture: String
  /// How pixels become the float32 input.
  package var preprocessing: Preprocessing
  /// The format of each value, indexed by `ValueID.index`.
  package private(set) var formats: [ValueFormat]
  /// The only input, [N, H, W, 3].
  package let input: ValueID
  /// The named outputs, such as the embedding and the logits.
  package var outputs: [GraphOutput]
  /// In an order of execution: every value is computed before it is read.
  package var nodes: [Node]

  /// A graph with an input, and without nodes and outputs.
  package init(architecture: String, preprocessing: Preprocessing, inputFormat: ValueFormat = .float32) {
    self.architecture = architecture
    self.preprocessing = preprocessing
    input = ValueID(0)
    formats = [inputFormat]
    outputs = []
    nodes = []
  }

  /// The number of values, the input and unused ones included.
  package var valueCount: Int { formats.count }
  /// The format of a value.
  package func format(of value: ValueID) -> ValueFormat { formats[value.index] }
  /// Changes the format of a value.
  package mutating func setFormat(_ format: ValueFormat, of value: ValueID) { formats[value.index] = format }

  /// Adds a value that no node computes yet.
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

  /// The value of the output of a name; `nil` where there is none.
  package func output(named name: String) -> ValueID? { outputs.first { $0.name == name }?.value }

  /// The index of the node that computes each value; the input has none.
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

  /// The values that are computed before a node and read by it or later, outputs included, in order of their indices.
  ///
  /// - Parameter index: The index of the node, or the number of nodes for the values that are alive after the last one.
  package func liveValues(before index: Int) -> [ValueID] {
    let computed = Set(nodes[..<index].map(\.output)).union([input])
    let read = Set(nodes[index...].flatMap(\.inputs)).union(outputs.map(\.value))
    return computed.intersection(read).sorted()
  }

  /// The number of bytes of all constants.
  package var constantByteCount: Int {
    nodes.reduce(0) { $0 + $1.constants.values.reduce(0) { $0 + $1.byteCount } }
  }
}
