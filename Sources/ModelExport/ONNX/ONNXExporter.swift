import Files
import Graphs
import Operators
import Tensors

/// Writes a graph as an ONNX model: a float graph as float operators, a quantised one in QDQ form, in which every operator
/// works on dequantised values between QuantizeLinear and DequantizeLinear, and runtimes fuse what they can.
///
/// ONNX Runtime computes the same integers as quern's int8 runtime: convolutions whose only epilogue is a ReLU in the
/// canonical form that every runtime fuses; additions, and convolutions that add a residual before their one rounding, on
/// whole numbers in float, whose sums are exact below 2^24; squeeze-and-excitation's factors in double precision, whose
/// rounding to float hides the order of sums.
///
/// The input is float32 NCHW, normalised as in training; outputs keep their names. A quantised graph takes pixels: its
/// model undoes the normalisation and rounds to the pixel first.
package struct ONNXExporter {
  private let graph: Graph
  private let producerVersion: String
  /// Of every value at images of every remainder by the network's stride: which maps must be cropped depends on nothing
  /// else, and the model takes images of any size.
  private let shapes: [[Shape?]]
  /// Float values on which the rounding of a uint8 value depends.
  private let deciding: Set<ValueID>
  var builder: ONNXModelBuilder
  /// The name of each value in float form, dequantised where it is uint8.
  private var names: [ValueID: String] = [:]
  /// The name of each uint8 value, and of its zero point.
  private var levels: [ValueID: (quantized: String, zeroPoint: String)] = [:]
  /// The name of each value with remainders, in 1/256 of its steps from the zero point: whole numbers in float.
  private var fineLevels: [ValueID: String] = [:]

  private static let inputName = "input"
  /// protobuf messages stay below 2 GiB.
  private static let limit = Int(Int32.max)

  /// - Parameter side: of images that the network takes.
  package init(_ graph: Graph, side: Int, producerVersion: String) throws(GraphError) {
    self.graph = graph
    self.producerVersion = producerVersion
    let outputs = graph.outputs.map(\.name)
    guard Set(outputs + [Self.inputName]).count == outputs.count + 1 else {
      throw .structure("an ONNX model's outputs must differ from each other and from its '\(Self.inputName)'")
    }
    builder = ONNXModelBuilder(inputs: [Self.inputName], outputs: outputs)
    var shapes: [[Shape?]] = []
    // Strides of networks are 16 or 32; one that a stranger made enormous must not keep us here.
    for extra in 0..<min(graph.stride, 64) {
      shapes.append(try graph.inferShapes(input: [1, side + extra, side + extra, 3]))
    }
    self.shapes = shapes
    var deciding: Set<ValueID> = []
    for node in graph.nodes.reversed()
    where graph.format(of: node.output) != .float32 || deciding.contains(node.output) {
      deciding.formUnion(node.inputs.filter { graph.format(of: $0) == .float32 })
    }
    self.deciding = deciding
  }

  /// Writes the model to a file that appears whole or not at all.
  ///
  /// - Throws: `ExportError`; `FileError` where writing fails.
  package static func write(_ graph: Graph, side: Int, producerVersion: String, to path: String) throws {
    let file = try AtomicFile(path: path)
    try write(graph, side: side, producerVersion: producerVersion, to: file)
    try file.commit()
  }

  /// Writes the model to a file that the caller commits.
  ///
  /// - Throws: `ExportError`; `FileError` where writing fails.
  package static func write(_ graph: Graph, side: Int, producerVersion: String, to file: AtomicFile) throws {
    var exporter = try ONNXExporter(graph, side: side, producerVersion: producerVersion)
    let model = try exporter.build()
    guard model.byteCount <= limit else { throw ExportError.tooLarge(byteCount: model.byteCount, limit: limit) }
    try model.forEachPiece { bytes throws(FileError) in try file.write(bytes) }
  }

  private mutating func build() throws(ExportError) -> ProtobufMessage {
    builder.input(Self.inputName, [.symbolic("batch"), .fixed(3), .symbolic("height"), .symbolic("width")])
    names[graph.input] = emitInput()
    for node in graph.nodes {
      guard let op = node.op as? any ONNXExportable else { throw .unsupported(node: node.name, op: node.kind) }
      let value = try op.emit(node, into: &self)
      names[node.output] = emitFormat(graph.format(of: node.output), of: value, node.output, name: node.name)
      if case .uint8WithRemainder(let parameters) = graph.format(of: node.output) {
        if let passedOn = emitPassedOn(node) {
          fineLevels[node.output] = passedOn
        } else {
          fineLevels[node.output] = try emitFineLevels(parameters, of: value, node)
        }
      }
    }
    for output in graph.outputs {
      builder.output(
        output.name, of: name(of: output.value), [.symbolic("batch"), .symbolic("\(output.name)_width")])
    }
    return builder.model(name: graph.architecture, producerVersion: producerVersion)
  }

  /// Pixels from the normalised input: `x * 255 std + 255 mean`, which the rounding of QuantizeLinear makes whole.
  private mutating func emitInput() -> String {
    let input = Self.inputName
    guard graph.format(of: graph.input) != .float32 else { return input }
    func channels(_ values: [Float]) -> Tensor { Tensor(values.map { $0 * 255 }, shape: [1, 3, 1, 1]) }
    let scale = builder.initializer("\(input).scale", channels(graph.preprocessing.std))
    let offset = builder.initializer("\(input).offset", channels(graph.preprocessing.mean))
    let scaled = builder.node("Mul", name: "\(input).scaled", inputs: [input, scale])
    let pixels = builder.node("Add", name: "\(input).pixels", inputs: [scaled, offset])
    return emitFormat(graph.format(of: graph.input), of: .real(pixels), graph.input, name: input)
  }

  /// QuantizeLinear and DequantizeLinear after a value that is held as uint8.
  private mutating func emitFormat(
    _ format: ValueFormat, of value: ONNXValue, _ id: ValueID, name: String
  ) -> String {
    guard let parameters = format.quantization else { return value.name }
    let scale = builder.initializer("\(name).output_scale", Tensor([parameters.scale], shape: []))
    let zeroPoint = builder.initializer("\(name).output_zero_point", Tensor([parameters.zeroPoint], shape: []))
    let parametersOfRounding =
      switch value {
      case .real: [scale, zeroPoint]
      case .levels: [one, zeroPoint]
      case .movedLevels: [one, noZeroPoint]
      }
    let quantized = builder.node(
      "QuantizeLinear", name: "\(name).quantized", inputs: [value.name] + parametersOfRounding)
    levels[id] = (quantized, zeroPoint)
    return builder.node("DequantizeLinear", name: "\(name).dequantized", inputs: [quantized, scale, zeroPoint])
  }

  /// The levels with remainders of an operator that only selects among those of its input.
  private mutating func emitPassedOn(_ node: Node) -> String? {
    guard let input = fineLevels[node.inputs[0]], let op = node.op as? any ONNXSelecting else { return nil }
    return op.emitSelection(node, of: input, into: &self)
  }

  /// The steps of formats/package.md, "Remainders".
  private mutating func emitFineLevels(
    _ parameters: QuantizationParameters, of value: ONNXValue, _ node: Node
  ) throws(ExportError) -> String {
    guard case .levels(let steps) = value, let (quantized, zeroPoint) = levels[node.output] else {
      throw .malformed(node: node.name, problem: "makes remainders, which only sums do")
    }
    func shared(_ name: String, _ value: Float) -> String {
      builder.sharedInitializer(name, Tensor([value], shape: []))
    }
    let zero = Float(parameters.zeroPoint)
    let least = builder.initializer("\(node.name).least", Tensor([-zero], shape: []))
    let greatest = builder.initializer("\(node.name).greatest", Tensor([255 - zero], shape: []))
    let clipped = builder.node("Clip", name: "\(node.name).clipped", inputs: [steps, least, greatest])
    let rounded = builder.node("DequantizeLinear", name: "\(node.name).rounded", inputs: [quantized, one, zeroPoint])
    let rest = builder.node("Sub", name: "\(node.name).rest", inputs: [clipped, rounded])
    let scaled = builder.node("Mul", name: "\(node.name).fine_rest", inputs: [rest, shared("fine", 256)])
    let whole = builder.node("Round", name: "\(node.name).rounded_rest", inputs: [scaled])
    let remainder = builder.node(
      "Min", name: "\(node.name).remainder", inputs: [whole, shared("greatest_remainder", 127)])
    let coarse = builder.node("Mul", name: "\(node.name).coarse", inputs: [rounded, shared("fine", 256)])
    return builder.node("Add", name: "\(node.name).fine_levels", inputs: [coarse, remainder])
  }

  /// The scale 1, by which quantised values become whole numbers in float.
  var one: String { mutating get { builder.sharedInitializer("one", Tensor([Float(1)], shape: [])) } }

  private var noZeroPoint: String {
    mutating get { builder.sharedInitializer("uint8_zero", Tensor([UInt8(0)], shape: [])) }
  }

  /// The row and column of the top-left corner of a map.
  var corner: String { mutating get { builder.sharedInitializer("corner", Tensor([Int64(0), 0])) } }

  /// Axes of height and width.
  var spatialAxes: String { mutating get { builder.sharedInitializer("spatial_axes", Tensor([Int64(2), 3])) } }

  // MARK: - What operators need

  /// The name of an input of a node in float form.
  func input(_ node: Node, _ slot: Int = 0) -> String { name(of: node.inputs[slot]) }

  private func name(of value: ValueID) -> String {
    guard let name = names[value] else { preconditionFailure("value \(value.index) is read before it is made") }
    return name
  }

  /// The number of axes of a value.
  func rank(of value: ValueID) -> Int? { shapes.first?[value.index]?.rank }

  /// The channels of a value.
  func channels(of value: ValueID) -> Int? { shapes.first?[value.index]?.channels }

  /// Whether the last bit of a node's float output can move the rounding of a uint8 value. What quern computes in double
  /// precision is then exported so, too, where otherwise, as in the head, plain float serves every runtime.
  func decidesRoundings(_ node: Node) -> Bool { deciding.contains(node.output) }

  /// A value in double precision.
  mutating func doubles(_ value: String, name: String) -> String {
    builder.node("Cast", name: name, inputs: [value], attributes: [("to", .int(11))])
  }

  /// A value in double precision, rounded to float.
  mutating func floats(_ value: String, name: String) -> String {
    builder.node("Cast", name: name, inputs: [value], attributes: [("to", .int(1))])
  }

  /// An input in steps of its scale from its zero point: whole numbers in float; `nil` where the input is float.
  mutating func inputLevels(_ node: Node, _ slot: Int = 0) -> String? {
    guard let (quantized, zeroPoint) = levels[node.inputs[slot]] else { return nil }
    return builder.node(
      "DequantizeLinear", name: "\(node.name).input\(slot)_levels", inputs: [quantized, one, zeroPoint])
  }

  /// What is left of an input with remainders when its `levels` are taken off: whole numbers in float; `nil` where it has none.
  mutating func inputRemainders(_ node: Node, levels: String) -> String? {
    guard let fine = fineLevels[node.inputs[0]] else { return nil }
    let unit = builder.sharedInitializer("fine", Tensor([Float(256)], shape: []))
    let whole = builder.node("Mul", name: "\(node.name).input_whole", inputs: [levels, unit])
    return builder.node("Sub", name: "\(node.name).input_remainders", inputs: [fine, whole])
  }

  /// An input with its remainders in real units; `nil` where it has none.
  mutating func inputWithRemainders(_ node: Node) -> String? {
    guard let fine = fineLevels[node.inputs[0]], let parameters = inputFormat(node).quantization else { return nil }
    let unit = builder.initializer("\(node.name).input_unit", Tensor([parameters.scale / 256], shape: []))
    return builder.node("Mul", name: "\(node.name).input_with_remainders", inputs: [fine, unit])
  }

  /// An input's uint8 levels as whole numbers in float, the zero point not taken off; `nil` where the input is float.
  mutating func inputMovedLevels(_ node: Node) -> String? {
    guard let (quantized, _) = levels[node.inputs[0]] else { return nil }
    return builder.node(
      "DequantizeLinear", name: "\(node.name).input_moved_levels", inputs: [quantized, one, noZeroPoint])
  }

  /// An input in the unit of the output: its steps where it is uint8, with the remainders that the operator takes; real
  /// units where it is float.
  mutating func inputInOutputUnit(_ node: Node, _ slot: Int) -> String {
    let fine = graph.readsRemainder(node, ofInput: slot) ? fineLevels[node.inputs[slot]] : nil
    guard let input = inputFormat(node, slot).quantization, let levels = fine ?? inputLevels(node, slot) else {
      return self.input(node, slot)
    }
    let ratio = input.scale / (outputFormat(node).quantization?.scale ?? 1)
    let factor = builder.initializer(
      "\(node.name).multiplier\(slot)", Tensor([fine == nil ? ratio : ratio / 256], shape: []))
    return builder.node("Mul", name: "\(node.name).scaled\(slot)", inputs: [levels, factor])
  }

  /// Names of maps, each cropped to their common top-left corner, where they differ in size.
  mutating func croppedToCorner(_ node: Node, _ maps: [String], slots: [Int]) -> [String] {
    croppedToCorner(node, maps) { shapes in slots.compactMap { shapes[node.inputs[$0].index] } }
  }

  /// The same for maps of which `extents` says the shapes, given those of all values.
  mutating func croppedToCorner(
    _ node: Node, _ maps: [String], extents: ([Shape?]) -> [Shape]
  ) -> [String] {
    let mayDiffer = shapes.contains {
      Set(extents($0).filter { $0.rank == 4 }.map { [$0.height, $0.width] }).count > 1
    }
    guard mayDiffer else { return maps }
    let sizes = maps.enumerated().map { index, map in
      builder.node("Shape", name: "\(node.name).shape\(index)", inputs: [map])
    }
    let least = builder.node("Min", name: "\(node.name).corner", inputs: sizes)
    let ends = builder.node("Gather", name: "\(node.name).corner_ends", inputs: [least, spatialAxes])
    return maps.enumerated().map { index, map in
      builder.node("Slice", name: "\(node.name).cropped\(index)", inputs: [map, corner, ends, spatialAxes])
    }
  }

  func outputFormat(_ node: Node) -> ValueFormat { graph.format(of: node.output) }

  func inputFormat(_ node: Node, _ slot: Int = 0) -> ValueFormat { graph.format(of: node.inputs[slot]) }

  func constant(_ node: Node, _ role: String) throws(ExportError) -> Tensor {
    guard let tensor = node.constants[role] else {
      throw .malformed(node: node.name, problem: "constant '\(role)' is missing")
    }
    return tensor
  }

  /// An int8 weight as whole numbers in float.
  mutating func levels(ofWeight weight: Tensor, _ node: Node) -> String {
    let weight = builder.initializer("\(node.name).weight", weight)
    let noOffset = builder.sharedInitializer("int8_zero", Tensor([Int8(0)], shape: []))
    return builder.node("DequantizeLinear", name: "\(node.name).weight_levels", inputs: [weight, one, noOffset])
  }

  /// The name of a weight in float form; int8 weights pass through DequantizeLinear with their scales along axis 0.
  mutating func weight(_ node: Node, _ tensor: Tensor) throws(ExportError) -> String {
    if tensor.elementType == .int16 {
      let scales = try constant(node, "weight_scale").elements(as: Float.self)
      guard scales.count == tensor.shape[0] else {
        throw .malformed(node: node.name, problem: "scales and weights differ")
      }
      return builder.initializer("\(node.name).weight", tensor.scaled(by: scales))
    }
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
  /// Adds the nodes of the operator and returns its output before any quantisation.
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue
}

/// An operator that gives some of the values that it is given.
protocol ONNXSelecting: Operator {
  /// Adds nodes that do so with the values of `input`, whatever their unit.
  func emitSelection(_ node: Node, of input: String, into exporter: inout ONNXExporter) -> String
}

/// The output of an operator's nodes.
enum ONNXValue {
  /// In real units.
  case real(String)
  /// In steps of the output's scale, still to be rounded and moved by the zero point.
  case levels(String)
  /// In steps of the output's scale with the zero point in it, still to be rounded.
  case movedLevels(String)

  var name: String {
    switch self {
    case .real(let name), .levels(let name), .movedLevels(let name): name
    }
  }
}
