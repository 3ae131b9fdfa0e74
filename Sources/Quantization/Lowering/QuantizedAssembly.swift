import Graphs
import Operators
import Tensors

/// Builds a quantised graph node by node, and inserts a conversion wherever an operator reads or writes a format that
/// it cannot compute with.
struct QuantizedAssembly {
  private(set) var graph: Graph
  /// The index of each appended node.
  private(set) var indices: [NodeID: Int] = [:]
  private let plan: QuantizationPlan
  /// The float values that layers kept in float read, by the quantised values that they were converted from.
  private var floatForms: [ValueID: ValueID] = [:]

  /// - Parameters:
  ///   - graph: the float graph.
  ///   - formats: the formats of its values, by the plan.
  ///   - plan: the plan.
  init(_ graph: Graph, _ formats: [ValueFormat], plan: QuantizationPlan) {
    self.graph = graph
    self.graph.nodes = []
    for (index, format) in formats.enumerated() { self.graph.setFormat(format, of: ValueID(index)) }
    self.plan = plan
  }

  /// Appends a node whose constants are those of its arithmetic.
  mutating func append(_ node: Node) {
    var node = node
    if plan.keepsFloat(node) {
      guard node.traits.convertsFormats else { return appendKept(node) }
      node.inputs[0] = keptInput(node, 0)
      return add(node)
    }
    if plan.readsConverted(node, graph) {
      for slot in node.inputs.indices { node.inputs[slot] = floatInput(node, slot) }
    }
    add(node)
  }

  private mutating func add(_ node: Node) {
    indices[node.id] = graph.nodes.count
    graph.nodes.append(node)
  }

  /// The float form of an input; a conversion is inserted where the input is uint8.
  private mutating func floatInput(_ node: Node, _ slot: Int) -> ValueID {
    let value = node.inputs[slot]
    if graph.format(of: value) == .float32 { return value }
    if value == graph.input { return keptInput(node, slot) }
    return graph.append(
      Requantize(readsInputRemainder: !graph.format(of: value).isPlainUInt8), name: "\(node.name).dequantize\(slot)",
      inputs: [value])
  }

  // MARK: - Layers kept in float

  private mutating func appendKept(_ node: Node) {
    var node = node
    for slot in node.inputs.indices { node.inputs[slot] = keptInput(node, slot) }
    let output = node.output
    guard graph.format(of: output) != .float32 else { return add(node) }
    node.output = graph.makeValue()
    floatForms[output] = node.output
    add(node)
    graph.nodes.append(
      Node(
        name: "\(node.name).quantize", op: Requantize(), inputs: [node.output], output: output,
        id: NodeID(node.output.index)))
  }

  /// The float form of an input with the best precision available: a value computed in float is read before rounding,
  /// and remainders, where there are any, are included. All readers share one float form of a value.
  private mutating func keptInput(_ node: Node, _ slot: Int) -> ValueID {
    let value = node.inputs[slot]
    let format = graph.format(of: value)
    if format == .float32 { return value }
    if let cached = floatForms[value] { return cached }
    var result = graph.append(
      Requantize(readsInputRemainder: !format.isPlainUInt8), name: "\(node.name).dequantize\(slot)", inputs: [value])
    if value == graph.input { result = normalizedPixels(result, node) }
    floatForms[value] = result
    return result
  }

  /// Pixels normalised as float networks read them, by a batch norm, so that padding around them is the mean colour.
  private mutating func normalizedPixels(_ pixels: ValueID, _ node: Node) -> ValueID {
    let preprocessing = graph.preprocessing
    return graph.append(
      BatchNormalization(epsilon: 0), name: "\(node.name).normalize", inputs: [pixels],
      constants: BatchNormalization.affineConstants(
        scale: Tensor(preprocessing.std.map { 1 / (255 * $0) }),
        shift: Tensor(zip(preprocessing.mean, preprocessing.std).map { -$0 / $1 })))
  }
}
