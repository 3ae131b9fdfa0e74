import CKernels
import Tensors
import Threads

/// Queries that are multiplied with the gallery together, and the requests for them.
final class QueryGroup: Sendable {
  /// The number of queries whose embeddings are interleaved in the packed form.
  static let panelSize = 16

  /// A row of the gallery whose rank is requested.
  struct Target: Sendable {
    let row: RankedSearch.Neighbour
    /// Its place among the query's targets, as they were given.
    let place: Int
  }

  /// The number of queries.
  let count: Int
  /// The length of an embedding.
  let dimensions: Int
  /// The targets of all queries: those of a query one after another, in the order in which they rank.
  let targets: [Target]
  /// The similarities of `targets`.
  let levels: [Float]
  /// Where the targets of a query start in `targets`; one more than there are queries.
  let starts: [Int]
  /// The rows that each query ignores, in ascending order.
  let ignored: [[Int]]
  /// How many ignored rows rank before, between and after targets, as `FoundInGroup.counts` has it for all rows.
  private let ignoredCounts: [Int]
  /// The embeddings as quern_fgemm.h packs them.
  private let packed: Tensor
  /// Zeros: quern_fgemm.h adds a bias.
  private let bias: [Float]

  /// - Parameters:
  ///   - range: the rows of `queries` that make up this group.
  ///   - requests: one for each of them.
  init(
    queries: EmbeddingMatrix, range: Range<Int>, requests: ArraySlice<RankedSearch.Request>, gallery: EmbeddingMatrix,
    kernel: quern_fgemm_kernel, team: ThreadTeam
  ) {
    let (count, dimensions) = (range.count, queries.dimensions)
    (self.count, self.dimensions) = (count, dimensions)
    let packed = Tensor(shape: [quern_fgemm_packed_count(count, 1, dimensions)], of: Float.self) { target in
      queries.withElements { elements in
        guard let source = elements.baseAddress, let target = target.baseAddress else { return }
        quern_fgemm_pack(source + range.lowerBound * dimensions, count, 1, dimensions, target)
      }
    }
    let requests = Array(requests)
    let ignored = requests.map { $0.ignored.distinctInOrder() }
    let known = KnownSimilarities(
      rows: zip(requests, ignored).map { ($0.targets + $1).distinctInOrder() }, packed: packed, gallery: gallery,
      kernel: kernel, team: team)
    var (targets, starts) = ([Target](), [0])
    let sorted = team.map(requests.count) { query in
      requests[query].targets.enumerated()
        .map { Target(row: known.neighbour($1, query: query), place: $0) }
        .sorted { $0.row != $1.row ? $0.row.precedes($1.row) : $0.place < $1.place }
    }
    for own in sorted {
      targets += own
      starts.append(targets.count)
    }
    (self.targets, self.starts, self.ignored, self.packed) = (targets, starts, ignored, packed)
    let levels = targets.map(\.row.similarity)
    self.levels = levels
    bias = [Float](repeating: 0, count: (count + Self.panelSize - 1) / Self.panelSize * Self.panelSize)
    var ignoredCounts = [Int](repeating: 0, count: targets.count + count)
    for (query, ignored) in ignored.enumerated() {
      let own = targets[starts[query]..<starts[query + 1]]
      for index in ignored {
        let row = known.neighbour(index, query: query)
        ignoredCounts[query + own.bisect { row.precedes($0.row) }] += 1
      }
    }
    self.ignoredCounts = ignoredCounts
  }

  /// Whether a query ignores a row of the gallery.
  func ignores(_ index: Int, query: Int) -> Bool {
    let own = ignored[query]
    let place = own.bisect { $0 >= index }
    return place < own.count && own[place] == index
  }

  /// The inner products of the queries with rows of the gallery.
  ///
  /// - Parameters:
  ///   - input: the rows, [rows, D].
  ///   - output: [rows, stride]; the first `count` columns are written.
  func multiply(
    _ input: UnsafePointer<Float>, rows: Int, output: UnsafeMutablePointer<Float>, stride: Int,
    kernel: quern_fgemm_kernel
  ) {
    bias.withUnsafeBufferPointer { bias in
      packed.withElements(as: Float.self) { weights in
        var arguments = quern_fgemm_args()
        arguments.input = input
        (arguments.rows, arguments.taps, arguments.tap_elements) = (rows, 1, dimensions)
        (arguments.input_stride, arguments.output_stride) = (dimensions, stride)
        (arguments.weights, arguments.bias) = (weights.baseAddress, bias.baseAddress)
        (arguments.output, arguments.output_channels) = (output, count)
        kernel.run(&arguments)
      }
    }
  }

  /// Puts together what the workers found.
  func answers(_ parts: [FoundInGroup]) -> [RankedSearch.Answer] {
    (0..<count).map { query in
      let own = targets[starts[query]..<starts[query + 1]]
      var (ranks, similarities) = ([Int](repeating: 0, count: own.count), [Float](repeating: 0, count: own.count))
      var before = 0
      for (position, target) in own.enumerated() {
        // There is one more place than targets in each query, for the rows after the last one.
        let counter = starts[query] + query + position
        before += parts.reduce(0) { $0 + $1.counts[counter] } - ignoredCounts[counter]
        ranks[target.place] = before
        similarities[target.place] = target.row.similarity
      }
      var merged = FirstNeighbours(limit: parts.first?.first[query].limit ?? 0)
      for part in parts { for neighbour in part.first[query].sorted { merged.insert(neighbour) } }
      return RankedSearch.Answer(ranks: ranks, similarities: similarities, first: merged.sorted)
    }
  }
}

/// The similarities of chosen rows of the gallery, which are needed before others can be counted.
private struct KnownSimilarities {
  /// For each panel of queries, the rows in ascending order, and their similarities to the panel's queries.
  private let panels: [(rows: [Int], similarities: [Float])]
  private static let size = QueryGroup.panelSize

  /// - Parameter rows: for each query.
  init(rows: [[Int]], packed: Tensor, gallery: EmbeddingMatrix, kernel: quern_fgemm_kernel, team: ThreadTeam) {
    let bias = [Float](repeating: 0, count: Self.size)
    panels = team.map((rows.count + Self.size - 1) / Self.size) { panel in
      let first = panel * Self.size
      // Queries next to each other often have targets in common, such as images of one class.
      let union = Array(rows[first..<min(first + Self.size, rows.count)].joined()).distinctInOrder()
      return (union, Self.similarities(union, panel: panel, packed: packed, bias: bias, gallery: gallery, kernel))
    }
  }

  /// [rows, panel size]
  private static func similarities(
    _ rows: [Int], panel: Int, packed: Tensor, bias: [Float], gallery: EmbeddingMatrix, _ kernel: quern_fgemm_kernel
  ) -> [Float] {
    let dimensions = gallery.dimensions
    return [Float](unsafeUninitializedCapacity: rows.count * size) { output, initialized in
      output.initialize(repeating: 0)
      initialized = rows.count * size
      bias.withUnsafeBufferPointer { bias in
        packed.withElements(as: Float.self) { weights in
          gallery.withElements { elements in
            guard let weights = weights.baseAddress, let elements = elements.baseAddress,
              let output = output.baseAddress
            else { return }
            var arguments = quern_fgemm_args()
            (arguments.taps, arguments.tap_elements) = (1, dimensions)
            (arguments.input_stride, arguments.output_stride) = (dimensions, size)
            (arguments.weights, arguments.bias) = (weights + panel * size * dimensions, bias.baseAddress)
            arguments.output_channels = size
            var start = 0
            while start < rows.count {
              // Rows next to each other in the gallery are multiplied in one call.
              var end = start + 1
              while end < rows.count, rows[end] == rows[end - 1] + 1 { end += 1 }
              arguments.rows = end - start
              arguments.input = elements + rows[start] * dimensions
              arguments.output = output + start * size
              kernel.run(&arguments)
              start = end
            }
          }
        }
      }
    }
  }

  /// - Parameters:
  ///   - index: one of the rows that were given for the query.
  ///   - query: counts from the start of the group.
  func neighbour(_ index: Int, query: Int) -> RankedSearch.Neighbour {
    let (rows, similarities) = panels[query / Self.size]
    let place = rows.bisect { $0 >= index }
    return RankedSearch.Neighbour(index: index, similarity: similarities[place * Self.size + query % Self.size])
  }
}

extension [Int] {
  /// The distinct elements in ascending order. Lists in ascending order, and several of them one after another, are
  /// sorted faster than a set is made of them.
  fileprivate func distinctInOrder() -> [Int] {
    let sorted = self.sorted()
    return sorted.indices.compactMap { $0 > 0 && sorted[$0 - 1] == sorted[$0] ? nil : sorted[$0] }
  }
}

extension RandomAccessCollection where Index == Int {
  /// The first index from which on all elements belong to the second part, if those of the first part come first.
  fileprivate func bisect(_ isInSecond: (Element) -> Bool) -> Int {
    var (low, high) = (startIndex, endIndex)
    while low < high {
      let middle = low + (high - low) / 2
      if isInSecond(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
