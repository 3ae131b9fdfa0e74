import Graphs
import Operators
import Tensors
import Threads

/// Applies one of the two effects of quantisation to a float map: rounding or clipping. It serves analyses only;
/// packages cannot contain it.
struct LevelProbe: Operator {
  /// The effect that is applied.
  enum Part: Hashable, Sendable {
    /// Values are rounded to the nearest level, as if the range were unlimited.
    case rounding
    /// Values are clipped to the range, without rounding.
    case clipping
  }

  static let wireName = "level_probe"
  static let arity = 1...1

  let part: Part
  let parameters: QuantizationParameters

  init(_ part: Part, _ parameters: QuantizationParameters) {
    self.part = part
    self.parameters = parameters
  }

  init(attributes: Attributes) throws(GraphError) { throw .unknownOperator(Self.wireName) }
  var attributes: Attributes { [:] }
  var quantizationRule: QuantizationRule { .float }

  func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape { inputs[0] }
}

extension LevelProbe: RunnableOperator {
  func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    guard context.inputFormats == [.float32], context.outputFormat == .float32 else {
      throw .structure("\(Self.wireName) runs on float activations only")
    }
    return Prepared(probe: self)
  }

  private struct Prepared: PreparedOperator {
    let probe: LevelProbe

    func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
      Planned(probe: probe, count: output.elementCount)
    }
  }

  private struct Planned: PlannedOperator {
    let probe: LevelProbe
    let count: Int
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      let input = UnsafeBufferPointer(start: buffers.inputs[0].assumingMemoryBound(to: Float.self), count: count)
      let output = buffers.output.assumingMemoryBound(to: Float.self)
      let (scale, range) = (probe.parameters.scale, probe.parameters.range)
      switch probe.part {
      case .rounding:
        for index in input.indices { output[index] = scale * (input[index] / scale).rounded(.toNearestOrEven) }
      case .clipping:
        for index in input.indices { output[index] = min(max(input[index], range.lowerBound), range.upperBound) }
      }
    }
  }
}
