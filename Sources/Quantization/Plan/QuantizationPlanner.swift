import Calibration
import Graphs
import Operators
import Tensors
import Threads

/// Decides the formats of a folded float graph from what calibration saw.
package struct QuantizationPlanner: Sendable {
  package var rangeMethod: RangeMethod

  /// That search ranges at the same time.
  private let threads: Int

  package init(rangeMethod: RangeMethod = .meanSquaredError, threads: Int = 1) {
    self.rangeMethod = rangeMethod
    self.threads = threads
  }

  /// The values whose statistics `plan` needs: outputs of operators that get a range of their own, and of those that cannot
  /// keep their input's.
  package static func observedValues(in graph: Graph) -> [ValueID] {
    let float = FloatLayers.necessary(in: graph)
    return graph.nodes.filter {
      $0.op.quantizationRule == .ownRange || float.contains($0.name) || $0.traits.saturates
    }.map(\.output)
  }

  /// Nodes that int8 arithmetic cannot compute (`FloatLayers.necessary`) are planned to compute in float.
  package func plan(_ graph: Graph, statistics: ActivationStatistics) -> QuantizationPlan {
    var plan = QuantizationPlan(rangeMethod: rangeMethod)
    let necessary = FloatLayers.necessary(in: graph)
    let ranges = ValueRanges(self, graph, statistics, necessary: necessary)
    var formats = [ValueFormat](repeating: .float32, count: graph.valueCount)
    formats[graph.input.index] = QuantizationPlan.inputFormat
    for node in graph.nodes {
      let isNecessary = necessary.contains(node.name)
      plan.layers[node.name] = .init(
        isNecessary ? .float : Self.arithmetic(of: node),
        reason: isNecessary ? "int8 arithmetic cannot compute it" : nil)
      let value = ranges.value(of: node, inputFormat: formats[node.inputs[0].index], isNecessary: isNecessary)
      plan.values[node.name] = value
      formats[node.output.index] = value.format
    }
    return plan
  }

  private static func arithmetic(of node: Node) -> QuantizationPlan.Arithmetic {
    switch node.op.quantizationRule {
    case .ownRange, .sameAsInput: .int8
    case .floatWithInt8Weights: .int8Weights
    case .float: .float
    }
  }

  /// The parameters that the range method chooses for some values.
  fileprivate func parameters(
    of values: Set<ValueID>, _ statistics: ActivationStatistics, within limits: (ValueID) -> ClosedRange<Double>?
  ) -> [ValueID: QuantizationParameters] {
    let values = values.sorted()
    let limits = values.map(limits)
    let found = ThreadTeam(count: min(threads, values.count)).map(values.count) { index in
      statistics.histograms[values[index]].map { histogram in
        (limits[index].map(histogram.clamped) ?? histogram).parameters(rangeMethod)
      }
    }
    return zip(values, found).reduce(into: [:]) { $0[$1.0] = $1.1 }
  }
}

/// How the values of a graph are held: which values share a range, who reads what is left over, and what is read in float.
private struct ValueRanges {
  private let planner: QuantizationPlanner
  private let graph: Graph
  private let statistics: ActivationStatistics
  private let readsInFloat: Set<ValueID>
  private let remainderReaders: [ValueID: RemainderReaders]
  /// The value whose range a value takes.
  private let owners: [ValueID: ValueID]
  private let ranges: [ValueID: QuantizationParameters]

  /// Who reads a value's remainders.
  private enum RemainderReaders { case all, some }

  init(
    _ planner: QuantizationPlanner, _ graph: Graph, _ statistics: ActivationStatistics, necessary: Set<String>
  ) {
    (self.planner, self.graph, self.statistics) = (planner, graph, statistics)
    let consumers = graph.consumers
    let readsInFloat = FloatLayers.valuesReadInFloat(graph, consumers, kept: necessary)
    self.readsInFloat = readsInFloat
    remainderReaders = Self.valuesReadWithRemainder(graph, consumers)
    owners = Dictionary(
      uniqueKeysWithValues: graph.nodes.filter {
        ($0.op.quantizationRule == .ownRange || necessary.contains($0.name)) && !readsInFloat.contains($0.output)
      }.map { ($0.output, Self.rangeOwner(of: $0.output, graph, consumers, readsInFloat)) })
    ranges = planner.parameters(of: Set(owners.values), statistics) { Self.responsiveRange(of: $0, graph, consumers) }
  }

  /// - Parameter inputFormat: how the node's first input is held.
  func value(of node: Node, inputFormat: ValueFormat, isNecessary: Bool) -> QuantizationPlan.Value {
    let value = valueWithoutRemainder(of: node, inputFormat: inputFormat, isNecessary: isNecessary)
    guard case .uint8(let parameters) = value.format, let readers = remainderReaders[node.output] else { return value }
    var result = value
    if readers == .all, let histogram = statistics.histograms[node.output] {
      // A range that is only read with remainders need not be narrow.
      result.format = .uint8WithRemainder(histogram.parameters(.minMax))
      result.reason = "\(RangeMethod.minMax.name), with remainders: it is only added"
    } else {
      result.format = .uint8WithRemainder(parameters)
      result.reason += "; with remainders for what adds it"
    }
    return result
  }

  private func valueWithoutRemainder(
    of node: Node, inputFormat: ValueFormat, isNecessary: Bool
  ) -> QuantizationPlan.Value {
    let histogram = statistics.histograms[node.output]
    let observed = histogram.flatMap { $0.minimum <= $0.maximum ? $0.minimum...$0.maximum : nil }
    func decide(_ format: ValueFormat, _ reason: String) -> QuantizationPlan.Value {
      QuantizationPlan.Value(format: format, observed: observed, reason: reason)
    }
    switch isNecessary ? .ownRange : node.op.quantizationRule {
    case .float, .floatWithInt8Weights: return decide(.float32, "\(node.kind) computes in float")
    case .sameAsInput: return decide(inputFormat.withoutRemainder, "\(node.kind) keeps its input's format")
    case .ownRange:
      if readsInFloat.contains(node.output) { return decide(.float32, FloatLayers.reasonForFloatValue) }
      let owner = owners[node.output]
      let range = owner.flatMap { ranges[$0] } ?? QuantizationParameters(scale: 1, zeroPoint: 0)
      let method = planner.rangeMethod.name
      return decide(.uint8(range), owner == node.output ? method : "\(method), of what alone reads it")
    }
  }

  /// The values that are added to others, by makers that can keep what rounding to 8 bits leaves over.
  private static func valuesReadWithRemainder(
    _ graph: Graph, _ consumers: [ValueID: [Int]]
  ) -> [ValueID: RemainderReaders] {
    var result: [ValueID: RemainderReaders] = [:]
    for node in graph.nodes where type(of: node.op).remainderRule == .made && node.traits.keepsRemainderForSums {
      let reads = (consumers[node.output] ?? []).flatMap { reader in
        let reader = graph.nodes[reader]
        return reader.inputs.indices.filter { reader.inputs[$0] == node.output }
          .map { reader.op.readsRemainder(ofInput: $0) }
      }
      if reads.contains(true) { result[node.output] = reads.contains(false) ? .some : .all }
    }
    return result
  }

  /// What the readers of a value tell apart of it; `nil` where one of them tells all values apart.
  private static func responsiveRange(
    of value: ValueID, _ graph: Graph, _ consumers: [ValueID: [Int]]
  ) -> ClosedRange<Double>? {
    guard let readers = consumers[value], !graph.outputs.contains(where: { $0.value == value }) else { return nil }
    let ranges = readers.map { graph.nodes[$0].traits.responsiveRange }
    return ranges.dropFirst().reduce(ranges[0]) { whole, range in
      guard let whole, let range else { return nil }
      return min(whole.lowerBound, range.lowerBound)...max(whole.upperBound, range.upperBound)
    }
  }

  /// The value whose range a value takes: that of the concatenation or clip which alone reads it, so that it is rounded
  /// once, to the levels it ends up with, and copied; otherwise its own.
  private static func rangeOwner(
    of value: ValueID, _ graph: Graph, _ consumers: [ValueID: [Int]], _ readsInFloat: Set<ValueID>
  ) -> ValueID {
    var value = value
    while let readers = consumers[value], readers.count == 1 {
      let reader = graph.nodes[readers[0]]
      guard reader.traits.combination == .sideBySide || reader.traits.saturates,
        !readsInFloat.contains(reader.output), !graph.outputs.contains(where: { $0.value == value })
      else { break }
      value = reader.output
    }
    return value
  }
}
