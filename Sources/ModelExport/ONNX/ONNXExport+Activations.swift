import Graphs
import Operators
import Tensors

extension ONNXExporter {
  /// Adds the nodes of an activation function.
  ///
  /// - Parameters:
  ///   - name: the name of the last node.
  ///   - inDouble: whether to compute in double precision and round once, so that every runtime gets the same bits.
  /// - Returns: the name of the result.
  mutating func emit(
    _ function: ActivationFunction, of input: String, name: String, inDouble: Bool = false
  ) -> String {
    guard inDouble else { return FunctionNodes<Float>(name: name).emit(function, of: input, into: &self) }
    let nodes = FunctionNodes<Double>(name: "\(name).\(function.name)")
    return floats(nodes.emit(function, of: doubles(input, name: "\(name).double"), into: &self), name: name)
  }

  /// Adds the nodes of the activation function of an operator's epilogue.
  ///
  /// - Parameter value: a value in steps of the node's output, without its zero point; in real units where the output
  ///   is float32.
  /// - Returns: the name of the result, in the same unit.
  mutating func emitEpilogue(_ function: ActivationFunction, of value: String, _ node: Node) -> String {
    guard case .clip = function, let format = outputFormat(node).quantization else {
      return emit(function, of: value, name: node.name)
    }
    let levels = function.levelBounds(format)
    let bounds = [("minimum", levels.lowerBound), ("maximum", levels.upperBound)].map { name, level in
      builder.initializer(
        "\(node.name).\(name)_level", Tensor([Float(level) - Float(format.zeroPoint)], shape: []))
    }
    return builder.node("Clip", name: node.name, inputs: [value] + bounds)
  }
}

extension Clip: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    .real(exporter.emit(function, of: exporter.input(node), name: node.name))
  }
}

extension ReLU: ONNXExportable, ONNXSelecting {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    .real(exporter.emit(function, of: exporter.input(node), name: node.name))
  }

  func emitSelection(_ node: Node, of input: String, into exporter: inout ONNXExporter) -> String {
    exporter.emit(function, of: input, name: "\(node.name).fine_levels")
  }
}

extension Sigmoid: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let (input, inDouble) = (exporter.input(node), exporter.decidesRoundings(node))
    return .real(exporter.emit(.sigmoid, of: input, name: node.name, inDouble: inDouble))
  }
}

extension Nonlinearity: ONNXExportable {
  /// Follows formats/package.md, "Nonlinearities". If a float32 evaluation is certain to be rounded to the levels of
  /// the table, it is exported, because runtimes recognise it between a DequantizeLinear and a QuantizeLinear.
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let (input, output) = (exporter.inputFormat(node), exporter.outputFormat(node))
    let inDouble = output == .float32 ? exporter.decidesRoundings(node) : !isDecisive(from: input, to: output)
    let fine = readsInputRemainder ? exporter.inputWithRemainders(node) : nil
    let value = exporter.emit(function, of: fine ?? exporter.input(node), name: node.name, inDouble: inDouble)
    guard case .uint8WithRemainder(let parameters) = output else { return .real(value) }
    let step = exporter.builder.initializer("\(node.name).step", Tensor([parameters.scale], shape: []))
    return .levels(exporter.builder.node("Div", name: "\(node.name).levels", inputs: [value, step]))
  }

  /// Whether no entry of the table is so close to the middle between two levels that an evaluation with an error of a
  /// few bits could be rounded to the other level.
  private func isDecisive(from input: ValueFormat, to output: ValueFormat) -> Bool {
    guard let from = input.quantization, let to = output.quantization, !readsInputRemainder, output.isPlainUInt8 else {
      return false
    }
    return (0...255).allSatisfy { level in
      let real = function(Double(from.scale * Float(level - Int(from.zeroPoint)))) / Double(to.scale)
      return abs(abs(real - real.rounded(.down)) - 0.5) > abs(real) * 0x1p-18
    }
  }
}
