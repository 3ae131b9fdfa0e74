import Graphs
import Operators
import Tensors

extension Window {
  /// The attributes of ONNX's sliding-window operators.
  var onnxAttributes: [(String, ONNXModelBuilder.Attribute)] {
    var result: [(String, ONNXModelBuilder.Attribute)] = [
      ("kernel_shape", .ints([height, width])), ("strides", .ints([strideHeight, strideWidth])),
    ]
    if padsToSize {
      result.append(("auto_pad", .string("SAME_UPPER")))
    } else {
      result.append(("pads", .ints([top, left, bottom, right].map { max($0, 0) })))
    }
    if dilationHeight != 1 || dilationWidth != 1 {
      result.append(("dilations", .ints([dilationHeight, dilationWidth])))
    }
    if ceilMode { result.append(("ceil_mode", .int(1))) }
    return result
  }
}

extension ONNXExporter {
  /// A window's input without the rows and columns that negative padding removes, which ONNX does not support.
  mutating func cut(_ input: String, for window: Window, name: String) -> String {
    let cuts = MapMargins(
      top: max(-window.top, 0), left: max(-window.left, 0), bottom: max(-window.bottom, 0), right: max(-window.right, 0)
    )
    return cuts == MapMargins() ? input : crop(input, cuts, name: name)
  }

  /// A map without the given margins.
  mutating func crop(_ input: String, _ margins: MapMargins, name: String) -> String {
    let starts = builder.initializer("\(name).starts", Tensor([Int64(margins.top), Int64(margins.left)]))
    // Ends are counted from the end of the axis; the largest number stands for the end itself.
    let ends = [margins.bottom, margins.right].map { $0 == 0 ? Int64.max : -Int64($0) }
    let inputs = [
      input, starts, builder.initializer("\(name).ends", Tensor(ends)),
      spatialAxes,
    ]
    return builder.node("Slice", name: name, inputs: inputs)
  }
}

extension Convolution: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let isQuantized = try exporter.constant(node, "weight").elementType == .int8
    let isCanonical =
      !isQuantized
      || node.inputs.count == 1 && node.constants["padding_value"] == nil && exporter.outputFormat(node).isPlainUInt8
        && !readsInputRemainder
    return isCanonical ? try emitCanonical(node, &exporter) : try emitLevels(node, &exporter)
  }

  private func convolve(
    _ node: Node, _ inputs: [String], name: String, _ exporter: inout ONNXExporter
  ) -> String {
    exporter.builder.node(
      "Conv", name: "\(node.name).\(name)",
      inputs: [exporter.cut(inputs[0], for: window, name: "\(node.name).\(name)_cut")] + inputs.dropFirst(),
      attributes: window.onnxAttributes + [("group", .int(groups))])
  }

  /// Adds the residual to the products, both cropped to their common corner.
  private func add(_ value: String, _ residual: String, _ node: Node, _ exporter: inout ONNXExporter) -> String {
    let terms = exporter.croppedToCorner(node, [value, residual]) { shapes in
      let inputs = node.inputs.compactMap { shapes[$0.index] }
      let products = try? outputShape(inputs: Array(inputs.prefix(1)), constants: node.constants)
      return [products, inputs.last].compactMap { $0 }
    }
    return exporter.builder.node("Add", name: "\(node.name).sum", inputs: terms)
  }

  // MARK: - Real units

  private func emitCanonical(_ node: Node, _ exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    // Quern stores weights as OHWI, ONNX as OIHW.
    let weight = try exporter.constant(node, "weight").permuted([0, 3, 1, 2])
    let inputs =
      [exporter.input(node), try exporter.weight(node, weight)] + (try bias(node, &exporter).map { [$0] } ?? [])
    var value = convolve(node, inputs, name: "conv", &exporter)
    if node.inputs.count == 2 {
      value = add(value, exporter.input(node, 1), node, &exporter)
    }
    return .real(exporter.emit(activation, of: value, name: node.name))
  }

  private func bias(_ node: Node, _ exporter: inout ONNXExporter) throws(ExportError) -> String? {
    guard let bias = node.constants["bias"] else { return nil }
    guard bias.elementType == .int32 else { return exporter.builder.initializer("\(node.name).bias", bias) }
    let scales = try accumulatorScales(node, exporter)
    let zeroPoints = Tensor([Int32](repeating: 0, count: scales.count))
    let inputs = [
      exporter.builder.initializer("\(node.name).bias", bias),
      exporter.builder.initializer("\(node.name).bias_scale", Tensor(scales)),
      exporter.builder.initializer("\(node.name).bias_zero_point", zeroPoints),
    ]
    return exporter.builder.node(
      "DequantizeLinear", name: "\(node.name).bias_dequantized", inputs: inputs, attributes: [("axis", .int(0))])
  }

  /// The product of the input's scale and the weight's scale for each output channel.
  private func accumulatorScales(_ node: Node, _ exporter: ONNXExporter) throws(ExportError) -> [Float] {
    guard let input = exporter.inputFormat(node).quantization else {
      throw .malformed(node: node.name, problem: "int8 weights on a float input")
    }
    return try exporter.constant(node, "weight_scale").elements(as: Float.self).map { input.scale * $0 }
  }

  // MARK: - Whole numbers

  /// Computes the accumulators as whole numbers in float, and then follows formats/package.md, "Requantisation".
  private func emitLevels(_ node: Node, _ exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    guard var input = exporter.inputLevels(node) else {
      throw .malformed(node: node.name, problem: "int8 weights on a float input")
    }
    if let padding = node.constants["padding_value"] {
      // ONNX pads with zero, so the padding value is subtracted from the input, and the bias compensates for it.
      let values = padding.elements(as: UInt8.self).map { Float($0) }
      let offset = exporter.builder.initializer(
        "\(node.name).padding_value", Tensor(values, shape: [1, values.count, 1, 1]))
      input = exporter.builder.node("Sub", name: "\(node.name).centered", inputs: [input, offset])
    }
    let levels = exporter.levels(
      ofWeight: try exporter.constant(node, "weight").permuted([0, 3, 1, 2]), node)
    let bias = exporter.builder.initializer("\(node.name).bias_levels", try biasLevels(node, exporter))
    let accumulators = convolve(node, [input, levels, bias], name: "conv", &exporter)

    let outputScale = exporter.outputFormat(node).quantization?.scale
    let multiplier = try accumulatorScales(node, exporter).map { outputScale == nil ? $0 : $0 / (outputScale ?? 1) }
    let factor = exporter.builder.initializer(
      "\(node.name).multiplier", Tensor(multiplier, shape: [1, multiplier.count, 1, 1]))
    var value = exporter.builder.node("Mul", name: "\(node.name).scaled", inputs: [accumulators, factor])
    if readsInputRemainder, let remainders = exporter.inputRemainders(node, levels: input) {
      let sums = convolve(node, [remainders, levels], name: "conv_remainders", &exporter)
      let fineFactor = exporter.builder.initializer(
        "\(node.name).remainder_multiplier", Tensor(multiplier.map { $0 / 256 }, shape: [1, multiplier.count, 1, 1]))
      let scaled = exporter.builder.node("Mul", name: "\(node.name).scaled_remainders", inputs: [sums, fineFactor])
      value = exporter.builder.node("Add", name: "\(node.name).both_planes", inputs: [value, scaled])
    }
    if node.inputs.count == 2 {
      value = add(value, exporter.inputInOutputUnit(node, 1), node, &exporter)
    }
    value = exporter.emitEpilogue(activation, of: value, node)
    return outputScale == nil ? .real(value) : .levels(value)
  }

  /// The int32 bias as floats. If the padding value is subtracted from the input, the bias includes its contribution.
  private func biasLevels(_ node: Node, _ exporter: ONNXExporter) throws(ExportError) -> Tensor {
    let weight = try exporter.constant(node, "weight")
    let channels = weight.shape[0]
    let bias = node.constants["bias"]?.elements(as: Int32.self) ?? [Int32](repeating: 0, count: channels)
    guard bias.count == channels else {
      throw .malformed(node: node.name, problem: "bias and weights differ in length")
    }
    var levels = bias.map { Int($0) }
    if let padding = node.constants["padding_value"]?.elements(as: UInt8.self) {
      let values = weight.elements(as: Int8.self)
      let length = values.count / max(channels, 1)
      for index in values.indices {
        levels[index / length] += Int(values[index]) * Int(padding[index % padding.count])
      }
    }
    return Tensor(levels.map { Float($0) })
  }
}
