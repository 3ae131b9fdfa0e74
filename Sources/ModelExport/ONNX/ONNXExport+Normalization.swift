import Graphs
import Operators
import Tensors

extension LayerNormalization: ONNXExportable {
  /// Float inputs give the nodes of a layer normalisation; levels follow formats/package.md, "Layer normalisation".
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let isMap = exporter.rank(of: node.output) == 4
    let (weight, bias) = (try exporter.constant(node, "weight"), try exporter.constant(node, "bias"))
    let unit = exporter.outputFormat(node).quantization?.scale ?? 1
    func constant(_ role: String, _ tensor: Tensor) -> String {
      let values = tensor.elements(as: Float.self).map { $0 / unit }
      return exporter.builder.initializer(
        "\(node.name).\(role)", Tensor(values, shape: isMap ? [1, values.count, 1, 1] : [1, values.count]))
    }
    let (factor, offset) = (constant("weight", weight), constant("bias", bias))
    let normalized = emitLevels(node, &exporter) ?? emitReals(node, &exporter)
    let scaled = exporter.builder.node("Mul", name: "\(node.name).scaled", inputs: [normalized, factor])
    let result = exporter.builder.node("Add", name: node.name, inputs: [scaled, offset])
    return exporter.outputFormat(node) == .float32 ? .real(result) : .levels(result)
  }

  /// `(x - mean) / sqrt(variance + epsilon)` of a float input.
  private func emitReals(_ node: Node, _ exporter: inout ONNXExporter) -> String {
    func mean(_ input: String, _ name: String) -> String {
      exporter.builder.node(
        "ReduceMean", name: "\(node.name).\(name)", inputs: [input], attributes: [("axes", .ints([1]))])
    }
    let x = exporter.input(node)
    let centred = exporter.builder.node("Sub", name: "\(node.name).centred", inputs: [x, mean(x, "mean")])
    let squares = exporter.builder.node("Mul", name: "\(node.name).squares", inputs: [centred, centred])
    let epsilon = exporter.builder.initializer("\(node.name).epsilon", Tensor([Float(self.epsilon)], shape: []))
    let variance = exporter.builder.node(
      "Add", name: "\(node.name).variance", inputs: [mean(squares, "mean_square"), epsilon])
    let deviation = exporter.builder.node("Sqrt", name: "\(node.name).deviation", inputs: [variance])
    return exporter.builder.node("Div", name: "\(node.name).normalized", inputs: [centred, deviation])
  }

  /// `(v - mean) * factor` of levels, with the statistics in double precision; `nil` if the input is float.
  private func emitLevels(_ node: Node, _ exporter: inout ONNXExporter) -> String? {
    guard let parameters = exporter.inputFormat(node).quantization, var values = exporter.inputMovedLevels(node),
      let channels = exporter.channels(of: node.output)
    else { return nil }
    var step = Double(parameters.scale)
    if readsInputRemainder, let fine = exporter.fineLevels(ofInput: node) {
      step /= 256
      let shift = exporter.builder.initializer(
        "\(node.name).shift", Tensor([256 * Float(parameters.zeroPoint) + 128], shape: []))
      values = exporter.builder.node("Add", name: "\(node.name).values", inputs: [fine, shift])
    }
    func number(_ name: String, _ value: Double) -> String {
      exporter.builder.initializer("\(node.name).\(name)", Tensor([value], shape: []))
    }
    func binary(_ type: String, _ a: String, _ b: String, _ name: String) -> String {
      exporter.builder.node(type, name: "\(node.name).\(name)", inputs: [a, b])
    }
    let doubles = exporter.doubles(values, name: "\(node.name).doubles")
    let axes = exporter.builder.sharedInitializer("channel_axis", Tensor([Int64(1)]))
    let sum = binary("ReduceSum", doubles, axes, "sum")
    let squares = binary("ReduceSum", binary("Mul", doubles, doubles, "squares"), axes, "square_sum")
    let count = number("count", Double(channels))
    let deviations = binary(
      "Sub", binary("Mul", squares, count, "scaled_squares"), binary("Mul", sum, sum, "squared_sum"), "deviations")
    let quotient = binary("Div", deviations, number("count_squared", Double(channels) * Double(channels)), "quotient")
    let unit = number("step", step)
    let variance = binary("Mul", binary("Mul", quotient, unit, "once"), unit, "variance")
    let root = exporter.builder.node(
      "Sqrt", name: "\(node.name).deviation", inputs: [binary("Add", variance, number("epsilon", epsilon), "raised")])
    let factor = exporter.floats(binary("Div", unit, root, "factor_double"), name: "\(node.name).factor")
    let mean = exporter.floats(binary("Div", sum, count, "mean_double"), name: "\(node.name).mean")
    return binary("Mul", binary("Sub", values, mean, "centred"), factor, "normalized")
  }
}

extension PReLU: ONNXExportable {
  /// On levels, `max(x, 0) positive + min(x, 0) negative`. One of the terms is 0, so that the sum is exact.
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let slopes = try exporter.constant(node, "slope").elements(as: Float.self)
    let isMap = exporter.rank(of: node.output) == 4
    func constant(_ role: String, _ values: [Float]) -> String {
      exporter.builder.initializer(
        "\(node.name).\(role)", Tensor(values, shape: isMap ? [values.count, 1, 1] : [values.count]))
    }
    guard let from = exporter.inputFormat(node).quantization, let to = exporter.outputFormat(node).quantization,
      let levels = exporter.inputLevels(node)
    else {
      let inputs = [exporter.input(node), constant("slope", slopes)]
      return .real(exporter.builder.node("PRelu", name: node.name, inputs: inputs))
    }
    let positive = from.scale / to.scale
    let zero = exporter.builder.sharedInitializer("zero", Tensor([Float(0)], shape: []))
    func part(_ type: String, _ name: String, _ factor: String) -> String {
      let selected = exporter.builder.node(type, name: "\(node.name).\(name)", inputs: [levels, zero])
      return exporter.builder.node("Mul", name: "\(node.name).\(name)_scaled", inputs: [selected, factor])
    }
    let ratio = exporter.builder.initializer("\(node.name).ratio", Tensor([positive], shape: []))
    let terms = [
      part("Max", "positive", ratio), part("Min", "negative", constant("slope", slopes.map { $0 * positive })),
    ]
    return .levels(exporter.builder.node("Add", name: node.name, inputs: terms))
  }
}

extension Multiplication: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    guard let a = exporter.inputFormat(node).quantization, let b = exporter.inputFormat(node, 1).quantization,
      let product = exporter.outputFormat(node).quantization, let left = exporter.inputLevels(node),
      let right = exporter.inputLevels(node, 1)
    else {
      let factors = exporter.croppedToCorner(node, [exporter.input(node), exporter.input(node, 1)], slots: [0, 1])
      return .real(exporter.builder.node("Mul", name: node.name, inputs: factors))
    }
    let factor = exporter.builder.initializer(
      "\(node.name).multiplier", Tensor([a.scale * b.scale / product.scale], shape: []))
    let scaled = exporter.builder.node("Mul", name: "\(node.name).scaled", inputs: [left, factor])
    let factors = exporter.croppedToCorner(node, [scaled, right], slots: [0, 1])
    return .levels(exporter.builder.node("Mul", name: node.name, inputs: factors))
  }
}

extension ChannelResponse: ONNXExportable {
  /// In double precision where the result decides roundings, as in formats/package.md, "Generalised-mean pooling".
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let isDouble = exporter.decidesRoundings(node) || exporter.inputFormat(node) != .float32
    func number(_ role: String, _ value: Double) -> String {
      let name = "\(node.name).\(role)"
      return exporter.builder.initializer(
        name, isDouble ? Tensor([value], shape: []) : Tensor([Float(value)], shape: []))
    }
    func binary(_ type: String, _ a: String, _ b: String, _ role: String) -> String {
      exporter.builder.node(type, name: role.isEmpty ? node.name : "\(node.name).\(role)", inputs: [a, b])
    }
    // The scale of levels is applied to the norms, as sums of levels are exact.
    let levels = exporter.inputLevels(node)
    var map = levels ?? exporter.input(node)
    if isDouble { map = exporter.doubles(map, name: "\(node.name).double") }
    let overPixels: [(String, ONNXModelBuilder.Attribute)] = [("axes", .ints([2, 3])), ("keepdims", .int(0))]
    var norms = exporter.builder.node(
      "ReduceL2", name: "\(node.name).norms", inputs: [map], attributes: overPixels)
    if levels != nil, let parameters = exporter.inputFormat(node).quantization {
      norms = binary("Mul", norms, number("scale", Double(parameters.scale)), "real_norms")
    }
    let mean = exporter.builder.node(
      "ReduceMean", name: "\(node.name).mean", inputs: [norms], attributes: [("axes", .ints([1]))])
    let divisor = binary("Add", mean, number("epsilon", epsilon), "divisor")
    let result = binary("Div", norms, divisor, isDouble ? "responses" : "")
    return .real(isDouble ? exporter.floats(result, name: node.name) : result)
  }
}
