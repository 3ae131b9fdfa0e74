import Files
import Graphs
import Operators
import Tensors

/// Writes a graph as an ONNX model: a float graph with float operators, a quantised one in QDQ form. In that form every
/// operator works on dequantised values between DequantizeLinear and QuantizeLinear, which runtimes fuse if they can.
///
/// Integer layers agree bit for bit between ONNX Runtime and quern's int8 runtime. Convolutions without an epilogue
/// other than a ReLU are in the canonical form that every runtime fuses. Additions, and convolutions that add a
/// residual before their only rounding, compute with whole numbers in float, whose sums are exact below 2^24. The
/// factors of squeeze-and-excitation are computed in double precision, so that rounding to float hides the order of
/// sums.
///
/// The input is float32 NCHW, normalised as in training; outputs keep their names. As a quantised graph takes pixels,
/// its model first undoes the normalisation and rounds to whole pixel values.
package struct ONNXExporter {
  private let graph: Graph
  private let producerVersion: String
  private let license: String?
  let weightType: WeightType
  /// The shapes of all values, for image sides with each remainder modulo the network's stride. The model takes images
  /// of any size, and which maps must be cropped depends only on that remainder.
  private let shapes: [[Shape?]]
  /// The float values on which the rounding of a uint8 value depends.
  private let deciding: Set<ValueID>
  var builder: ONNXModelBuilder
  /// The name of each value as a float tensor, dequantised if the value is uint8.
  private var names: [ValueID: String] = [:]
  /// The names of each uint8 value and of its zero point.
  private var levels: [ValueID: (quantized: String, zeroPoint: String)] = [:]
  /// The name of each value with remainders, in 1/256 of its step, relative to the zero point: whole numbers in float.
  private var fineLevels: [ValueID: String] = [:]

  private static let inputName = "input"
  /// A protobuf message must be smaller than 2 GiB.
  private static let limit = Int(Int32.max)

  /// - Parameters:
  ///   - graph: a float or a quantised graph with its constants in memory.
  ///   - side: a side, in pixels, of images that the network takes.
  ///   - producerVersion: the version to record in the model.
  ///   - license: the licence to record in the model, as ONNX's metadata property `model_license`; `nil`: none.
  ///   - weightType: how to write the weights of integer layers.
  /// - Throws: `GraphError.structure` for outputs that share a name; the errors of shape inference for images that the
  ///   network cannot take.
  package init(
    _ graph: Graph, side: Int, producerVersion: String, license: String? = nil, weightType: WeightType = .int8
  ) throws(GraphError) {
    self.graph = graph
    self.weightType = weightType
    self.producerVersion = producerVersion
    self.license = license
    let outputs = graph.outputs.map(\.name)
    guard Set(outputs + [Self.inputName]).count == outputs.count + 1 else {
      throw .structure(
        "an ONNX model's outputs must have names that differ from each other and from '\(Self.inputName)'")
    }
    builder = ONNXModelBuilder(inputs: [Self.inputName], outputs: outputs)
    var shapes: [[Shape?]] = []
    // Strides of networks are 16 or 32. The bound limits the work for a malformed graph with an enormous stride.
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
  /// - Throws: `ExportError`; `FileError` if writing fails; the errors of the initialiser.
  package static func write(
    _ graph: Graph, side: Int, producerVersion: String, weightType: WeightType = .int8, to path: String
  ) throws {
    let file = try AtomicFile(path: path)
    try write(graph, side: side, producerVersion: producerVersion, weightType: weightType, to: file)
    try file.commit()
  }

  /// Writes the model to a file that the caller commits.
  ///
  /// - Throws: `ExportError`; `FileError` if writing fails; the errors of the initialiser.
  package static func write(
    _ graph: Graph, side: Int, producerVersion: String, license: String? = nil, weightType: WeightType = .int8,
    to file: AtomicFile
  ) throws {
    var exporter = try ONNXExporter(
      graph, side: side, producerVersion: producerVersion, license: license, weightType: weightType)
    let model = try exporter.build()
    guard model.byteCount <= limit else { throw ExportError.tooLarge(byteCount: model.byteCount, limit: limit) }
    try model.forEachPiece { bytes throws(FileError) in try file.write(bytes) }
  }

  /// Whether a file begins as `write` lets every model begin, in this version and in earlier ones: with the version of
  /// the format, and the producer.
  package static func isExport(_ file: MappedFile) -> Bool {
    file.withBytes { bytes in
      // Field 1, in one byte, and field 2, a text of five.
      bytes.starts(with: [0x08]) && bytes.dropFirst(2).starts(with: [0x12, 5] + Array("quern".utf8))
    }
  }

  private mutating func build() throws(ExportError) -> ProtobufMessage {
    builder.input(Self.inputName, [.symbolic("batch"), .fixed(3), .symbolic("height"), .symbolic("width")])
    names[graph.input] = emitInput()
    for node in graph.nodes {
      guard let op = node.op as? any ONNXExportable else { throw .unsupported(node: node.name, op: node.kind) }
      let value = try op.emit(node, into: &self)
      names[node.output] = emitFormat(graph.format(of: node.output), of: value, node.output, name: node.name)
      if case .uint8WithRemainder(let parameters) = graph.format(of: node.output) {
        if let selected = emitSelectedFineLevels(node) {
          fineLevels[node.output] = selected
        } else {
          fineLevels[node.output] = try emitFineLevels(parameters, of: value, node)
        }
      }
    }
    for output in graph.outputs {
      builder.output(
        output.name, of: name(of: output.value), [.symbolic("batch"), .symbolic("\(output.name)_width")])
    }
    return builder.model(
      name: graph.architecture, producerVersion: producerVersion,
      metadata: license.map { [("model_license", $0)] } ?? [])
  }

  /// Pixels from the normalised input: `x * 255 std + 255 mean`, which QuantizeLinear rounds to whole numbers.
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

  /// Adds QuantizeLinear and DequantizeLinear after a value that is stored as uint8; other values need no nodes.
  private mutating func emitFormat(
    _ format: ValueFormat, of value: ONNXValue, _ id: ValueID, name: String
  ) -> String {
    guard let parameters = format.quantization else { return value.name }
    let scale = builder.initializer("\(name).output_scale", Tensor([parameters.scale], shape: []))
    let zeroPoint = builder.initializer("\(name).output_zero_point", Tensor([parameters.zeroPoint], shape: []))
    let roundingParameters =
      switch value {
      case .real: [scale, zeroPoint]
      case .levels: [one, zeroPoint]
      case .movedLevels: [one, noZeroPoint]
      }
    let quantized = builder.node(
      "QuantizeLinear", name: "\(name).quantized", inputs: [value.name] + roundingParameters)
    levels[id] = (quantized, zeroPoint)
    return builder.node("DequantizeLinear", name: "\(name).dequantized", inputs: [quantized, scale, zeroPoint])
  }

  /// The fine levels of an operator that only selects among the values of its input; `nil` for other operators.
  private mutating func emitSelectedFineLevels(_ node: Node) -> String? {
    guard let input = fineLevels[node.inputs[0]], let op = node.op as? any ONNXSelecting else { return nil }
    return op.emitSelection(node, of: input, into: &self)
  }

  /// The steps of formats/package.md, "Remainders".
  private mutating func emitFineLevels(
    _ parameters: QuantizationParameters, of value: ONNXValue, _ node: Node
  ) throws(ExportError) -> String {
    guard case .levels(let steps) = value, let (quantized, zeroPoint) = levels[node.output] else {
      throw .malformed(node: node.name, problem: "its output has remainders, which only sums can have")
    }
    func shared(_ name: String, _ value: Float) -> String {
      builder.sharedInitializer(name, Tensor([value], shape: []))
    }
    let zero = Float(parameters.zeroPoint)
    let minimum = builder.initializer("\(node.name).least", Tensor([-zero], shape: []))
    let maximum = builder.initializer("\(node.name).greatest", Tensor([255 - zero], shape: []))
    let clipped = builder.node("Clip", name: "\(node.name).clipped", inputs: [steps, minimum, maximum])
    let rounded = builder.node("DequantizeLinear", name: "\(node.name).rounded", inputs: [quantized, one, zeroPoint])
    let residue = builder.node("Sub", name: "\(node.name).rest", inputs: [clipped, rounded])
    let scaled = builder.node("Mul", name: "\(node.name).fine_rest", inputs: [residue, shared("fine", 256)])
    let whole = builder.node("Round", name: "\(node.name).rounded_rest", inputs: [scaled])
    let remainder = builder.node(
      "Min", name: "\(node.name).remainder", inputs: [whole, shared("greatest_remainder", 127)])
    let coarse = builder.node("Mul", name: "\(node.name).coarse", inputs: [rounded, shared("fine", 256)])
    return builder.node("Add", name: "\(node.name).fine_levels", inputs: [coarse, remainder])
  }

  /// The scale 1, with which DequantizeLinear turns quantised values into whole numbers in float.
  var one: String { mutating get { builder.sharedInitializer("one", Tensor([Float(1)], shape: [])) } }

  private var noZeroPoint: String {
    mutating get { builder.sharedInitializer("uint8_zero", Tensor([UInt8(0)], shape: [])) }
  }

  /// The row and the column of the top-left corner of a map.
  var corner: String { mutating get { builder.sharedInitializer("corner", Tensor([Int64(0), 0])) } }

  /// The axes of height and width in NCHW.
  var spatialAxes: String { mutating get { builder.sharedInitializer("spatial_axes", Tensor([Int64(2), 3])) } }

  // MARK: - What operators need

  /// The name of an input of a node as a float tensor.
  func input(_ node: Node, _ slot: Int = 0) -> String { name(of: node.inputs[slot]) }

  private func name(of value: ValueID) -> String {
    guard let name = names[value] else { preconditionFailure("value \(value.index) is read before it is computed") }
    return name
  }

  /// The number of axes of a value.
  func rank(of value: ValueID) -> Int? { shapes.first?[value.index]?.rank }

  /// The channels of a value.
  func channels(of value: ValueID) -> Int? { shapes.first?[value.index]?.channels }

  /// Whether the last bit of a node's float output can change the rounding of a uint8 value. If it can, computations
  /// that quern makes in double precision are exported in double precision; otherwise, as in the head, they are
  /// exported in float, which every runtime supports.
  func decidesRoundings(_ node: Node) -> Bool { deciding.contains(node.output) }

  /// A value in double precision.
  mutating func doubles(_ value: String, name: String) -> String {
    builder.node("Cast", name: name, inputs: [value], attributes: [("to", .int(11))])
  }

  /// A value in double precision, rounded to float.
  mutating func floats(_ value: String, name: String) -> String {
    builder.node("Cast", name: name, inputs: [value], attributes: [("to", .int(1))])
  }

  /// An input in steps relative to its zero point: whole numbers in float; `nil` if the input is float.
  mutating func inputLevels(_ node: Node, _ slot: Int = 0) -> String? {
    guard let (quantized, zeroPoint) = levels[node.inputs[slot]] else { return nil }
    return builder.node(
      "DequantizeLinear", name: "\(node.name).input\(slot)_levels", inputs: [quantized, one, zeroPoint])
  }

  /// The remainders of an input, which are its fine levels minus its `levels`, in 1/256 of a step: whole numbers in
  /// float; `nil` if the input has none.
  mutating func inputRemainders(_ node: Node, levels: String) -> String? {
    guard let fine = fineLevels[node.inputs[0]] else { return nil }
    let unit = builder.sharedInitializer("fine", Tensor([Float(256)], shape: []))
    let whole = builder.node("Mul", name: "\(node.name).input_whole", inputs: [levels, unit])
    return builder.node("Sub", name: "\(node.name).input_remainders", inputs: [fine, whole])
  }

  /// An input in 1/256 of a step relative to its zero point, including its remainders: whole numbers in float; `nil` if
  /// it has none.
  func fineLevels(ofInput node: Node) -> String? { fineLevels[node.inputs[0]] }

  /// An input including its remainders, in real units; `nil` if it has none.
  mutating func inputWithRemainders(_ node: Node) -> String? {
    guard let fine = fineLevels[node.inputs[0]], let parameters = inputFormat(node).quantization else { return nil }
    let unit = builder.initializer("\(node.name).input_unit", Tensor([parameters.scale / 256], shape: []))
    return builder.node("Mul", name: "\(node.name).input_with_remainders", inputs: [fine, unit])
  }

  /// An input's uint8 levels as whole numbers in float, without subtracting the zero point; `nil` if the input is
  /// float.
  mutating func inputMovedLevels(_ node: Node) -> String? {
    guard let (quantized, _) = levels[node.inputs[0]] else { return nil }
    return builder.node(
      "DequantizeLinear", name: "\(node.name).input_moved_levels", inputs: [quantized, one, noZeroPoint])
  }

  /// An input in the unit of the output, which is the output's step if it is uint8, and the real unit if it is float.
  /// Remainders are included if the operator reads them.
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

  /// The names of maps, cropped to their common size at the top-left corner if their sizes can differ.
  mutating func croppedToCorner(_ node: Node, _ maps: [String], slots: [Int]) -> [String] {
    croppedToCorner(node, maps) { shapes in slots.compactMap { shapes[node.inputs[$0].index] } }
  }

  /// The names of maps, cropped to their common size at the top-left corner if their sizes can differ.
  ///
  /// - Parameter extents: returns the shapes of these maps from the shapes of all values.
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
    let common = builder.node("Min", name: "\(node.name).corner", inputs: sizes)
    let ends = builder.node("Gather", name: "\(node.name).corner_ends", inputs: [common, spatialAxes])
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
}

/// An operator that ONNX can express.
protocol ONNXExportable: Operator {
  /// Adds the nodes of the operator, and returns its output before any quantisation.
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue
}

/// An operator whose outputs are some of the values of its input, such as max pooling.
protocol ONNXSelecting: Operator {
  /// Adds nodes that select among the values of `input`, whatever their unit.
  func emitSelection(_ node: Node, of input: String, into exporter: inout ONNXExporter) -> String
}

/// The output of an operator's nodes.
enum ONNXValue {
  /// In real units.
  case real(String)
  /// In steps of the output, before rounding and before adding the zero point.
  case levels(String)
  /// In steps of the output, before rounding and with the zero point added.
  case movedLevels(String)

  var name: String {
    switch self {
    case .real(let name), .levels(let name), .movedLevels(let name): name
    }
  }
}
