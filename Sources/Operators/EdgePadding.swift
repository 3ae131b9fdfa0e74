import Graphs
import Tensors

/// A map [N, H, W, C] with rows and columns around it that repeat pixels of the map, as before the binomial filters of
/// antialiased networks (Zhang, arXiv 1904.11486). Exact on uint8: the output keeps the input's format.
package struct EdgePadding: Operator {
  package static let wireName = "edge_padding"
  package static let arity = 1...1

  /// Which pixels of the map the margins repeat.
  package enum Rule: String, Sendable {
    /// The map mirrored at its outermost pixels, which are not repeated: the margins must be smaller than the map.
    case reflect
    /// The outermost pixels.
    case replicate
  }

  /// The rows and columns that are added, each from 0 to 1024.
  package let margins: MapMargins
  /// Which pixels they repeat.
  package let rule: Rule

  package init(_ margins: MapMargins, rule: Rule) { (self.margins, self.rule) = (margins, rule) }

  package init(attributes: Attributes) throws(GraphError) {
    guard let rule = Rule(rawValue: try attributes.string("rule")) else {
      throw .attribute(name: "rule", expected: "reflect or replicate")
    }
    self.init(try MapMargins(attributes: attributes), rule: rule)
  }

  package var attributes: Attributes {
    var result = margins.attributes
    result["rule"] = .string(rule.rawValue)
    return result
  }
  package var quantizationRule: QuantizationRule { .sameAsInput }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { bounds[0] }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 4 else { throw .shape("padding takes a map with 4 axes, not \(input)") }
    let isSmaller =
      max(margins.top, margins.bottom) < input.height && max(margins.left, margins.right) < input.width
    guard rule == .replicate && input.height > 0 && input.width > 0 || isSmaller else {
      throw .inputSize("a \(input.height)x\(input.width) map is too small to be padded by its reflection")
    }
    return try Shape([
      input.batch, input.height + margins.top + margins.bottom, input.width + margins.left + margins.right,
      input.channels,
    ]).checkedActivation()
  }

  /// The position in the map, of an extent, that a position outside of it repeats.
  private func source(_ position: Int, extent: Int) -> Int {
    switch rule {
    case .replicate: min(max(position, 0), extent - 1)
    case .reflect: position < 0 ? -position : position < extent ? position : 2 * (extent - 1) - position
    }
  }
}

extension EdgePadding: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let format = context.outputFormat
    guard context.inputFormats[0] == format else {
      throw .structure("the input and the output of padding must have the same format")
    }
    let size = format.elementType.byteCount
    return LineOperator { input, output, line, buffers in
      let pixel = output.channels * size
      let target = buffers.output + line * output.width * pixel
      let (image, y) = (line / output.height, source(line % output.height - margins.top, extent: input.height))
      let row = buffers.inputs[0] + (image * input.height + y) * input.width * pixel
      (target + margins.left * pixel).copyMemory(from: row, byteCount: input.width * pixel)
      for x in 0..<margins.left {
        (target + x * pixel)
          .copyMemory(from: row + source(x - margins.left, extent: input.width) * pixel, byteCount: pixel)
      }
      for x in input.width..<input.width + margins.right {
        (target + (margins.left + x) * pixel)
          .copyMemory(from: row + source(x, extent: input.width) * pixel, byteCount: pixel)
      }
    }
  }
}
