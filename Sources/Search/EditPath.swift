import Graphs
import Quantization

/// The edits of a plan in the order in which a search takes them, each of which holds something more precisely: activations
/// that are read as 16 bits, which cost time; when there are no more of these, layers kept in float with weights of 16 bits,
/// which cost bytes, too; and then the same layers with weights of float32.
public struct EditPath: Sendable {
  /// The float graph.
  let graph: Graph
  /// Before the first edit.
  public let base: QuantizationPlan
  private let reading: WideReading
  private let imageSize: Int
  /// Taken first.
  public let candidates: [WideReading.Candidate]
  /// Taken after all candidates; empty until they are ranked.
  public internal(set) var ranking: [RankedLayer] = []

  /// - Parameters:
  ///   - base: the plan of a float graph.
  ///   - reading: what can be read as 16 bits there.
  ///   - imageSize: an image's side that the graph takes.
  public init(
    _ graph: Graph, _ base: QuantizationPlan, _ reading: WideReading, imageSize: Int
  ) throws(GraphError) {
    (self.graph, self.base, self.reading, self.imageSize) = (graph, base, reading, imageSize)
    candidates = try reading.candidates(in: base, imageSize: imageSize)
  }

  /// Edits that there are, of those that are ranked.
  var count: Int { candidates.count + 2 * ranking.count }

  /// The ends of the three kinds of edits.
  var ends: [Int] { [candidates.count, candidates.count + ranking.count, count] }

  /// Whether layers are kept in float after some edits that need not be.
  public func keepsFloat(after edits: Int) -> Bool { edits > candidates.count }

  /// The plan after the first edits.
  public func plan(after edits: Int) throws(GraphError) -> QuantizationPlan {
    guard edits > candidates.count else { return reading.widening(candidates.prefix(edits), in: base) }
    let kept = ranking.prefix(edits - candidates.count)
    let fullCount = max(0, edits - candidates.count - ranking.count)
    var plan = base
    plan.keepFloat(
      Dictionary(
        kept.enumerated().map { ($1.name, $1.layer($0 < fullCount ? .float : .int16Weights)) },
        uniquingKeysWith: { first, _ in first }), in: graph)
    // Some activations are not rounded any more.
    return reading.widening(try reading.candidates(in: plan, imageSize: imageSize), in: plan)
  }

  /// Bytes, before compression, that each edit adds from one number of edits to another.
  func addedBytes(_ edits: Range<Int>) -> [Int] {
    edits.map { edit in
      if edit < candidates.count { return 0 }
      let position = edit - candidates.count
      return ranking[position % max(ranking.count, 1)].weightCount * (position < ranking.count ? 1 : 2)
    }
  }
}

/// A layer that can be kept in float, and what its rounded weights do to embeddings.
public struct RankedLayer: Sendable, Hashable {
  public let name: String
  /// Weights, each of which takes a byte more as int16, and three more as float32.
  public let weightCount: Int
  /// The mean drift that its rounded weights cause, about.
  public let drift: Double
  /// Why the layer is kept in float, where it is.
  public let reason: String

  public init(name: String, weightCount: Int, drift: Double, reason: String) {
    (self.name, self.weightCount, self.drift, self.reason) = (name, weightCount, drift, reason)
  }

  func layer(_ arithmetic: QuantizationPlan.Arithmetic) -> QuantizationPlan.Layer { .init(arithmetic, reason: reason) }

  /// In the order in which they are taken: those first that cause the most drift for a byte; of equals the earlier.
  public static func ranked(_ layers: [RankedLayer]) -> [RankedLayer] {
    layers.enumerated().sorted { a, b in
      let (x, y) = (a.element.drift * Double(b.element.weightCount), b.element.drift * Double(a.element.weightCount))
      return x != y ? x > y : a.offset < b.offset
    }.map(\.element)
  }
}
