import Graphs
import Operators
import Tensors

extension ReLU: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    .real(exporter.builder.node("Relu", name: node.name, inputs: [exporter.input(node)]))
  }
}

extension Addition: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let relu = activation == .relu
    let sum = exporter.builder.node(
      "Add", name: relu ? "\(node.name).sum" : node.name, inputs: [exporter.input(node, 0), exporter.input(node, 1)])
    return .real(relu ? exporter.builder.node("Relu", name: node.name, inputs: [sum]) : sum)
  }
}

extension Requantize: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    .real(exporter.input(node))
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
    let denominator = exporter.builder.node("Add", name: "\(node.name).denominator", inputs: [norm, epsilon])
    return .real(exporter.builder.node("Div", name: node.name, inputs: [exporter.input(node), denominator]))
  }
}

extension Linear: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let weight = try exporter.weight(node, try exporter.constant(node, "weight"))
    var inputs = [exporter.input(node), weight]
    if let bias = node.constants["bias"] { inputs.append(exporter.builder.initializer("\(node.name).bias", bias)) }
    return .real(exporter.builder.node("Gemm", name: node.name, inputs: inputs, attributes: [("transB", .int(1))]))
  }
}
