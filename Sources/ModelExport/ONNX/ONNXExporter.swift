import Files
import Graphs
import Operators
import Tensors

/// Writes a graph as an ONNX model: a float graph as float operators, a quantised one in QDQ form, in which every operator
/// works on dequantised values between QuantizeLinear and DequantizeLinear, and runtimes fuse what they can.
///
/// The input is float32 NCHW, normalised as in training; outputs keep their names. A quantised graph takes pixels: its
/// model undoes the normalisation and rounds to the pixel first.
public struct ONNXExporter {
  private let graph: Graph
  private let producerVersion: String
  var builder = ONNXModelBuilder()
  /// The name of each value in float form, dequantised where it is uint8.
  private var names: [ValueID: String] = [:]

  /// protobuf messages stay below 2 GiB.
  private static let limit = Int(Int32.max)

  public init(_ graph: Graph, producerVersion: String) {
    self.graph = graph
    self.producerVersion = producerVersion
  }

  /// Writes the model to a file that appears whole or not at all.
  ///
  /// - Throws: `ExportError`; `FileError` where writing fails.
  public static func write(_ graph: Graph, producerVersion: String, to path: String) throws {
    var exporter = ONNXExporter(graph, producerVersion: producerVersion)
    let model = try exporter.build()
    guard model.byteCount <= limit else { throw ExportError.tooLarge(byteCount: model.byteCount, limit: limit) }
    let file = try AtomicFile(path: path)
    try model.forEachPiece { bytes throws(FileError) in try file.write(bytes) }
    try file.commit()
  }

  private mutating func build() throws(ExportError) -> ProtobufMessage {
    builder.input("input", [.symbolic("batch"), .fixed(3), .symbolic("height"), .symbolic("width")])
    names[graph.input] = emitInput()
    for node in graph.nodes {
      guard let op = node.op as? any ONNXExportable else { throw .unsupported(node: node.name, op: node.kind) }
      let value = try op.emit(node, into: &self)
      names[node.output] = emitFormat(graph.format(of: node.output), of: value, name: node.name)
    }
    for output in graph.outputs {
      guard let value = names[output.value] else { continue }
      builder.node("Identity", name: output.name, inputs: [value])
      builder.output(output.name, [.symbolic("batch"), .symbolic("\(output.name)_width")])
    }
    return builder.model(name: graph.architecture, producerVersion: producerVersion)
  }

  /// Pixels from the normalised input: `x * 255 std + 255 mean`, which the rounding of QuantizeLinear makes whole.
  private mutating func emitInput() -> String {
    guard graph.format(of: graph.input) != .float32 else { return "input" }
    func channels(_ values: [Float]) -> Tensor { Tensor(values.map { $0 * 255 }, shape: [1, 3, 1, 1]) }
    builder.initializer("input.scale", channels(graph.preprocessing.std))
    builder.initializer("input.offset", channels(graph.preprocessing.mean))
    builder.node("Mul", name: "input.scaled", inputs: ["input", "input.scale"])
    builder.node("Add", name: "input.pixels", inputs: ["input.scaled", "input.offset"])
    return emitFormat(graph.format(of: graph.input), of: "input.pixels", name: "input")
  }

  /// QuantizeLinear and DequantizeLinear after a value that is held as uint8.
  private mutating func emitFormat(_ format: ValueFormat, of value: String, name: String) -> String {
    guard case .uint8(let parameters) = format else { return value }
    let scale = builder.initializer("\(name).output_scale", Tensor([parameters.scale], shape: []))
    let zeroPoint = builder.initializer("\(name).output_zero_point", Tensor([parameters.zeroPoint], shape: []))
    builder.node("QuantizeLinear", name: "\(name).quantized", inputs: [value, scale, zeroPoint])
    return builder.node(
      "DequantizeLinear", name: "\(name).dequantized", inputs: ["\(name).quantized", scale, zeroPoint])
  }

  // MARK: - What operators need

  /// The name of an input of a node in float form.
  func input(_ node: Node, _ slot: Int = 0) -> String { names[node.inputs[slot]] ?? "" }

  func inputFormat(_ node: Node, _ slot: Int = 0) -> ValueFormat { graph.format(of: node.inputs[slot]) }

  func constant(_ node: Node, _ role: String) throws(ExportError) -> Tensor {
    guard let tensor = node.constants[role] else {
      throw .malformed(node: node.name, problem: "constant '\(role)' is missing")
    }
    return tensor
  }

  /// The name of a weight in float form; int8 weights pass through DequantizeLinear with their scales along axis 0.
  mutating func weight(_ node: Node, _ tensor: Tensor) throws(ExportError) -> String {
    guard tensor.elementType == .int8 else { return builder.initializer("\(node.name).weight", tensor) }
    let scale = builder.initializer("\(node.name).weight_scale", try constant(node, "weight_scale"))
    let zeroPoints = Tensor([Int8](repeating: 0, count: tensor.shape[0]))
    let inputs = [
      builder.initializer("\(node.name).weight", tensor), scale,
      builder.initializer("\(node.name).weight_zero_point", zeroPoints),
    ]
    return builder.node(
      "DequantizeLinear", name: "\(node.name).weight_dequantized", inputs: inputs, attributes: [("axis", .int(0))])
  }
}

/// An operator that ONNX can express.
protocol ONNXExportable: Operator {
  /// Adds the nodes of the operator and returns the name of its output in float form, before any quantisation.
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> String
}
