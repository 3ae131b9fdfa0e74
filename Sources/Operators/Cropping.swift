import Graphs
import Kernels
import Tensors

/// A map without some of its outer rows and columns. Exact on uint8: the output keeps the input's format.
public struct Cropping: Operator, MarginOperator {
  public static let wireName = "cropping"
  public static let arity = 1...1

  public var margins: MapMargins

  public init(_ margins: MapMargins) { self.margins = margins }
  public init(attributes: Attributes) throws(GraphError) { margins = try MapMargins(attributes: attributes) }
  public var attributes: Attributes { margins.attributes }
  public var addedMargins: MapMargins { margins.negated }
  public var quantizationRule: QuantizationRule { .sameAsInput }
  public func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { bounds[0] }
  public func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  public func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 4 else { throw .shape("cropping takes a map with 4 axes, not \(input)") }
    let height = input.height - margins.top - margins.bottom
    let width = input.width - margins.left - margins.right
    guard height > 0, width > 0 else { throw .inputSize("nothing is left of a \(input.height)x\(input.width) map") }
    return [input.batch, height, width, input.channels]
  }
}

extension Cropping: RunnableOperator {
  public func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let format = context.outputFormat
    guard context.inputFormats[0] == format else { throw .structure("cropping's input and output differ in format") }
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
