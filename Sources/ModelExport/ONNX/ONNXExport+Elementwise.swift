import Graphs
import Operators
import Tensors

extension FakeQuantization: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let scales: [Float]
    do { scales = try channelScales(node.constants) ?? [scale] } catch {
      throw .malformed(node: node.name, problem: "\(error)")
    }
    let isMap = exporter.rank(of: node.output) == 4
    let shape: Shape = scales.count == 1 ? [] : isMap ? [1, scales.count, 1, 1] : [1, scales.count]
    func number(_ role: String, _ value: Int) -> String {
      exporter.builder.initializer("\(node.name).\(role)", Tensor([Float(value)], shape: []))
    }
    func emit(_ op: String, _ role: String, _ inputs: String...) -> String {
      exporter.builder.node(op, name: role.isEmpty ? node.name : "\(node.name).\(role)", inputs: inputs)
    }
    if levels == 0...255, scales.count == 1 {
      let step = exporter.builder.initializer("\(node.name).scale", Tensor(scales, shape: []))
      let zero = exporter.builder.initializer(
        "\(node.name).zero_point", Tensor([UInt8(clamping: zeroPoint)], shape: []))
      return .real(
        emit("DequantizeLinear", "", emit("QuantizeLinear", "levels", exporter.input(node), step, zero), step, zero))
    }
    let (step, zero) = (
      exporter.builder.initializer("\(node.name).scale", Tensor(scales, shape: shape)), number("zero_point", zeroPoint)
    )
    let steps = emit("Round", "steps", emit("Div", "quotient", exporter.input(node), step))
    let clipped = emit(
      "Clip", "clipped", emit("Add", "moved", steps, zero), number("minimum", levels.lowerBound),
      number("maximum", levels.upperBound))
    return .real(emit("Mul", "", emit("Sub", "centered", clipped, zero), step))
  }
}

extension SinglePixelMap: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let inputs = [exporter.input(node), exporter.spatialAxes]
    return .real(exporter.builder.node("Unsqueeze", name: node.name, inputs: inputs))
  }
}

extension ONNXExporter {
  /// Adds the terms, which are in the output's unit, and applies the activation function.
  mutating func emitSum(_ node: Node, _ terms: [String], _ activation: ActivationFunction) -> ONNXValue {
    var value = terms[0]
    if terms.count == 2 { value = builder.node("Add", name: "\(node.name).sum", inputs: terms) }
    value = emitEpilogue(activation, of: value, node)
    return outputFormat(node) == .float32 ? .real(value) : .levels(value)
  }
}

extension Addition: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let terms = [exporter.inputInOutputUnit(node, 0), exporter.inputInOutputUnit(node, 1)]
    return exporter.emitSum(node, exporter.croppedToCorner(node, terms, slots: [0, 1]), activation)
  }
}

extension ChannelScaling: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    var factors = exporter.input(node, 1)
    if let weight = node.constants["weight"] {
      let values = weight.elements(as: Float.self)
      let constant = exporter.builder.initializer("\(node.name).weight", Tensor(values, shape: [1, values.count]))
      factors = exporter.builder.node("Mul", name: "\(node.name).weighted", inputs: [factors, constant])
    }
    var map = exporter.input(node)
    var mapScale: Float = 1
    if let format = exporter.inputFormat(node).quantization, let levels = exporter.inputLevels(node) {
      (mapScale, map) = (format.scale, levels)
    }
    let outputScale = exporter.outputFormat(node).quantization?.scale ?? 1
    if mapScale != 1 || outputScale != 1 {
      let ratio = exporter.builder.initializer("\(node.name).ratio", Tensor([mapScale / outputScale], shape: []))
      factors = exporter.builder.node("Mul", name: "\(node.name).factors", inputs: [factors, ratio])
    }
    factors = exporter.builder.node(
      "Unsqueeze", name: "\(node.name).factor_map", inputs: [factors, exporter.spatialAxes])
    let product = exporter.builder.node("Mul", name: "\(node.name).product", inputs: [map, factors])
    guard node.inputs.count == 3 else { return exporter.emitSum(node, [product], activation) }
    let residual = exporter.inputInOutputUnit(node, 2)
    return exporter.emitSum(
      node, exporter.croppedToCorner(node, [product, residual], slots: [0, 2]), activation)
  }
}

extension Concatenation: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let slots = Array(node.inputs.indices)
    var parts: [String] = []
    for slot in slots { parts.append(exporter.inputInOutputUnit(node, slot)) }
    parts = exporter.croppedToCorner(node, parts, slots: slots)
    let value = exporter.builder.node("Concat", name: node.name, inputs: parts, attributes: [("axis", .int(1))])
    return exporter.outputFormat(node) == .float32 ? .real(value) : .levels(value)
  }
}

extension ZeroPadding: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let pads = [0, 0, margins.top, margins.left, 0, 0, margins.bottom, margins.right].map { Int64($0) }
    let amounts = exporter.builder.initializer("\(node.name).pads", Tensor(pads))
    return .real(exporter.builder.node("Pad", name: node.name, inputs: [exporter.input(node), amounts]))
  }
}

extension EdgePadding: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let pads = [0, 0, margins.top, margins.left, 0, 0, margins.bottom, margins.right].map { Int64($0) }
    let amounts = exporter.builder.initializer("\(node.name).pads", Tensor(pads))
    return .real(
      exporter.builder.node(
        "Pad", name: node.name, inputs: [exporter.input(node), amounts],
        attributes: [("mode", .string(rule == .reflect ? "reflect" : "edge"))]))
  }
}

extension Cropping: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    .real(exporter.crop(exporter.input(node), margins, name: node.name))
  }
}

extension Requantize: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let output = exporter.outputFormat(node)
    if exporter.inputFormat(node) != .float32, readsInputRemainder {
      let value = exporter.inputInOutputUnit(node, 0)
      return output == .float32 ? .real(value) : .levels(value)
    }
    guard case .uint8WithRemainder(let parameters) = output else { return .real(exporter.input(node)) }
    let scale = exporter.builder.initializer("\(node.name).step", Tensor([parameters.scale], shape: []))
    return .levels(
      exporter.builder.node("Div", name: "\(node.name).levels", inputs: [exporter.input(node), scale]))
  }
}

extension BatchNormalization: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let factors: (factor: [Double], offset: [Double])
    do { factors = try affine(node.constants) } catch {
      throw .malformed(node: node.name, problem: "\(error)")
    }
    // The channels are the second axis of maps and of rows.
    let isMap = exporter.rank(of: node.output) == 4
    func constant(_ role: String, _ values: [Double]) -> String {
      exporter.builder.initializer(
        "\(node.name).\(role)",
        Tensor(values.map { Float($0) }, shape: isMap ? [1, values.count, 1, 1] : [1, values.count]))
    }
    let scaled = exporter.builder.node(
      "Mul", name: "\(node.name).scaled", inputs: [exporter.input(node), constant("factor", factors.factor)])
    return .real(
      exporter.builder.node("Add", name: node.name, inputs: [scaled, constant("offset", factors.offset)]))
  }
}

extension Centering: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let mean = exporter.builder.initializer("\(node.name).mean", try exporter.constant(node, "mean"))
    return .real(exporter.builder.node("Sub", name: node.name, inputs: [exporter.input(node), mean]))
  }
}

extension L2Normalization: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let norm = exporter.builder.node(
      "ReduceL2", name: "\(node.name).norm", inputs: [exporter.input(node)],
      attributes: [("axes", .ints([1])), ("keepdims", .int(1))])
    let epsilon = exporter.builder.initializer("\(node.name).epsilon", Tensor([Float(self.epsilon)], shape: []))
    let denominator: String
    switch rule {
    case .added:
      denominator = exporter.builder.node("Add", name: "\(node.name).denominator", inputs: [norm, epsilon])
    case .floor:
      denominator = exporter.builder.node("Max", name: "\(node.name).denominator", inputs: [norm, epsilon])
    case .insideRoot:
      let squares = exporter.builder.node("Mul", name: "\(node.name).squared_norm", inputs: [norm, norm])
      let sum = exporter.builder.node("Add", name: "\(node.name).sum", inputs: [squares, epsilon])
      denominator = exporter.builder.node("Sqrt", name: "\(node.name).denominator", inputs: [sum])
    }
    return .real(exporter.builder.node("Div", name: node.name, inputs: [exporter.input(node), denominator]))
  }
}

extension Linear: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let levels = try exporter.constant(node, "weight")
    if levels.elementType == .int8, exporter.decidesRoundings(node) { return try emitExactly(node, levels, &exporter) }
    var inputs = [exporter.input(node), try exporter.weight(node, levels)]
    if let bias = node.constants["bias"] { inputs.append(exporter.builder.initializer("\(node.name).bias", bias)) }
    return .real(exporter.builder.node("Gemm", name: node.name, inputs: inputs, attributes: [("transB", .int(1))]))
  }

  /// Follows formats/package.md, "Linear layers", in double precision.
  private func emitExactly(
    _ node: Node, _ weight: Tensor, _ exporter: inout ONNXExporter
  ) throws(ExportError) -> ONNXValue {
    func constant(_ role: String) throws(ExportError) -> Tensor {
      Tensor(try exporter.constant(node, role).elements(as: Float.self).map { Double($0) })
    }
    let levels = exporter.levels(ofWeight: weight, node)
    let operands = [
      exporter.doubles(exporter.input(node), name: "\(node.name).double"),
      exporter.doubles(levels, name: "\(node.name).weight_doubles"),
    ]
    let sums = exporter.builder.node(
      "Gemm", name: "\(node.name).sums", inputs: operands, attributes: [("transB", .int(1))])
    let scale = exporter.builder.initializer("\(node.name).weight_scale", try constant("weight_scale"))
    var value = exporter.builder.node("Mul", name: "\(node.name).scaled", inputs: [sums, scale])
    if node.constants["bias"] != nil {
      let bias = exporter.builder.initializer("\(node.name).bias", try constant("bias"))
      value = exporter.builder.node("Add", name: "\(node.name).biased", inputs: [value, bias])
    }
    return .real(exporter.floats(value, name: node.name))
  }
}
