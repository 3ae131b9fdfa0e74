import Graphs
import Operators
import Tensors

extension ChannelSelection: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    .real(gather(node, exporter.input(node), name: node.name, &exporter))
  }

  fileprivate func gather(_ node: Node, _ input: String, name: String, _ exporter: inout ONNXExporter) -> String {
    let indices = exporter.builder.initializer("\(name).channels", Tensor(channels.map { Int64($0) }))
    return exporter.builder.node("Gather", name: name, inputs: [input, indices], attributes: [("axis", .int(1))])
  }
}

extension ChannelSelection: ONNXSelecting {
  func emitSelection(_ node: Node, of input: String, into exporter: inout ONNXExporter) -> String {
    gather(node, input, name: "\(node.name).fine_levels", &exporter)
  }
}

extension Softmax: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let isDouble = exporter.decidesRoundings(node)
    guard let channels = exporter.channels(of: node.output) else {
      throw .malformed(node: node.name, problem: "its output has no shape")
    }
    var value = exporter.input(node)
    if isDouble { value = exporter.doubles(value, name: "\(node.name).double") }
    let split = [0, channels / (branches * stride), branches, stride].map { Int64($0) }
    let shape = exporter.builder.initializer("\(node.name).branches", Tensor(split))
    value = exporter.builder.node("Reshape", name: "\(node.name).branched", inputs: [value, shape])
    let name = "\(node.name).probabilities"
    value = exporter.builder.node("Softmax", name: name, inputs: [value], attributes: [("axis", .int(2))])
    let row = exporter.builder.initializer("\(node.name).row", Tensor([Int64(0), Int64(channels)]))
    let last = isDouble ? "\(node.name).joined" : node.name
    value = exporter.builder.node("Reshape", name: last, inputs: [value, row])
    return .real(isDouble ? exporter.floats(value, name: node.name) : value)
  }
}

extension ChannelConvolution: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let weight = try exporter.constant(node, "weight").elements(as: Float.self)
    let pads = [before, weight.count - 1 - before]
    guard exporter.decidesRoundings(node) else {
      let axis = exporter.builder.initializer("\(node.name).axis", Tensor([Int64(1)]))
      let kernel = exporter.builder.initializer("\(node.name).weight", Tensor(weight, shape: [1, 1, weight.count]))
      let row = exporter.builder.node("Unsqueeze", name: "\(node.name).signal", inputs: [exporter.input(node), axis])
      let sum = exporter.builder.node(
        "Conv", name: "\(node.name).sum", inputs: [row, kernel],
        attributes: [("kernel_shape", .ints([weight.count])), ("pads", .ints(pads))])
      return .real(exporter.builder.node("Squeeze", name: node.name, inputs: [sum, axis]))
    }
    return try emitExactly(node, weight, pads, &exporter)
  }

  /// The sum of moved rows in double precision, which runtimes have no convolution for.
  private func emitExactly(
    _ node: Node, _ weight: [Float], _ pads: [Int], _ exporter: inout ONNXExporter
  ) throws(ExportError) -> ONNXValue {
    guard let channels = exporter.channels(of: node.output) else {
      throw .malformed(node: node.name, problem: "its output has no shape")
    }
    func integers(_ name: String, _ values: [Int]) -> String {
      exporter.builder.initializer("\(node.name).\(name)", Tensor(values.map { Int64($0) }))
    }
    let amounts = integers("pads", [0, pads[0], 0, pads[1]])
    let axis = integers("axis", [1])
    let row = exporter.doubles(exporter.input(node), name: "\(node.name).double")
    let padded = exporter.builder.node("Pad", name: "\(node.name).padded", inputs: [row, amounts])
    var sum = ""
    for (tap, factor) in weight.enumerated() {
      let bounds = [integers("start\(tap)", [tap]), integers("end\(tap)", [tap + channels]), axis]
      let moved = exporter.builder.node("Slice", name: "\(node.name).moved\(tap)", inputs: [padded] + bounds)
      let number = exporter.builder.initializer("\(node.name).weight\(tap)", Tensor([Double(factor)], shape: []))
      let product = exporter.builder.node("Mul", name: "\(node.name).product\(tap)", inputs: [moved, number])
      sum = tap == 0 ? product : exporter.builder.node("Add", name: "\(node.name).sum\(tap)", inputs: [sum, product])
    }
    return .real(exporter.floats(sum, name: node.name))
  }
}
