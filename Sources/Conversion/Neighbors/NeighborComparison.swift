import Fidelity
import NeighbourSearch
import Retrieval
import Threads

/// Searches the images of a verification for each other with the embeddings of both networks, each image being a query
/// that is left out of the gallery, and compares the results.
///
/// N images take 3 N² products, and N² more for each of two passes that a false match rate needs.
struct NeighborComparison {
  private let float, int8: EmbeddingMatrix
  /// The class of each image; `nil` unless there are several.
  private let labels: [Int]?
  /// The images of each class, in ascending order.
  private let members: [Int: [Int]]
  private let team: ThreadTeam

  /// - Parameters:
  ///   - float: the float network's embeddings, [images, D], in the order in which equal similarities rank.
  ///   - int8: the int8 network's, in the same order.
  ///   - labels: the index of each image's class; `nil` if it is not known.
  init(float: EmbeddingMatrix, int8: EmbeddingMatrix, labels: [Int?], threads: Int) {
    (self.float, self.int8) = (float, int8)
    let known = labels.areOfSeveralClasses ? labels.compactMap(\.self) : nil
    self.labels = known
    members = known.map { labels in Dictionary(grouping: labels.indices) { labels[$0] } } ?? [:]
    team = ThreadTeam(count: threads)
  }

  /// What was found by the queries of a group, and by the pairs that start with them.
  private struct Part: Sendable {
    var queries: [NeighborQuery] = []
    var floatMatches = 0
    var floatFalseMatches = 0
    var mixed = Changes()
    var int8 = Changes()

    struct Changes: Sendable {
      var (lost, gained, falseMatches) = (0, 0, 0)

      mutating func add(float: Bool, int8: Bool, isFalse: Bool) {
        lost += float && !int8 ? 1 : 0
        gained += !float && int8 ? 1 : 0
        falseMatches += int8 && isFalse ? 1 : 0
      }
    }
  }

  /// - Throws: `ConversionError.option` for a false match rate where the images are not of several classes;
  ///   `EmbeddingError.dimensions` where the networks have different numbers of dimensions.
  func run(_ rule: DecisionRule?) throws -> (queries: [NeighborQuery], decisions: DecisionFigures?) {
    let rows = try SimilarityRows([
      .init(queries: float, gallery: float), .init(queries: int8, gallery: float), .init(queries: int8, gallery: int8),
    ])
    let threshold = try threshold(rule)
    let parts = rows.parts(team: team, empty: Part()) { part, query, similarities in
      let (float, mixed, int8) = (similarities[0], similarities[1], similarities[2])
      part.queries.append(self.query(query, float, mixed, int8))
      if let threshold { count(&part, query, float, mixed, int8, threshold) }
    }
    return (parts.flatMap(\.queries), threshold.map { decisions(parts, rule, threshold: $0) })
  }

  // MARK: - Neighbours

  private func query(
    _ query: Int, _ float: UnsafeBufferPointer<Float>, _ mixed: UnsafeBufferPointer<Float>,
    _ int8: UnsafeBufferPointer<Float>
  ) -> NeighborQuery {
    let expected = Self.first(float, besides: query)
    var classes: NeighborQuery.Classes?
    if let floatPrecision = precision(query, float), let mixedPrecision = precision(query, mixed),
      let int8Precision = precision(query, int8)
    {
      classes = .init(floatInFloat: floatPrecision, int8InFloat: mixedPrecision, int8InInt8: int8Precision)
    }
    return NeighborQuery(
      agreesInFloat: Self.first(mixed, besides: query) == expected,
      agreesInInt8: Self.first(int8, besides: query) == expected,
      isNearTie: NearTie.isOne(Array(float[..<query]) + float[(query + 1)...]), classes: classes)
  }

  /// The row of the greatest similarity, and of equal ones the first.
  private static func first(_ similarities: UnsafeBufferPointer<Float>, besides query: Int) -> Int? {
    var best: Int?
    var bar = -Float.infinity
    for row in similarities.indices where similarities[row] > bar && row != query {
      (best, bar) = (row, similarities[row])
    }
    return best
  }

  /// - Returns: `nil` where no other image is of the query's class.
  private func precision(_ query: Int, _ similarities: UnsafeBufferPointer<Float>) -> NeighborQuery.Precision? {
    guard let labels, let members = members[labels[query]], members.count > 1 else { return nil }
    func neighbour(_ row: Int) -> RankedSearch.Neighbour { .init(index: row, similarity: similarities[row]) }
    let positives = members.filter { $0 != query }.map(neighbour).sorted { $0.precedes($1) }
    // How many other images come before the first positive, between that and the second, and so on.
    var counts = [Int](repeating: 0, count: positives.count + 1)
    for row in similarities.indices where labels[row] != labels[query] {
      let other = neighbour(row)
      var (low, high) = (0, positives.count)
      while low < high {
        let middle = (low + high) / 2
        if positives[middle].precedes(other) { low = middle + 1 } else { high = middle }
      }
      counts[low] += 1
    }
    var before = 0
    let ranks = positives.indices.map { place in
      before += counts[place]
      return before + place
    }
    return PositiveRanks(ranks).map { .init(isFirst: $0.ranks[0] == 0, average: $0.averagePrecision) }
  }

  // MARK: - Decisions

  private func count(
    _ part: inout Part, _ query: Int, _ float: UnsafeBufferPointer<Float>, _ mixed: UnsafeBufferPointer<Float>,
    _ int8: UnsafeBufferPointer<Float>, _ threshold: Double
  ) {
    for row in float.indices where row != query {
      let isFalse = labels.map { $0[row] != $0[query] } ?? false
      let isMatch = Double(float[row]) >= threshold
      part.mixed.add(float: isMatch, int8: Double(mixed[row]) >= threshold, isFalse: isFalse)
      // Pairs of embeddings of the same network count once.
      guard row > query else { continue }
      part.int8.add(float: isMatch, int8: Double(int8[row]) >= threshold, isFalse: isFalse)
      part.floatMatches += isMatch ? 1 : 0
      part.floatFalseMatches += isMatch && isFalse ? 1 : 0
    }
  }

  private var pairs: Int { float.rows * (float.rows - 1) / 2 }

  /// The number of pairs of different classes.
  private var falsePairs: Int { pairs - members.values.reduce(0) { $0 + $1.count * ($1.count - 1) / 2 } }

  private func decisions(_ parts: [Part], _ rule: DecisionRule?, threshold: Double) -> DecisionFigures {
    func changes(_ changes: KeyPath<Part, Part.Changes>, times ordered: Int) -> DecisionFigures.Changes {
      let all = parts.map { $0[keyPath: changes] }
      return DecisionFigures.Changes(
        pairs: ordered * pairs, lost: all.reduce(0) { $0 + $1.lost }, gained: all.reduce(0) { $0 + $1.gained },
        falseMatchRate: rate(all.reduce(0) { $0 + $1.falseMatches }, of: ordered * falsePairs))
    }
    var given: Double?
    if case .falseMatchRate(let rate) = rule { given = rate }
    return DecisionFigures(
      threshold: threshold, givenFalseMatchRate: given,
      floatMatches: 100 * Double(parts.reduce(0) { $0 + $1.floatMatches }) / Double(pairs),
      floatFalseMatchRate: rate(parts.reduce(0) { $0 + $1.floatFalseMatches }, of: falsePairs),
      int8InFloat: changes(\.mixed, times: 2), int8InInt8: changes(\.int8, times: 1))
  }

  /// In percent; `nil` without classes.
  private func rate(_ matches: Int, of pairs: Int) -> Double? {
    labels.map { _ in 100 * Double(matches) / Double(pairs) }
  }

  private func threshold(_ rule: DecisionRule?) throws -> Double? {
    switch rule {
    case nil: return nil
    case .threshold(let threshold)?: return threshold
    case .falseMatchRate(let rate)?:
      try rule?.checkClasses(labels.map { $0.map(Optional.some) } ?? [], of: "the comparison")
      // As many pairs may match; the first that may not is below the threshold.
      var allowed = Int(rate * Double(falsePairs))
      if Double(allowed + 1) / Double(falsePairs) <= rate { allowed += 1 }
      allowed = min(allowed, falsePairs - 1)
      let rows = try SimilarityRows([.init(queries: float, gallery: float)])
      // By the upper half of the bits of similarities, and then by the lower half of those in the same bin.
      let upper = bin(of: allowed, in: histogram(rows) { UInt16($0 >> 16) })
      let lower = bin(
        of: upper.rest, in: histogram(rows) { $0 >> 16 == UInt32(upper.bin) ? UInt16(truncatingIfNeeded: $0) : nil })
      return Double(Self.similarity(UInt32(upper.bin) << 16 | UInt32(lower.bin)).nextUp)
    }
  }

  /// How many pairs of different classes fall into each of 65,536 bins of the float network's similarities.
  private func histogram(_ rows: SimilarityRows, _ bin: @Sendable (_ key: UInt32) -> UInt16?) -> [Int] {
    let empty = [Int](repeating: 0, count: 1 << 16)
    guard let labels else { return empty }
    let parts = rows.parts(team: team, empty: empty) { counts, query, similarities in
      for row in (query + 1)..<labels.count where labels[row] != labels[query] {
        if let bin = bin(Self.key(similarities[0][row])) { counts[Int(bin)] += 1 }
      }
    }
    return parts.reduce(into: empty) { sum, part in for bin in sum.indices { sum[bin] += part[bin] } }
  }

  /// The bin of the element with a zero-based rank, where the highest bin ranks first, and its rank in the bin.
  private func bin(of rank: Int, in counts: [Int]) -> (bin: Int, rest: Int) {
    var rest = rank
    for bin in counts.indices.reversed() {
      if rest < counts[bin] { return (bin, rest) }
      rest -= counts[bin]
    }
    preconditionFailure("the rank is not below the number of pairs")
  }

  /// A number that grows with the similarity.
  private static func key(_ similarity: Float) -> UInt32 {
    let bits = similarity.bitPattern
    return bits >> 31 == 0 ? bits | 1 << 31 : ~bits
  }

  /// The similarity of a key.
  private static func similarity(_ key: UInt32) -> Float {
    Float(bitPattern: key >> 31 == 1 ? key & ~(1 << 31) : ~key)
  }
}
