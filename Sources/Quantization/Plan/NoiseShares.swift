import Calibration
import Graphs
import Operators
import Tensors

/// How much of the noise in a value reaches a network's outputs, as estimated from the powers that calibration saw.
/// Noise is measured relative to the power of the value it is in. Layers pass it on, and a sum takes from each term the
/// noise times the term's share of the sum's power; so the contribution of a small branch to a large map matters
/// little. A term may have more power than the sum, as the activation function removes a part of it. With shares
/// limited to 1, the steps chosen for a trained ResNet-50 of 18 MB caused a third more drift.
struct NoiseShares {
  private let graph: Graph
  private let statistics: ActivationStatistics
  private let producers: [ValueID: Int]
  /// For each value, the relative noise of the outputs divided by that of the value; 0 where nothing reads it.
  private var shares: [Double]

  /// The minimum share that a convolution has in its sum with a residual: the powers before and after an activation
  /// function, which the share is computed from, say little where they are about equal.
  private static let minPart = 0.05

  /// - Parameters:
  ///   - graph: a float graph, with nodes in order of execution.
  ///   - statistics: the activations that calibration saw.
  init(_ graph: Graph, _ statistics: ActivationStatistics) {
    self.graph = graph
    self.statistics = statistics
    producers = graph.producers
    shares = [Double](repeating: 0, count: graph.valueCount)
    for output in graph.outputs { shares[output.value.index] += 1 }
    let channels = Self.channelCounts(graph)
    for node in graph.nodes.reversed() {
      let share = shares[node.output.index]
      for (slot, value) in node.inputs.enumerated() {
        shares[value.index] += share * partOfPower(node, slot, channels)
      }
    }
  }

  subscript(value: ValueID) -> Double { shares[value.index] }

  /// The mean square of a value; `nil` where calibration saw neither the value nor the one it is selected from.
  func power(of value: ValueID) -> Double? {
    var (value, isPositive) = (value, false)
    while true {
      if let histogram = statistics.histograms[value] {
        let power = isPositive ? histogram.meanSquareOfPositive : histogram.meanSquare
        return power > 0 ? power : nil
      }
      guard let index = producers[value], graph.nodes[index].op.quantizationRule == .sameAsInput else { return nil }
      let op = graph.nodes[index].op
      if op.lowerBound(ofInputs: [-.infinity], constants: graph.nodes[index].constants) >= 0 { isPositive = true }
      value = graph.nodes[index].inputs[0]
    }
  }

  /// The relative noise that rounding activations causes in the outputs: the variance of rounding divided by the power,
  /// over the values that convolutions read and sums add without remainders. The share of each is at most 1.
  ///
  /// - Parameter formats: the formats of all values, by a plan.
  func noise(of formats: [ValueFormat]) -> Double {
    let channels = Self.channelCounts(graph)
    return graph.nodes.reduce(0) { sum, node in
      let traits = node.traits
      guard traits.weights == .convolution || traits.combination == .sum else { return sum }
      return node.inputs.indices.reduce(sum) { sum, slot in
        let value = node.inputs[slot]
        let format = formats[value.index]
        guard let step = format.quantization?.scale, value != graph.input,
          format.isPlainUInt8 || !node.op.readsRemainder(ofInput: slot), let power = power(of: value)
        else { return sum }
        let share = min(1, partOfPower(node, slot, channels) * shares[node.output.index])
        return sum + Double(step) * Double(step) / 12 / power * share
      }
    }
  }

  /// The share that an input has in the power of a node's output.
  private func partOfPower(_ node: Node, _ slot: Int, _ channels: [Int?]) -> Double {
    guard let whole = power(of: node.output) else { return 1 }
    func part(_ slot: Int) -> Double { (power(of: node.inputs[slot]) ?? whole) / whole }
    switch node.traits.combination {
    case .first: return 1
    case .sum: return part(slot)
    case .concatenation:
      guard let total = channels[node.output.index], let count = channels[node.inputs[slot].index], total > 0 else {
        return 1
      }
      return part(slot) * Double(count) / Double(total)
    case .residual(let residualSlot):
      guard node.inputs.count > residualSlot else { return 1 }
      return slot == residualSlot ? part(slot) : max(Self.minPart, 1 - part(residualSlot))
    }
  }

  /// The number of channels of each value, where it follows from weights.
  private static func channelCounts(_ graph: Graph) -> [Int?] {
    var result = [Int?](repeating: nil, count: graph.valueCount)
    for node in graph.nodes {
      let inputs = node.inputs.map { result[$0.index] }
      let traits = node.traits
      if traits.weights != .none {
        result[node.output.index] = node.constants["weight"]?.shape.dimensions.first
      } else if traits.combination == .concatenation {
        result[node.output.index] = inputs.reduce(0 as Int?) { sum, count in
          if let sum, let count { sum + count } else { nil }
        }
      } else if case .selected(let channels) = node.op.channelRule(ofInput: 0) {
        result[node.output.index] = channels.count
      } else {
        result[node.output.index] = inputs.first ?? nil
      }
    }
    return result
  }
}

extension ActivationHistogram {
  /// The mean of the squares of values, with negative values counted as 0.
  fileprivate var meanSquareOfPositive: Double {
    let (sum, count) = occupied.reduce(into: (0.0, 0.0)) { total, bin in
      let (a, b) = (max(bin.lower, 0), max(bin.upper, 0))
      total.0 += bin.count * (a * a + a * b + b * b) / 3
      total.1 += bin.count
    }
    return count > 0 ? sum / count : 0
  }
}
