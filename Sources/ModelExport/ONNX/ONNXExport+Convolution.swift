import Graphs
import Operators
import Tensors

extension Window {
  /// The attributes of ONNX's sliding-window operators.
  var onnxAttributes: [(String, ONNXModelBuilder.Attribute)] {
    var result: [(String, ONNXModelBuilder.Attribute)] = [
      ("kernel_shape", .ints([height, width])), ("strides", .ints([strideHeight, strideWidth])),
      ("pads", .ints([top, left, bottom, right])),
    ]
    if dilationHeight != 1 || dilationWidth != 1 { result.append(("dilations", .ints([dilationHeight, dilationWidth]))) }
    if ceilMode { result.append(("ceil_mode", .int(1))) }
    return result
  }
}

extension Convolution: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> String {
    // ONNX keeps OIHW.
    let weight = try exporter.constant(node, "weight").permuted([0, 3, 1, 2])
    var input = exporter.input(node)
    if let padding = node.constants["padding_value"] {
      // ONNX pads with zero: values are moved so that the padding is zero, and the bias makes up for it.
      let values = padding.elements(as: UInt8.self).map { Float($0) }
      let offset = exporter.builder.initializer(
        "\(node.name).padding_value", Tensor(values, shape: [1, values.count, 1, 1]))
      input = exporter.builder.node("Sub", name: "\(node.name).centered", inputs: [input, offset])
    }
    let inputs = [input, try exporter.weight(node, weight)] + (try bias(node, &exporter).map { [$0] } ?? [])
    let isPlain = node.inputs.count == 1 && activation == .none
    var value = exporter.builder.node(
      "Conv", name: isPlain ? node.name : "\(node.name).conv", inputs: inputs,
      attributes: window.onnxAttributes + [("group", .int(groups))])
    if node.inputs.count == 2 {
      value = exporter.builder.node(
        "Add", name: activation == .none ? node.name : "\(node.name).sum", inputs: [value, exporter.input(node, 1)])
    }
    return activation == .relu ? exporter.builder.node("Relu", name: node.name, inputs: [value]) : value
  }

  /// The bias in float form. Where the input's padding is not zero, it is that of inputs with the padding taken off.
  private func bias(_ node: Node, _ exporter: inout ONNXExporter) throws(ExportError) -> String? {
    guard let bias = node.constants["bias"] else { return nil }
    guard bias.elementType == .int32 else { return exporter.builder.initializer("\(node.name).bias", bias) }
    guard case .uint8(let input) = exporter.inputFormat(node) else {
      throw .malformed(node: node.name, problem: "int32 bias on a float input")
    }
    let weightScale = try exporter.constant(node, "weight_scale").elements(as: Float.self)
    var levels = bias.elements(as: Int32.self)
    guard levels.count == weightScale.count else { throw .malformed(node: node.name, problem: "bias and scales differ") }
    if let padding = node.constants["padding_value"]?.elements(as: UInt8.self) {
      let weight = try exporter.constant(node, "weight").elements(as: Int8.self)
      let length = weight.count / max(levels.count, 1)
      for channel in levels.indices {
        var sum = 0
        for index in 0..<length { sum += Int(weight[channel * length + index]) * Int(padding[index % padding.count]) }
        guard let moved = Int32(exactly: Int(levels[channel]) + sum) else {
          throw .malformed(node: node.name, problem: "bias of channel \(channel) does not fit 32 bits")
        }
        levels[channel] = moved
      }
    }
    let scales = weightScale.map { $0 * input.scale }
    let inputs = [
      exporter.builder.initializer("\(node.name).bias", Tensor(levels)),
      exporter.builder.initializer("\(node.name).bias_scale", Tensor(scales)),
      exporter.builder.initializer("\(node.name).bias_zero_point", Tensor([Int32](repeating: 0, count: levels.count))),
    ]
    return exporter.builder.node(
      "DequantizeLinear", name: "\(node.name).bias_dequantized", inputs: inputs, attributes: [("axis", .int(0))])
  }
}
