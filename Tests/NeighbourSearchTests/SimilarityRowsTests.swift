import Kernels
import NeighbourSearch
import ReferenceOperators
import Testing
import Threads

@Suite struct SimilarityRowsTests {
  /// The bits are those of the search, for each of several galleries, and do not depend on which row is the query.
  @Test(arguments: [(1, 1, 3), (1, 5, 64), (17, 40, 7), (130, 130, 200), (250, 97, 65)])
  func similaritiesAreThoseOfTheSearch(queries: Int, rows: Int, dimensions: Int) throws {
    var random = SplitMix64(seed: UInt64(queries))
    func matrix(_ rows: Int) throws -> EmbeddingMatrix {
      try EmbeddingMatrix(random.floats(rows * dimensions, -1...1), dimensions: dimensions)
    }
    let asked = try (matrix(queries), matrix(queries))
    let galleries = try (matrix(rows), matrix(rows))
    let products = [(asked.0, galleries.0), (asked.1, galleries.0), (asked.1, galleries.1)]
    let expected = try products.map { queries, gallery in
      let search = try RankedSearch(
        queries: queries, requests: (0..<queries.rows).map { _ in .init(targets: Array(0..<rows)) }, gallery: gallery,
        first: 0, team: ThreadTeam(count: 1))
      return search.answers().map(\.similarities)
    }
    for threads in [1, 3] {
      let similarities = try SimilarityRows(products.map { .init(queries: $0, gallery: $1) })
      let parts = similarities.parts(team: ThreadTeam(count: threads), empty: [(Int, [[Float]])]()) {
        $0.append(($1, $2.map(Array.init)))
      }
      let found = parts.flatMap(\.self)
      #expect(found.map(\.0) == Array(0..<queries))
      for (query, rows) in found { #expect(rows == expected.map { $0[query] }) }
    }
    let reversed = try SimilarityRows([.init(queries: galleries.0, gallery: asked.0)])
    let columns = reversed.parts(team: ThreadTeam(count: 1), empty: [[Float]]()) { $0.append(Array($2[0])) }.flatMap(
      \.self)
    for query in 0..<queries { #expect(columns.map { $0[query] } == expected[0][query]) }
  }

  @Test func embeddingsOfDifferentNetworksAreRefused() throws {
    let (a, b) = (try EmbeddingMatrix([1, 0], dimensions: 2), try EmbeddingMatrix([1, 0, 0], dimensions: 3))
    #expect(throws: EmbeddingError.dimensions(expected: 2, found: 3)) {
      try SimilarityRows([.init(queries: a, gallery: b)])
    }
  }
}
