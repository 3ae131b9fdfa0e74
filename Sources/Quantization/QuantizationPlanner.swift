import Calibration
import Graphs
import Operators
import Tensors

/// Decides the formats of a folded float graph from what calibration saw.
public struct QuantizationPlanner: Sendable {
  public var rangeMethod: RangeMethod

  public init(rangeMethod: RangeMethod = .meanSquaredError) { self.rangeMethod = rangeMethod }

  /// The values whose statistics `plan` needs: outputs of operators that get a range of their own.
  public static func observedValues(in graph: Graph) -> [ValueID] {
    graph.nodes.filter { $0.op.quantizationRule == .ownRange }.map(\.output)
  }

  /// - Throws: `GraphError` where the graph's input feeds anything but dense convolutions, into which preprocessing folds.
  public func plan(_ graph: Graph, statistics: ActivationStatistics) throws(GraphError) -> QuantizationPlan {
    var plan = QuantizationPlan(activations: [:], arithmetic: [:], rangeMethod: rangeMethod)
    let consumers = graph.consumers
    try checkInput(graph, consumers[graph.input] ?? [])
    plan.activations[graph.input] = QuantizationPlan.Activation(
      name: "input", format: .uint8(QuantizationParameters(scale: 1, zeroPoint: 0)), observed: 0...255,
      reason: "the pixels themselves: preprocessing is folded into the first convolution")
    for node in graph.nodes {
      let readers = (consumers[node.output] ?? []).map { graph.nodes[$0] }
      let isOutput = graph.outputs.contains { $0.value == node.output }
      plan.arithmetic[node.name] = Self.arithmetic(of: node)
      plan.activations[node.output] = activation(of: node, readers, isOutput: isOutput, plan, statistics)
    }
    return plan
  }

  private func checkInput(_ graph: Graph, _ readers: [Int]) throws(GraphError) {
    for index in readers {
      let node = graph.nodes[index]
      guard let convolution = node.op as? Convolution, convolution.groups == 1, node.inputs.count == 1 else {
        throw .at(node: node.name, .structure("reads the input, which only dense convolutions can do in int8"))
      }
    }
  }

  private static func arithmetic(of node: Node) -> QuantizationPlan.Arithmetic {
    switch node.op.quantizationRule {
    case .ownRange, .sameAsInput: .int8
    case .floatWithInt8Weights: .int8Weights
    case .float: .float
    }
  }

  private func activation(
    of node: Node, _ readers: [Node], isOutput: Bool, _ plan: QuantizationPlan, _ statistics: ActivationStatistics
  ) -> QuantizationPlan.Activation {
    let histogram = statistics.histograms[node.output]
    let observed = histogram.flatMap { $0.minimum <= $0.maximum ? $0.minimum...$0.maximum : nil }
    func decide(_ format: ValueFormat, _ reason: String) -> QuantizationPlan.Activation {
      QuantizationPlan.Activation(name: node.name, format: format, observed: observed, reason: reason)
    }
    switch node.op.quantizationRule {
    case .float, .floatWithInt8Weights:
      return decide(.float32, "\(node.kind) computes in float")
    case .sameAsInput:
      let format = plan.activations[node.inputs[0]]?.format ?? .float32
      return decide(format, "\(node.kind) keeps its input's format")
    case .ownRange:
      let onlyFloatReaders = readers.allSatisfy { $0.op.quantizationRule == .float }
      if node.op is Convolution, isOutput || onlyFloatReaders {
        return decide(.float32, "only read in float, so it is stored from the accumulators without rounding")
      }
      let parameters = histogram?.parameters(rangeMethod) ?? QuantizationParameters(scale: 1, zeroPoint: 0)
      return decide(.uint8(parameters), rangeMethod.name)
    }
  }
}
