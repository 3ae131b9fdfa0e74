import Calibration
import Graphs
import Quantization
import Tensors

/// How far the ranges that a planner chooses depend on which images it saw.
struct RangeAgreement {
  private let graph: Graph
  private let plan: QuantizationPlan

  /// - Parameters:
  ///   - graph: folded, float.
  ///   - plan: made from all images; its ranges are what differences are measured by.
  init(_ graph: Graph, _ plan: QuantizationPlan) {
    self.graph = graph
    self.plan = plan
  }

  /// For each quantised value the larger distance of two ranges' ends, by the width of the plan's range.
  func differences(
    between first: [ActivationStatistics], and second: [ActivationStatistics]
  ) -> [ValueID: Double] {
    let (a, b) = (ranges(first), ranges(second))
    var result: [ValueID: Double] = [:]
    for node in graph.nodes where node.op.quantizationRule == .ownRange {
      guard let x = a[node.name], let y = b[node.name], let full = plan.values[node.name]?.format.quantization?.range
      else { continue }
      let width = Double(full.upperBound) - Double(full.lowerBound)
      let distance = max(abs(x.lowerBound - y.lowerBound), abs(x.upperBound - y.upperBound))
      result[node.output] = Double(distance) / width
    }
    return result
  }

  /// By the name of the node that makes the value.
  private func ranges(_ parts: [ActivationStatistics]) -> [String: ClosedRange<Float>] {
    let statistics = parts.reduce(into: ActivationStatistics()) { $0.merge($1) }
    return QuantizationPlanner(rangeMethod: plan.rangeMethod).plan(graph, statistics: statistics)
      .values.compactMapValues { $0.format.quantization?.range }
  }
}
