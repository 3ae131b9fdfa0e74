import Calibration
import Graphs
import Operators
import Tensors
import Threads

/// Chooses the formats of a folded float graph from the activations that calibration saw.
package struct QuantizationPlanner: Sendable {
  /// How ranges are chosen.
  package var rangeMethod: RangeMethod

  /// The number of threads that search ranges.
  private let threads: Int

  /// - Parameters:
  ///   - rangeMethod: how ranges are chosen.
  ///   - threads: the number of threads that search ranges.
  package init(rangeMethod: RangeMethod = .meanSquaredError, threads: Int = 1) {
    self.rangeMethod = rangeMethod
    self.threads = threads
  }

  /// The values whose statistics `plan` needs: the outputs of operators that get a range of their own, and of those
  /// that cannot keep their input's.
  package static func observedValues(in graph: Graph) -> [ValueID] {
    let float = FloatLayers.necessary(in: graph)
    return graph.nodes.filter {
      $0.op.quantizationRule == .calibratedRange || float.contains($0.name) || $0.traits.saturates
    }.map(\.output)
  }

  /// A plan for a graph. Nodes that int8 arithmetic cannot compute (`FloatLayers.necessary`) compute in float.
  ///
  /// - Parameters:
  ///   - graph: a folded float graph.
  ///   - statistics: those of `observedValues(in:)`.
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
    case .calibratedRange, .sameAsInput: .int8
    case .floatWithInt8Weights: .int8Weights
    case .float: .float
    }
  }

  /// The parameters that the range method chooses for some values, with histograms clamped to `limits` where there are
  /// any.
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

/// The formats of a graph's values: which values share a range, which have remainders, and which are read in float.
private struct ValueRanges {
  private let planner: QuantizationPlanner
  private let graph: Graph
  private let statistics: ActivationStatistics
  private let readsInFloat: Set<ValueID>
  private let remainderReaders: [ValueID: RemainderReaders]
  /// The value whose range each value takes.
  private let owners: [ValueID: ValueID]
  private let ranges: [ValueID: QuantizationParameters]

  /// Whether all readers of a value read its remainder, or only some.
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
        ($0.op.quantizationRule == .calibratedRange || necessary.contains($0.name)) && !readsInFloat.contains($0.output)
      }.map { ($0.output, Self.rangeOwner(of: $0.output, graph, consumers, readsInFloat)) })
    ranges = planner.parameters(of: Set(owners.values), statistics) { Self.responsiveRange(of: $0, graph, consumers) }
  }

  /// - Parameter inputFormat: the format of the node's first input.
  func value(of node: Node, inputFormat: ValueFormat, isNecessary: Bool) -> QuantizationPlan.Value {
    let value = valueWithoutRemainder(of: node, inputFormat: inputFormat, isNecessary: isNecessary)
    guard case .uint8(let parameters) = value.format, let readers = remainderReaders[node.output] else { return value }
    var result = value
    if readers == .all, let histogram = statistics.histograms[node.output] {
      // A range that is only read with remainders need not be narrow.
      result.format = .uint8WithRemainder(histogram.parameters(.minMax))
      result.reason = "\(RangeMethod.minMax.name), with remainders: only sums read it"
    } else {
      result.format = .uint8WithRemainder(parameters)
      result.reason += "; with remainders for the sums that read it"
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
    switch isNecessary ? .calibratedRange : node.op.quantizationRule {
    case .float, .floatWithInt8Weights: return decide(.float32, "\(node.kind) computes in float")
    case .sameAsInput: return decide(inputFormat.withoutRemainder, "\(node.kind) keeps its input's format")
    case .calibratedRange:
      if readsInFloat.contains(node.output) { return decide(.float32, FloatLayers.reasonForFloatValue) }
      let owner = owners[node.output]
      let range = owner.flatMap { ranges[$0] } ?? QuantizationParameters(scale: 1, zeroPoint: 0)
      let method = planner.rangeMethod.name
      return decide(.uint8(range), owner == node.output ? method : "\(method), for its only reader")
    }
  }

  /// The values that are added to others, from producers that can store remainders.
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

  /// The range outside which the outputs of a value's readers hardly change; `nil` where one of them has no such range.
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

  /// The value whose range a value takes: that of the concatenation or clip which is its only reader, so that it is
  /// rounded once, to the final levels, and copied; otherwise the value itself.
  private static func rangeOwner(
    of value: ValueID, _ graph: Graph, _ consumers: [ValueID: [Int]], _ readsInFloat: Set<ValueID>
  ) -> ValueID {
    var value = value
    while let readers = consumers[value], readers.count == 1 {
      let reader = graph.nodes[readers[0]]
      guard reader.traits.combination == .concatenation || reader.traits.saturates,
        !readsInFloat.contains(reader.output), !graph.outputs.contains(where: { $0.value == value })
      else { break }
      value = reader.output
    }
    return value
  }
}
