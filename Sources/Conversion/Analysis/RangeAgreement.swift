import Calibration
import Graphs
import Quantization
import Tensors

/// Measures how much the ranges that a planner chooses depend on the choice of calibration images.
struct RangeAgreement {
  private let graph: Graph
  private let plan: QuantizationPlan

  /// - Parameters:
  ///   - graph: the folded float graph.
  ///   - plan: the plan from all images, whose ranges are the unit of the differences.
  init(_ graph: Graph, _ plan: QuantizationPlan) {
    self.graph = graph
    self.plan = plan
  }

  /// For each quantised value, the distance between the ranges from two sets of statistics: the larger of the distances
  /// of their ends, divided by the width of the plan's range.
  func differences(
    between first: [ActivationStatistics], and second: [ActivationStatistics]
  ) -> [ValueID: Double] {
    let (a, b) = (ranges(first), ranges(second))
    var result: [ValueID: Double] = [:]
    for node in graph.nodes where node.op.quantizationRule == .calibratedRange {
      guard let x = a[node.name], let y = b[node.name], let full = plan.values[node.name]?.format.quantization?.range
      else { continue }
      let width = Double(full.upperBound) - Double(full.lowerBound)
      let distance = max(abs(x.lowerBound - y.lowerBound), abs(x.upperBound - y.upperBound))
      result[node.output] = Double(distance) / width
    }
    return result
  }

  /// The ranges of quantised values, by the name of the node whose output the value is.
  private func ranges(_ parts: [ActivationStatistics]) -> [String: ClosedRange<Float>] {
    let statistics = parts.reduce(into: ActivationStatistics()) { $0.merge($1) }
    return QuantizationPlanner(rangeMethod: plan.rangeMethod).plan(graph, statistics: statistics)
      .values.compactMapValues { $0.format.quantization?.range }
  }
}
