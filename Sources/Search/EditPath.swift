import Graphs
import Quantization

/// The edits of a plan in the order in which a search makes them. Each makes something more precise: first activations
/// are read as 16-bit inputs, which costs time; then layers are kept in float with 16-bit weights, which costs bytes as
/// well; then the same layers get float32 weights.
package struct EditPath: Sendable {
  /// The float graph.
  let graph: Graph
  /// The plan before the first edit.
  package let base: QuantizationPlan
  private let reading: WideReading
  private let costs: CostTable
  /// The activations that can be read as 16-bit inputs, in the order of the edits.
  package let candidates: [WideReading.Candidate]
  /// The layers that can be kept in float, in the order of the edits, which follow those of `candidates`; empty until
  /// they are ranked.
  package internal(set) var ranking: [RankedLayer] = []

  /// - Parameters:
  ///   - graph: the float graph.
  ///   - base: the plan before the first edit.
  ///   - reading: finds the activations that can be read as 16-bit inputs.
  ///   - costs: the costs of the graph's plans. Activations are sorted by the noise that they remove per millisecond,
  ///     largest first; of equals, the earlier in the graph comes first.
  package init(_ graph: Graph, _ base: QuantizationPlan, _ reading: WideReading, _ costs: CostTable) {
    (self.graph, self.base, self.reading, self.costs) = (graph, base, reading, costs)
    let priced = reading.candidates(in: base).map { ($0, costs.addedByWideReading($0.readers)) }
    candidates = priced.sorted { a, b in
      let (x, y) = (a.0.noise * b.1, b.0.noise * a.1)
      return x != y ? x > y : a.0.value < b.0.value
    }.map(\.0)
  }

  /// The estimated milliseconds per image takes after the first `edits` edits.
  func milliseconds(after edits: Int) -> Double { costs.milliseconds(plan(after: edits)) }

  /// The largest number of edits in `range` after which an image takes at most `limit` milliseconds; `nil` if the time
  /// does not allow a single edit after the lower bound. Every edit adds time.
  func maxEdits(_ range: ClosedRange<Int>, within limit: Double) -> Int? {
    if milliseconds(after: range.upperBound) <= limit { return range.upperBound }
    var (affordable, tooMuch) = (range.lowerBound, range.upperBound)
    while tooMuch - affordable > 1 {
      let middle = (affordable + tooMuch) / 2
      if milliseconds(after: middle) <= limit { affordable = middle } else { tooMuch = middle }
    }
    return affordable > range.lowerBound ? affordable : nil
  }

  /// The plan with all activations read as 16-bit inputs, or as many as the time limit allows.
  ///
  /// - Parameter limit: the milliseconds that an image may take.
  package func allWide(within limit: Double) -> QuantizationPlan {
    plan(after: maxEdits(0...candidates.count, within: limit) ?? 0)
  }

  /// The number of edits, without those of layers that are not ranked yet.
  var count: Int { candidates.count + 2 * ranking.count }

  /// The number of edits at the end of each of the three kinds.
  var ends: [Int] { [candidates.count, candidates.count + ranking.count, count] }

  /// Whether the first `edits` edits keep layers in float that the plan before them does not.
  package func keepsFloat(after edits: Int) -> Bool { edits > candidates.count }

  /// The plan after the first `edits` edits.
  package func plan(after edits: Int) -> QuantizationPlan {
    guard edits > candidates.count else { return reading.widening(candidates.prefix(edits), in: base) }
    let kept = ranking.prefix(edits - candidates.count)
    let fullCount = max(0, edits - candidates.count - ranking.count)
    var plan = base
    plan.keepFloat(
      Dictionary(
        kept.enumerated().map { ($1.name, $1.layer($0 < fullCount ? .float : .int16Weights)) },
        uniquingKeysWith: { first, _ in first }), in: graph)
    // The candidates are found anew, as some activations are no longer rounded.
    return reading.widening(reading.candidates(in: plan), in: plan)
  }

  /// The number of edits about halfway between two others by the cost of the edits, which is counted in bytes where
  /// layers are kept in float, and otherwise in time; `nil` if there is no number between them.
  func halfway(_ fewer: Int, _ more: Int) -> Int? {
    let first = keepsFloat(after: more) ? max(fewer, candidates.count) : fewer
    guard more - first > 1 else { return nil }
    let costs = (first..<more).map { edit -> Double in
      if edit < candidates.count { return self.costs.addedByWideReading(candidates[edit].readers) }
      let position = edit - candidates.count
      let layer = ranking[position % ranking.count]
      return Double(layer.weightCount * (position < ranking.count ? 1 : 2))
    }
    let half = costs.reduce(0, +) / 2
    var (edits, spent) = (first, 0.0)
    for cost in costs {
      spent += cost
      if spent > half { break }
      edits += 1
    }
    return min(max(edits, first + 1), more - 1)
  }
}

/// A layer that can be kept in float, with the estimated effect of its rounded weights on embeddings.
package struct RankedLayer: Sendable, Hashable {
  /// The node's name.
  package let name: String
  /// The number of weights. Each takes one byte more as int16 than as int8, and three more as float32.
  package let weightCount: Int
  /// An estimate of the mean drift that the layer's rounded weights cause.
  package let drift: Double
  /// The reason that the plan states if the layer is kept in float.
  package let reason: String

  package init(name: String, weightCount: Int, drift: Double, reason: String) {
    (self.name, self.weightCount, self.drift, self.reason) = (name, weightCount, drift, reason)
  }

  func layer(_ arithmetic: QuantizationPlan.Arithmetic) -> QuantizationPlan.Layer { .init(arithmetic, reason: reason) }

  /// Sorts layers by the drift that their rounded weights cause per byte, largest first; of equals, the earlier comes
  /// first.
  package static func ranked(_ layers: [RankedLayer]) -> [RankedLayer] {
    layers.enumerated().sorted { a, b in
      let (x, y) = (a.element.drift * Double(b.element.weightCount), b.element.drift * Double(a.element.weightCount))
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }
}
