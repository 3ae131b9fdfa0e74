import Graphs
import Quantization

/// The edits of a plan in the order in which a search takes them, each of which holds something more precisely: activations
/// that are read as 16 bits, which cost time; when there are no more of these, layers kept in float with weights of 16 bits,
/// which cost bytes, too; and then the same layers with weights of float32.
package struct EditPath: Sendable {
  /// The float graph.
  let graph: Graph
  /// Before the first edit.
  package let base: QuantizationPlan
  private let reading: WideReading
  private let costs: CostTable
  /// Taken first.
  package let candidates: [WideReading.Candidate]
  /// Taken after all candidates; empty until they are ranked.
  package internal(set) var ranking: [RankedLayer] = []

  /// - Parameters:
  ///   - base: the plan of a float graph.
  ///   - reading: what can be read as 16 bits there.
  ///   - costs: of plans of the graph. Activations are taken in the order of the noise that they take off for a millisecond;
  ///     of equals the earlier first.
  package init(_ graph: Graph, _ base: QuantizationPlan, _ reading: WideReading, _ costs: CostTable) {
    (self.graph, self.base, self.reading, self.costs) = (graph, base, reading, costs)
    let priced = reading.candidates(in: base).map { ($0, costs.addedByWideReading($0.readers)) }
    candidates = priced.sorted { a, b in
      let (x, y) = (a.0.noise * b.1, b.0.noise * a.1)
      return x != y ? x > y : a.0.value < b.0.value
    }.map(\.0)
  }

  /// Milliseconds of an image after the first edits.
  func milliseconds(after edits: Int) -> Double { costs.milliseconds(plan(after: edits)) }

  /// The most edits, of those from one number to another, after which an image takes at most so long; `nil` where not one
  /// can be had. Every edit takes time.
  func mostEdits(_ range: ClosedRange<Int>, within limit: Double) -> Int? {
    if milliseconds(after: range.upperBound) <= limit { return range.upperBound }
    var (affordable, tooMuch) = (range.lowerBound, range.upperBound)
    while tooMuch - affordable > 1 {
      let middle = (affordable + tooMuch) / 2
      if milliseconds(after: middle) <= limit { affordable = middle } else { tooMuch = middle }
    }
    return affordable > range.lowerBound ? affordable : nil
  }

  /// The plan with as many activations read as 16 bits as there are, or as an image's time allows.
  ///
  /// - Parameter limit: milliseconds.
  package func allWide(within limit: Double) -> QuantizationPlan {
    plan(after: mostEdits(0...candidates.count, within: limit) ?? 0)
  }

  /// Edits that there are, of those that are ranked.
  var count: Int { candidates.count + 2 * ranking.count }

  /// The ends of the three kinds of edits.
  var ends: [Int] { [candidates.count, candidates.count + ranking.count, count] }

  /// Whether layers are kept in float after some edits that need not be.
  package func keepsFloat(after edits: Int) -> Bool { edits > candidates.count }

  /// The plan after the first edits.
  package func plan(after edits: Int) -> QuantizationPlan {
    guard edits > candidates.count else { return reading.widening(candidates.prefix(edits), in: base) }
    let kept = ranking.prefix(edits - candidates.count)
    let fullCount = max(0, edits - candidates.count - ranking.count)
    var plan = base
    plan.keepFloat(
      Dictionary(
        kept.enumerated().map { ($1.name, $1.layer($0 < fullCount ? .float : .int16Weights)) },
        uniquingKeysWith: { first, _ in first }), in: graph)
    // Some activations are not rounded any more.
    return reading.widening(reading.candidates(in: plan), in: plan)
  }

  /// About halfway, by what edits cost, between two numbers of edits: by bytes where layers are kept in float, and otherwise
  /// by time; `nil` where there is none between.
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

/// A layer that can be kept in float, and what its rounded weights do to embeddings.
package struct RankedLayer: Sendable, Hashable {
  package let name: String
  /// Weights, each of which takes a byte more as int16, and three more as float32.
  package let weightCount: Int
  /// The mean drift that its rounded weights cause, about.
  package let drift: Double
  /// Why the layer is kept in float, where it is.
  package let reason: String

  package init(name: String, weightCount: Int, drift: Double, reason: String) {
    (self.name, self.weightCount, self.drift, self.reason) = (name, weightCount, drift, reason)
  }

  func layer(_ arithmetic: QuantizationPlan.Arithmetic) -> QuantizationPlan.Layer { .init(arithmetic, reason: reason) }

  /// In the order in which they are taken: those first that cause the most drift for a byte; of equals the earlier.
  package static func ranked(_ layers: [RankedLayer]) -> [RankedLayer] {
    layers.enumerated().sorted { a, b in
      let (x, y) = (a.element.drift * Double(b.element.weightCount), b.element.drift * Double(a.element.weightCount))
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }
}
