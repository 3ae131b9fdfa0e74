import Graphs
import Operators
import Tensors

extension MaxPooling: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    .real(
      exporter.builder.node(
        "MaxPool", name: node.name, inputs: [exporter.cut(exporter.input(node), for: window, name: "\(node.name).cut")],
        attributes: window.onnxAttributes))
  }
}

extension MaxPooling: ONNXSelecting {
  func emitSelection(_ node: Node, of input: String, into exporter: inout ONNXExporter) -> String {
    exporter.builder.node(
      "MaxPool", name: "\(node.name).fine_levels",
      inputs: [exporter.cut(input, for: window, name: "\(node.name).fine_cut")], attributes: window.onnxAttributes)
  }
}

extension GeneralizedMeanPooling: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    var input = exporter.input(node)
    let axes: [(String, ONNXModelBuilder.Attribute)] = [("axes", .ints([2, 3])), ("keepdims", .int(0))]
    let name = appendsOne ? "\(node.name).pooled" : node.name
    if let floor {
      let bound = exporter.builder.initializer("\(node.name).floor", Tensor([Float(floor)], shape: []))
      input = exporter.builder.node("Clip", name: "\(node.name).clipped", inputs: [input, bound])
    }
    let pooled: String
    switch exponent {
    case .infinity: pooled = exporter.builder.node("ReduceMax", name: name, inputs: [input], attributes: axes)
    case 1 where exporter.inputFormat(node) != .float32 && floor == nil:
      pooled = exporter.scaledMeanOfLevels(node, name: name, axes)
    case 1 where exporter.decidesRoundings(node):
      let doubles = exporter.doubles(input, name: "\(node.name).double")
      let mean = exporter.builder.node("ReduceMean", name: "\(node.name).mean", inputs: [doubles], attributes: axes)
      pooled = exporter.floats(mean, name: name)
    case 1: pooled = exporter.builder.node("ReduceMean", name: name, inputs: [input], attributes: axes)
    default:
      let power = exporter.builder.initializer("\(node.name).exponent", Tensor([Float(exponent)], shape: []))
      let root = exporter.builder.initializer("\(node.name).root", Tensor([Float(1 / exponent)], shape: []))
      let powers = exporter.builder.node("Pow", name: "\(node.name).powers", inputs: [input, power])
      let mean = exporter.builder.node("ReduceMean", name: "\(node.name).mean", inputs: [powers], attributes: axes)
      pooled = exporter.builder.node("Pow", name: name, inputs: [mean, root])
    }
    guard appendsOne else { return .real(pooled) }
    let pads = exporter.builder.initializer("\(node.name).pads", Tensor([Int64(0), 0, 0, 1]))
    let one = exporter.builder.initializer("\(node.name).one", Tensor([Float(1)], shape: []))
    return .real(exporter.builder.node("Pad", name: node.name, inputs: [pooled, pads, one]))
  }
}

extension ChannelwiseMeanPooling: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    guard let constant = node.constants["exponent"], constant.elementType == .float32 else {
      throw .malformed(node: node.name, problem: "it has no exponents")
    }
    let exponents = constant.elements(as: Float.self)
    let bound = exporter.builder.initializer("\(node.name).floor", Tensor([Float(floor)], shape: []))
    let power = exporter.builder.initializer(
      "\(node.name).exponent", Tensor(exponents, shape: [exponents.count, 1, 1]))
    let root = exporter.builder.initializer("\(node.name).root", Tensor(exponents.map { 1 / $0 }))
    let clipped = exporter.builder.node("Clip", name: "\(node.name).clipped", inputs: [exporter.input(node), bound])
    let powers = exporter.builder.node("Pow", name: "\(node.name).powers", inputs: [clipped, power])
    let mean = exporter.builder.node(
      "ReduceMean", name: "\(node.name).mean", inputs: [powers],
      attributes: [("axes", .ints([2, 3])), ("keepdims", .int(0))])
    return .real(exporter.builder.node("Pow", name: node.name, inputs: [mean, root]))
  }
}

extension ONNXExporter {
  /// The mean of a uint8 map as quern computes it: the mean of whole numbers, whose sum is exact, times the scale.
  fileprivate mutating func scaledMeanOfLevels(
    _ node: Node, name: String, _ axes: [(String, ONNXModelBuilder.Attribute)]
  ) -> String {
    guard let levels = inputLevels(node), let scale = inputFormat(node).quantization?.scale else {
      preconditionFailure("'\(node.name)' reads a uint8 map without levels")
    }
    let mean = builder.node("ReduceMean", name: "\(node.name).mean_level", inputs: [levels], attributes: axes)
    let factor = builder.initializer("\(node.name).scale", Tensor([scale], shape: []))
    return builder.node("Mul", name: name, inputs: [mean, factor])
  }
}
