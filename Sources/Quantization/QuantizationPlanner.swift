import Calibration
import Graphs
import Operators
import Tensors
import Threads

/// Decides the formats of a folded float graph from what calibration saw.
public struct QuantizationPlanner: Sendable {
  public var rangeMethod: RangeMethod

  /// That search ranges at the same time.
  private let threads: Int

  public init(rangeMethod: RangeMethod = .meanSquaredError, threads: Int = 1) {
    self.rangeMethod = rangeMethod
    self.threads = threads
  }

  /// The values whose statistics `plan` needs: outputs of operators that get a range of their own, and of those that cannot
  /// keep their input's.
  public static func observedValues(in graph: Graph) -> [ValueID] {
    let float = FloatLayers.necessary(in: graph)
    return graph.nodes.filter {
      $0.op.quantizationRule == .ownRange || float.contains($0.name) || type(of: $0.op).saturates
    }.map(\.output)
  }

  /// Nodes that int8 arithmetic cannot compute (`FloatLayers.necessary`) are planned to compute in float.
  public func plan(_ graph: Graph, statistics: ActivationStatistics) throws(GraphError) -> QuantizationPlan {
    var plan = QuantizationPlan(activations: [:], arithmetic: [:], rangeMethod: rangeMethod)
    let consumers = graph.consumers
    plan.activations[graph.input] = QuantizationPlan.Activation(
      name: "input", format: .uint8(QuantizationParameters(scale: 1, zeroPoint: 0)), observed: 0...255,
      reason: "the pixels themselves: preprocessing is folded into the first convolution")
    let necessary = FloatLayers.necessary(in: graph)
    let readsInFloat = FloatLayers.valuesReadInFloat(graph, consumers, kept: necessary)
    let readsRemainder = Self.valuesReadWithRemainder(graph, consumers)
    let owners = Dictionary(
      uniqueKeysWithValues: graph.nodes.filter {
        ($0.op.quantizationRule == .ownRange || necessary.contains($0.name)) && !readsInFloat.contains($0.output)
      }.map { ($0.output, Self.rangeOwner(of: $0.output, graph, consumers, readsInFloat)) })
    let ranges = ranges(of: Set(owners.values), statistics)
    for node in graph.nodes {
      plan.arithmetic[node.name] = necessary.contains(node.name) ? .float : Self.arithmetic(of: node)
      let owner = owners[node.output]
      let range = owner.flatMap { ranges[$0] } ?? QuantizationParameters(scale: 1, zeroPoint: 0)
      let activation = activation(
        of: node, readsInFloat, plan, statistics, range: range, isItsOwn: owner == node.output,
        hasOwnRange: node.op.quantizationRule == .ownRange || necessary.contains(node.name))
      plan.activations[node.output] =
        switch readsRemainder[node.output] {
        case nil: activation
        case .byAll?: activation.withRemainder(rangeMethod: .minMax, statistics.histograms[node.output])
        case .bySome?: activation.withRemainder()
        }
    }
    return plan
  }

  static let readInFloat = "only read in float, so it is stored without rounding"

  private func ranges(
    of values: Set<ValueID>, _ statistics: ActivationStatistics
  ) -> [ValueID: QuantizationParameters] {
    let values = values.sorted()
    let found = ThreadTeam(count: min(threads, values.count)).map(values.count) {
      statistics.histograms[values[$0]]?.parameters(rangeMethod)
    }
    return zip(values, found).reduce(into: [:]) { $0[$1.0] = $1.1 }
  }

  /// Who reads a value's remainders.
  private enum RemainderReaders { case byAll, bySome }

  /// The values that are added to others, by makers that can keep what rounding to 8 bits leaves over.
  private static func valuesReadWithRemainder(
    _ graph: Graph, _ consumers: [ValueID: [Int]]
  ) -> [ValueID: RemainderReaders] {
    var result: [ValueID: RemainderReaders] = [:]
    for node in graph.nodes where type(of: node.op).remainderRule == .made {
      if let convolution = node.op as? Convolution,
        convolution.isDepthwise(weight: node.constants["weight"]?.shape ?? [])
      {
        continue
      }
      let reads = (consumers[node.output] ?? []).flatMap { reader in
        let reader = graph.nodes[reader]
        return reader.inputs.indices.filter { reader.inputs[$0] == node.output }
          .map { reader.op.readsRemainder(ofInput: $0) }
      }
      if reads.contains(true) { result[node.output] = reads.contains(false) ? .bySome : .byAll }
    }
    return result
  }

  private static func arithmetic(of node: Node) -> QuantizationPlan.Arithmetic {
    switch node.op.quantizationRule {
    case .ownRange, .sameAsInput: .int8
    case .floatWithInt8Weights: .int8Weights
    case .float: .float
    }
  }

  /// The value whose range a value takes: that of the concatenation or clip which alone reads it, so that it is rounded
  /// once, to the levels it ends up with, and copied; otherwise its own.
  private static func rangeOwner(
    of value: ValueID, _ graph: Graph, _ consumers: [ValueID: [Int]], _ readsInFloat: Set<ValueID>
  ) -> ValueID {
    var value = value
    while let readers = consumers[value], readers.count == 1,
      graph.nodes[readers[0]].op is Concatenation || type(of: graph.nodes[readers[0]].op).saturates,
      !readsInFloat.contains(graph.nodes[readers[0]].output), !graph.outputs.contains(where: { $0.value == value })
    {
      value = graph.nodes[readers[0]].output
    }
    return value
  }

  private func activation(
    of node: Node, _ readsInFloat: Set<ValueID>, _ plan: QuantizationPlan, _ statistics: ActivationStatistics,
    range: QuantizationParameters, isItsOwn: Bool, hasOwnRange: Bool
  ) -> QuantizationPlan.Activation {
    let histogram = statistics.histograms[node.output]
    let observed = histogram.flatMap { $0.minimum <= $0.maximum ? $0.minimum...$0.maximum : nil }
    func decide(_ format: ValueFormat, _ reason: String) -> QuantizationPlan.Activation {
      QuantizationPlan.Activation(name: node.name, format: format, observed: observed, reason: reason)
    }
    switch hasOwnRange ? .ownRange : node.op.quantizationRule {
    case .float, .floatWithInt8Weights:
      return decide(.float32, "\(node.kind) computes in float")
    case .sameAsInput:
      let format = plan.activations[node.inputs[0]]?.format.withoutRemainder ?? .float32
      return decide(format, "\(node.kind) keeps its input's format")
    case .ownRange:
      if readsInFloat.contains(node.output) {
        return decide(.float32, Self.readInFloat)
      }
      return decide(
        .uint8(range), isItsOwn ? rangeMethod.name : "\(rangeMethod.name), of what alone reads it")
    }
  }
}
