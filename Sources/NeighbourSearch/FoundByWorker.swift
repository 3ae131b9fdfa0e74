import CKernels

/// What one worker found, and its memory for similarities.
final class FoundByWorker {
  private let groups: [QueryGroup]
  private let limit: Int
  private var found: [FoundInGroup?]
  private var similarities: [Float] = []

  /// - Parameter first: how many neighbours are requested for each query.
  init(groups: [QueryGroup], first: Int) {
    self.groups = groups
    limit = first
    found = groups.map { _ in nil }
  }

  /// `nil` if this worker searched nothing for the group.
  func found(inGroup number: Int) -> FoundInGroup? { found[number] }

  /// Multiplies some rows of a block with the queries of a group, counts them and keeps the first ones.
  ///
  /// - Parameters:
  ///   - number: the number of the group.
  ///   - firstIndex: the number of the first of `rows` in the whole gallery.
  func search(
    _ group: QueryGroup, number: Int, block: EmbeddingMatrix, rows: Range<Int>, firstIndex: Int,
    kernel: quern_fgemm_kernel
  ) {
    let part = found[number] ?? FoundInGroup(group, limit: limit)
    found[number] = part
    // A line more than needed, so that the columns of a query do not fall into few sets of the cache.
    let stride = (group.count + 15) / 16 * 16 + 16
    if similarities.count < rows.count * stride { similarities = [Float](repeating: 0, count: rows.count * stride) }
    similarities.withUnsafeMutableBufferPointer { output in
      block.withElements { elements in
        guard let input = elements.baseAddress, let output = output.baseAddress else { return }
        group.multiply(
          input + rows.lowerBound * block.dimensions, rows: rows.count, output: output, stride: stride, kernel: kernel)
        for query in 0..<group.count {
          part.add(
            UnsafePointer(output) + query, stride: stride, rows: rows.count, firstIndex: firstIndex, query: query)
        }
      }
    }
  }
}

/// What one worker found for a group of queries.
final class FoundInGroup {
  private let group: QueryGroup
  /// For each query, how many rows rank before its first target, between that and the second, and so on, and after the
  /// last: one counter more than it has targets.
  private(set) var counts: [Int]
  /// For each query.
  private(set) var first: [FirstNeighbours]

  init(_ group: QueryGroup, limit: Int) {
    self.group = group
    counts = [Int](repeating: 0, count: group.targets.count + group.count)
    first = [FirstNeighbours](repeating: FirstNeighbours(limit: limit), count: group.count)
  }

  /// Counts the rows of a chunk for one query, and keeps the first ones.
  ///
  /// - Parameters:
  ///   - similarities: those of the rows, `stride` apart.
  ///   - firstIndex: the number of the first row in the whole gallery.
  func add(_ similarities: UnsafePointer<Float>, stride: Int, rows: Int, firstIndex: Int, query: Int) {
    let targets = group.starts[query]..<group.starts[query + 1]
    if !targets.isEmpty {
      group.levels.withUnsafeBufferPointer { levels in
        counts.withUnsafeMutableBufferPointer { counts in
          let levels = UnsafeBufferPointer(rebasing: levels[targets])
          let counts = UnsafeMutableBufferPointer(rebasing: counts[(targets.lowerBound + query)...])
          for row in 0..<rows {
            let similarity = similarities[row * stride]
            var place = Self.countOfGreater(levels, than: similarity)
            // Equal similarities rank by index. Most often there is one, but all rows may be equal: steps that double,
            // and then bisection.
            func precedesOrIsRow(_ place: Int) -> Bool {
              levels[place] == similarity
                && group.targets[targets.lowerBound + place].row.index <= firstIndex + row
            }
            if place < levels.count, precedesOrIsRow(place) {
              var step = 1
              while place + step < levels.count, precedesOrIsRow(place + step) {
                place += step
                step *= 2
              }
              var end = min(place + step, levels.count)
              while end - place > 1 {
                let middle = place + (end - place) / 2
                if precedesOrIsRow(middle) { place = middle } else { end = middle }
              }
              place = end
            }
            counts[place] += 1
          }
        }
      }
    }
    var bar = first[query].bar
    for row in 0..<rows where similarities[row * stride] >= bar {
      let index = firstIndex + row
      if group.ignores(index, query: query) { continue }
      first[query].insert(RankedSearch.Neighbour(index: index, similarity: similarities[row * stride]))
      bar = first[query].bar
    }
  }

  /// How many of the levels, which descend, are greater than a similarity: by bisection without
  /// branches that depend on it.
  @inline(__always)
  private static func countOfGreater(_ levels: UnsafeBufferPointer<Float>, than similarity: Float) -> Int {
    var (base, left) = (0, levels.count)
    while left > 1 {
      let half = left / 2
      base += levels[base + half - 1] > similarity ? half : 0
      left -= half
    }
    return base + (levels[base] > similarity ? 1 : 0)
  }
}

/// The rows that rank first among those inserted.
struct FirstNeighbours {
  let limit: Int
  /// No row of a lower similarity ranks first.
  private(set) var bar: Float
  /// The first `limit` rows, and others that were inserted since they were last put in order.
  private var rows: [RankedSearch.Neighbour] = []

  init(limit: Int) {
    self.limit = limit
    bar = limit > 0 ? -.infinity : .infinity
  }

  /// The first rows in order.
  var sorted: [RankedSearch.Neighbour] { Array(rows.sorted { $0.precedes($1) }.prefix(limit)) }

  mutating func insert(_ row: RankedSearch.Neighbour) {
    guard limit > 0 else { return }
    rows.append(row)
    guard rows.count >= 2 * limit else { return }
    rows = sorted
    bar = rows[limit - 1].similarity
  }
}
