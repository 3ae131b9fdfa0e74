import Calibration
import Graphs
import Tensors

/// Plans 16-bit inputs: activations that convolutions read with the remainders of their rounding, as 16 bits instead of
/// 8. Weights, and so the package's bytes, stay the same; each such convolution makes two passes over its weights.
/// Conversions to float read remainders at no cost.
package struct WideReading: Sendable {
  /// An activation and the layers that would read it as 16 bits.
  package struct Candidate: Sendable, Hashable {
    /// The activation.
    package let value: ValueID
    /// The name of the node that produces it.
    package let name: String
    /// The names of the layers that can read it as 16 bits; empty where only conversions to float do.
    package let readers: [String]
    /// The power of the rounding error that 16 bits remove, divided by the power of the activation: step² / 12 over
    /// E[x²].
    package let noise: Double

    /// The same activation, read as 16 bits by some of the layers only.
    package func read(by layers: Set<String>) -> Candidate {
      Candidate(value: value, name: name, readers: readers.filter(layers.contains), noise: noise)
    }
  }

  private let graph: Graph
  private let statistics: ActivationStatistics
  private let producers: [ValueID: Int]
  private let consumers: [ValueID: [Int]]

  /// The headroom of a range that is only read as 16 bits, relative to the values that calibration saw. It costs two
  /// of the 16 bits and leaves room for images unlike those of calibration.
  private static let headroom: Float = 4

  /// - Parameters:
  ///   - graph: the float graph that plans are for.
  ///   - statistics: the activations that calibration saw.
  package init(_ graph: Graph, _ statistics: ActivationStatistics) {
    (self.graph, self.statistics) = (graph, statistics)
    (producers, consumers) = (graph.producers, graph.consumers)
  }

  /// The activations that could be read as 16 bits and are not in a plan, in order of execution.
  package func candidates(in plan: QuantizationPlan) -> [Candidate] {
    let origins = Origins(self, plan)
    return graph.nodes.compactMap { node -> Candidate? in
      guard let origin = origins.origin(of: node.output), let parameters = origins.format(of: origin).quantization,
        let power = statistics.histograms[origin]?.meanSquare, power > 0
      else { return nil }
      let readers = (consumers[node.output] ?? []).map { graph.nodes[$0] }
      let wideReaders = readers.filter {
        $0.inputs[0] == node.output && $0.traits.canReadRemainder && plan.layers[$0.name]?.arithmetic == .int8
      }
      let isConverted =
        origins.format(of: node.output).isPlainUInt8 && readers.contains { plan.readsConverted($0, graph) }
      guard !wideReaders.isEmpty || isConverted else { return nil }
      let step = Double(parameters.scale)
      return Candidate(
        value: node.output, name: node.name, readers: wideReaders.map(\.name), noise: step * step / 12 / power)
    }
  }

  /// A plan with some candidates read as 16 bits, and all values that they come from stored as 16 bits. An activation
  /// that no layer reads as 8 bits any more need not have a narrow range, and gets the range that calibration saw with
  /// `headroom`.
  ///
  /// - Parameters:
  ///   - candidates: of `candidates(in:)` for the same plan.
  ///   - plan: the plan to change.
  package func widening(_ candidates: some Sequence<Candidate>, in plan: QuantizationPlan) -> QuantizationPlan {
    var result = plan
    let origins = Origins(self, plan)
    var wide: Set<ValueID> = []
    for candidate in candidates {
      origins.collect(candidate.value, into: &wide)
      for reader in candidate.readers {
        result.layers[reader]?.arithmetic = .int8WideInput
        result.layers[reader]?.reason = "reads \(candidate.name) as 16 bits"
      }
    }
    guard !wide.isEmpty else { return result }
    for node in graph.nodes where wide.contains(node.output) {
      if let parameters = plan.values[node.name]?.format.quantization {
        result.values[node.name]?.format = .uint8WithRemainder(parameters)
      }
    }
    for node in graph.nodes where origins.origin(of: node.output) == node.output {
      if case .uint8WithRemainder? = result.values[node.name]?.format { growRange(of: node, in: &result) }
    }
    return result
  }

  /// Gives a value, and those selected from it, the whole range if all their readers read remainders.
  private func growRange(of maker: Node, in plan: inout QuantizationPlan) {
    guard let old = plan.values[maker.name]?.format.quantization,
      let seen = statistics.histograms[maker.output], seen.minimum <= seen.maximum
    else { return }
    let new = QuantizationParameters(covering: Self.headroom * seen.minimum, Self.headroom * seen.maximum)
    guard new != old else { return }
    var group = [maker]
    var next = 0
    while next < group.count {
      let value = group[next].output
      next += 1
      if graph.outputs.contains(where: { $0.value == value }) { return }
      for index in consumers[value] ?? [] {
        let node = graph.nodes[index]
        if plan.readsConverted(node, graph) { continue }
        // A concatenation gives its inputs a range of its own.
        if node.traits.combination == .concatenation { return }
        for slot in node.inputs.indices where node.inputs[slot] == value {
          if !readsRemainder(node, slot, plan) { return }
        }
        if type(of: node.op).remainderRule == .passedOn { group.append(node) }
      }
    }
    if maker.traits.combination == .concatenation, !plan.keepsFloat(maker) {
      // Values that were given the range of the concatenation; one that keeps its input's range has it by chance.
      group += maker.inputs.compactMap { producers[$0].map { graph.nodes[$0] } }.filter {
        plan.values[$0.name]?.format.quantization == old && consumers[$0.output]?.count == 1
          && $0.op.quantizationRule != .sameAsInput
      }
    }
    for node in group {
      let isWide = plan.values[node.name]?.format.isPlainUInt8 == false
      plan.values[node.name]?.format = isWide ? .uint8WithRemainder(new) : .uint8(new)
    }
  }

  private func readsRemainder(_ node: Node, _ slot: Int, _ plan: QuantizationPlan) -> Bool {
    if node.op.readsRemainder(ofInput: slot) { return true }
    if slot == 0, plan.layers[node.name]?.arithmetic == .int8WideInput { return true }
    guard type(of: node.op).remainderRule == .passedOn, case .uint8WithRemainder? = plan.values[node.name]?.format
    else { return false }
    return true
  }

  /// The values at which values of a planned graph are rounded.
  private struct Origins {
    private let graph: Graph
    private let producers: [ValueID: Int]
    private let plan: QuantizationPlan
    private let formats: [ValueFormat]

    init(_ reading: WideReading, _ plan: QuantizationPlan) {
      (graph, producers, self.plan) = (reading.graph, reading.producers, plan)
      formats = plan.formats(in: reading.graph)
    }

    func format(of value: ValueID) -> ValueFormat { formats[value.index] }

    /// The remainder rule of a node. A node that computes in float is followed by a conversion, which computes
    /// remainders.
    private func rule(_ node: Node) -> RemainderRule {
      plan.keepsFloat(node) ? .made : type(of: node.op).remainderRule
    }

    /// The value at which a uint8 value was rounded: itself, or the one it is selected from; `nil` where the remainder
    /// cannot be stored.
    func origin(of value: ValueID) -> ValueID? {
      guard let index = producers[value], format(of: value).quantization != nil else { return nil }
      let node = graph.nodes[index]
      switch rule(node) {
      case .never: return nil
      case .made: return value
      case .passedOn:
        if node.traits.combination == .concatenation {
          return node.inputs.allSatisfy { format(of: $0).quantization != nil } ? value : nil
        }
        return origin(of: node.inputs[0])
      }
    }

    /// Adds a value and those that it comes from, as far as their remainders can be stored.
    func collect(_ value: ValueID, into wide: inout Set<ValueID>) {
      guard origin(of: value) != nil, wide.insert(value).inserted, let index = producers[value] else { return }
      guard rule(graph.nodes[index]) == .passedOn else { return }
      for input in graph.nodes[index].inputs { collect(input, into: &wide) }
    }
  }
}

extension ActivationHistogram {
  /// The mean of the squares, with values assumed to be uniform inside a bin.
  var meanSquare: Double {
    let (sum, count) = occupied.reduce(into: (0.0, 0.0)) { total, bin in
      let (a, b) = (bin.lower, bin.upper)
      total.0 += bin.count * (a * a + a * b + b * b) / 3
      total.1 += bin.count
    }
    return count > 0 ? sum / count : 0
  }
}
