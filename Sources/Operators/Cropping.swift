import Graphs
import Kernels
import Tensors

/// A map [N, H, W, C] without some of its outer rows and columns. Exact on uint8: the output keeps the input's format.
package struct Cropping: Operator, MarginOperator {
  package static let wireName = "cropping"
  package static let arity = 1...1

  /// The rows and columns that are removed, each from 0 to 1024.
  package var margins: MapMargins

  package init(_ margins: MapMargins) { self.margins = margins }
  package init(attributes: Attributes) throws(GraphError) { margins = try MapMargins(attributes: attributes) }
  package var attributes: Attributes { margins.attributes }
  package var addedMargins: MapMargins { margins.negated }
  package var quantizationRule: QuantizationRule { .sameAsInput }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { bounds[0] }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 4 else { throw .shape("cropping takes a map with 4 axes, not \(input)") }
    let height = input.height - margins.top - margins.bottom
    let width = input.width - margins.left - margins.right
    guard height > 0, width > 0 else {
      throw .inputSize("a \(input.height)x\(input.width) map is too small to be cropped")
    }
    return [input.batch, height, width, input.channels]
  }
}

extension Cropping: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let format = context.outputFormat
    guard context.inputFormats[0] == format else {
      throw .structure("the input and the output of cropping must have the same format")
    }
    let margins = margins
    let size = format.elementType.byteCount
    return LineOperator { input, output, line, buffers in
      let pixel = output.channels * size
      let (image, y) = (line / output.height, line % output.height + margins.top)
      let first = (image * input.height + y) * input.width + margins.left
      (buffers.output + line * output.width * pixel)
        .copyMemory(from: buffers.inputs[0] + first * pixel, byteCount: output.width * pixel)
    }
  }
}
