import CKernels
import Kernels
import Threads

/// Exact search by inner product: the ranks of chosen gallery embeddings for each query, and the first neighbours.
///
/// The gallery is a matrix in memory, which contains the chosen embeddings, followed by any number of blocks, such as
/// distractors from a file. Rows are numbered in this order. They rank by similarity, the greatest first, and equal
/// ones by number; rows that a query ignores are left out.
///
/// A similarity is the sum that quern_fgemm.h defines, so that it is the same bits whatever the blocks, the number of
/// threads, and the processor. Memory depends on the queries and their targets, with about 70 bytes for
/// each of these, and not on the number of blocks.
package final class RankedSearch {
  /// What the search finds out for one query.
  package struct Request: Sendable {
    /// The rows of the gallery matrix whose ranks are requested.
    package var targets: [Int]
    /// The rows of the gallery matrix that this query leaves out. A target among them has the rank that it would have.
    package var ignored: [Int]

    package init(targets: [Int] = [], ignored: [Int] = []) {
      self.targets = targets
      self.ignored = ignored
    }
  }

  /// A gallery row that was found.
  package struct Neighbour: Sendable, Hashable {
    /// The number of the row, where blocks continue the numbers of the matrix.
    package let index: Int
    /// The inner product.
    package let similarity: Float

    package init(index: Int, similarity: Float) {
      self.index = index
      self.similarity = similarity
    }

    /// Whether this one ranks before another.
    package func precedes(_ other: Neighbour) -> Bool {
      similarity != other.similarity ? similarity > other.similarity : index < other.index
    }
  }

  /// What was found for one query.
  package struct Answer: Sendable, Hashable {
    /// For each target, in the order given, the number of rows that rank before it.
    package let ranks: [Int]
    /// The similarities of the targets, in the same order.
    package let similarities: [Float]
    /// The first rows, in order; fewer where the gallery has fewer.
    package let first: [Neighbour]

    package init(ranks: [Int], similarities: [Float], first: [Neighbour]) {
      self.ranks = ranks
      self.similarities = similarities
      self.first = first
    }
  }

  /// The number of queries that are multiplied with a chunk of the gallery at once: their packed form, of some MB,
  /// stays in the caches that processors share.
  private static let groupSize = 512

  private let groups: [QueryGroup]
  private let dimensions: Int
  private let team: ThreadTeam
  private let kernel: quern_fgemm_kernel
  private let found: WorkerLocal<FoundByWorker>
  private var rowCount = 0

  /// Searches the gallery matrix.
  ///
  /// - Parameters:
  ///   - queries: [queries, D].
  ///   - requests: one for each query. Traps unless its numbers are those of rows of `gallery`.
  ///   - gallery: the matrix with the targets, [rows, D].
  ///   - first: how many neighbours are requested for each query.
  ///   - team: the threads, which no other loop may use until the answers are there.
  ///   - kernels: those of this machine; all give the same bits.
  /// - Throws: `EmbeddingError.dimensions` if the queries have another D than the gallery.
  package init(
    queries: EmbeddingMatrix, requests: [Request], gallery: EmbeddingMatrix, first: Int, team: ThreadTeam,
    kernels: KernelSet = KernelSet()
  ) throws(EmbeddingError) {
    precondition(requests.count == queries.rows, "\(requests.count) requests for \(queries.rows) queries")
    precondition(first >= 0, "the number of neighbours is negative")
    let known = 0..<gallery.rows
    precondition(
      requests.allSatisfy { $0.targets.allSatisfy(known.contains) && $0.ignored.allSatisfy(known.contains) },
      "a target or an ignored row is none of the gallery's \(gallery.rows)")
    guard queries.dimensions == gallery.dimensions else {
      throw .dimensions(expected: queries.dimensions, found: gallery.dimensions)
    }
    let kernel = kernels.fgemm
    let count = (queries.rows + Self.groupSize - 1) / Self.groupSize
    let groups = (0..<count).map { group in
      // Spread evenly in whole panels, so that no group is too small to be fast.
      let panels = (queries.rows + QueryGroup.panelSize - 1) / QueryGroup.panelSize
      let start = panels * group / count * QueryGroup.panelSize
      let end = min(panels * (group + 1) / count * QueryGroup.panelSize, queries.rows)
      return QueryGroup(
        queries: queries, range: start..<end, requests: requests[start..<end], gallery: gallery, kernel: kernel,
        team: team)
    }
    (self.groups, self.team, self.kernel, dimensions) = (groups, team, kernel, queries.dimensions)
    found = WorkerLocal { FoundByWorker(groups: groups, first: first) }
    try add(gallery)
  }

  /// Searches more of the gallery.
  ///
  /// - Parameter block: [rows, D], which get the numbers after those of all rows before.
  /// - Throws: `EmbeddingError.dimensions` if the block has another D than the queries.
  package func add(_ block: EmbeddingMatrix) throws(EmbeddingError) {
    guard block.dimensions == dimensions else {
      throw .dimensions(expected: dimensions, found: block.dimensions)
    }
    // As many rows as the kernels multiply at once with all queries.
    let chunk = min(max(48, 1 << 16 / dimensions), 192)
    let chunks = (block.rows + chunk - 1) / chunk
    team.forEach(groups.count * chunks) { item, worker in
      let (group, start) = (item / chunks, item % chunks * chunk)
      let rows = start..<min(start + chunk, block.rows)
      found[worker].search(
        groups[group], number: group, block: block, rows: rows, firstIndex: rowCount + start, kernel: kernel)
    }
    rowCount += block.rows
  }

  /// The answers of all rows so far, in the order of the queries.
  package func answers() -> [Answer] {
    let parts = found.all
    return groups.indices.flatMap { group in
      groups[group].answers(parts.compactMap { $0.found(inGroup: group) })
    }
  }
}
