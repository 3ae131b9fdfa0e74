import Graphs
import Tensors
import Threads

/// A map [N, H, W, C] with rows and columns of zeros around it. The zeros are pixels like others: a pooling that reads
/// the output counts them. On uint8, they have the level of the zero point, and the output keeps the input's format.
package struct ZeroPadding: Operator, MarginOperator {
  package static let wireName = "zero_padding"
  package static let arity = 1...1

  /// The rows and columns that are added, each from 0 to 1024.
  package var margins: MapMargins

  package init(_ margins: MapMargins) { self.margins = margins }
  package init(attributes: Attributes) throws(GraphError) { margins = try MapMargins(attributes: attributes) }
  package var attributes: Attributes { margins.attributes }
  package var addedMargins: MapMargins { margins }
  package var quantizationRule: QuantizationRule { .sameAsInput }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { min(bounds[0], 0) }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 4 else { throw .shape("padding takes a map with 4 axes, not \(input)") }
    return try Shape([
      input.batch, input.height + margins.top + margins.bottom, input.width + margins.left + margins.right,
      input.channels,
    ]).checkedActivation()
  }
}

extension ZeroPadding: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    let format = context.outputFormat
    guard context.inputFormats[0] == format else {
      throw .structure("the input and the output of padding must have the same format")
    }
    let zero: UInt8 = if case .uint8(let parameters) = format { parameters.zeroPoint } else { 0 }
    let margins = margins
    let size = format.elementType.byteCount
    return LineOperator { input, output, line, buffers in
      let pixel = output.channels * size
      let target = buffers.output + line * output.width * pixel
      let (image, y) = (line / output.height, line % output.height - margins.top)
      guard y >= 0, y < input.height else {
        target.initializeMemory(as: UInt8.self, repeating: zero, count: output.width * pixel)
        return
      }
      let inner = target + margins.left * pixel
      target.initializeMemory(as: UInt8.self, repeating: zero, count: margins.left * pixel)
      inner.copyMemory(
        from: buffers.inputs[0] + (image * input.height + y) * input.width * pixel, byteCount: input.width * pixel)
      (inner + input.width * pixel)
        .initializeMemory(as: UInt8.self, repeating: zero, count: margins.right * pixel)
    }
  }
}

/// Computes one line of the output at a time.
struct LineOperator: PreparedOperator {
  /// Takes the shapes of input and output, the index of the line in the output, and the buffers.
  typealias Body = @Sendable (_ input: Shape, _ output: Shape, _ line: Int, OperatorBuffers) -> Void
  let body: Body

  init(_ body: @escaping Body) { self.body = body }

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    Planned(body: body, input: inputs[0], output: output)
  }

  private struct Planned: PlannedOperator {
    let body: Body
    let input: Shape
    let output: Shape
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      team.forEach(output.batch * output.height, with: (plan: self, buffers: buffers)) { state, line, _ in
        state.plan.body(state.plan.input, state.plan.output, line, state.buffers)
      }
    }
  }
}
