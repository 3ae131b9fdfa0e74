import Graphs
import Kernels
import Tensors

/// The sum of two maps [N, H, W, C], with an optional activation. Maps of unequal height or width are cropped to their
/// common top-left corner. On uint8, each input has its own scale, and the sum is rounded once.
package struct Addition: Operator, EpilogueOperator {
  package static let wireName = "addition"
  package static let arity = 2...2

  package var activation: ActivationFunction

  package init(activation: ActivationFunction = .none) { self.activation = activation }
  package init(attributes: Attributes) throws(GraphError) {
    activation = try ActivationFunction(attributes: attributes)
  }
  package var attributes: Attributes { activation.attributes("activation") }
  package var quantizationRule: QuantizationRule { .calibratedRange }
  package func traits(constants: [String: Tensor]) -> OperatorTraits {
    var traits = OperatorTraits()
    traits.combination = .sum
    traits.followsFloat = true
    return traits
  }
  package func readsRemainder(ofInput slot: Int) -> Bool { true }
  package static let remainderRule = RemainderRule.made
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    activation.lowerBound(bounds.reduce(0, +))
  }
  package func channelRule(ofInput slot: Int) -> ChannelRule { activation.isHomogeneous ? .carried : .fixed }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let (a, b) = (inputs[0], inputs[1])
    if a == b { return a }
    guard a.rank == 4, b.rank == 4, a.batch == b.batch, a.channels == b.channels else {
      throw .shape("cannot add maps of \(a) and \(b)")
    }
    let corner = Shape.commonCorner(inputs)
    return [a.batch, corner.height, corner.width, a.channels]
  }
}

extension Addition: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    switch (context.inputFormats[0], context.inputFormats[1], context.outputFormat) {
    case (.float32, .float32, .float32):
      let bounds = activation.realBounds
      return TopLeftAlignedOperator { run, buffers in
        let channels = run.output.channels
        let a = buffers.inputs[0].assumingMemoryBound(to: Float.self) + run.start(ofInput: 0) * channels
        let b = buffers.inputs[1].assumingMemoryBound(to: Float.self) + run.start(ofInput: 1) * channels
        let output = buffers.output.assumingMemoryBound(to: Float.self) + run.first * channels
        for index in 0..<run.count * channels {
          output[index] = ActivationFunction.bounded(a[index] + b[index], bounds)
        }
      }
    case (.uint8(let a), .uint8(let b), .uint8(let sum)):
      let epilogue = Epilogue(activation, context.outputFormat)
      let kernel = context.kernels.elementwise.add
      let aFactor = a.scale / sum.scale
      let bFactor = b.scale / sum.scale
      return TopLeftAlignedOperator { run, buffers in
        let channels = run.output.channels
        kernel?(
          buffers.inputs[0].assumingMemoryBound(to: UInt8.self) + run.start(ofInput: 0) * channels,
          Int32(a.zeroPoint), aFactor,
          buffers.inputs[1].assumingMemoryBound(to: UInt8.self) + run.start(ofInput: 1) * channels,
          Int32(b.zeroPoint), bFactor,
          run.count * channels, epilogue.zeroPoint, epilogue.levels.minimum, epilogue.levels.maximum,
          buffers.output.assumingMemoryBound(to: UInt8.self) + run.first * channels)
      }
    case (.float32, _, _), (_, .float32, _):
      throw .structure("an addition's inputs are both float32 or both uint8, and its output is uint8 or float32")
    case (let a, let b, let sum):
      return Int8MapSum(
        kernel: context.kernels.elementwise, map: a, factorSlot: nil, residual: b, residualSlot: 1, output: sum,
        activation: activation)
    }
  }
}
