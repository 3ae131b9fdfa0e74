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
    guard inDouble else { return emitNodes(function, of: input, name: name, inDouble: false) }
    let result = emitNodes(
      function, of: doubles(input, name: "\(name).double"), name: "\(name).\(function.rawValue)", inDouble: true)
    return floats(result, name: name)
  }

  private mutating func emitNodes(
    _ function: ActivationFunction, of input: String, name: String, inDouble: Bool
  ) -> String {
    switch function {
    case .none: return input
    case .relu: return builder.node("Relu", name: name, inputs: [input])
    case .sigmoid: return builder.node("Sigmoid", name: name, inputs: [input])
    case .hardSigmoid:
      guard inDouble else {
        let attributes: [(String, ONNXModelBuilder.Attribute)] = [("alpha", .float(1 / 6)), ("beta", .float(0.5))]
        return builder.node("HardSigmoid", name: name, inputs: [input], attributes: attributes)
      }
      // Runtimes implement HardSigmoid only for float32.
      func shared(_ name: String, _ value: Double) -> String {
        builder.sharedInitializer(name, Tensor([value], shape: []))
      }
      let part = builder.node("Div", name: "\(name).part", inputs: [input, shared("double_six", 6)])
      let sum = builder.node("Add", name: "\(name).sum", inputs: [part, shared("double_half", 0.5)])
      return builder.node("Clip", name: name, inputs: [sum, shared("double_zero", 0), shared("double_one", 1)])
    // HardSwish and Swish exist only from operator sets 14 and 24 on; all importers recognise the products.
    case .hardSwish, .silu:
      let gate = emitNodes(
        function == .silu ? .sigmoid : .hardSigmoid, of: input, name: "\(name).gate", inDouble: inDouble)
      return builder.node("Mul", name: name, inputs: [input, gate])
    }
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
