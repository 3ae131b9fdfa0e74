import Kernels
import NeighbourSearch
import ReferenceOperators
import Tensors
import Testing
import Threads

@Suite struct RankedSearchTests {
  /// A search, and its answers by sorting all similarities.
  private struct Problem {
    let dimensions: Int
    let queries: [[Float]]
    let gallery: [[Float]]
    let requests: [RankedSearch.Request]
    let blocks: [[[Float]]]
    let first: Int

    init(seed: Int) throws {
      var random = SplitMix64(seed: UInt64(seed))
      let dimensions = random.pick([1, 2, 7, 64, 65, 200])
      var made: [[Float]] = []
      /// New rows and copies of earlier ones, so that there are ties, also with queries.
      func rows(_ count: Int) throws -> [[Float]] {
        for _ in 0..<count {
          if !made.isEmpty, random.int(0...2) == 0 {
            made.append(random.pick(made))
          } else {
            let row = random.floats(dimensions, -1...1).map { $0 == 0 ? 1 : $0 }
            made.append(try EmbeddingMatrix(row, dimensions: dimensions)[0])
          }
        }
        return Array(made.suffix(count))
      }
      queries = try rows(random.pick([1, 3, 16, 17, 70]))
      let galleryCount = random.pick([0, 1, 5, 60, 300])
      gallery = try rows(galleryCount)
      blocks = try (0..<random.int(0...3)).map { _ in try rows(random.pick([0, 1, 50, 130])) }
      first = random.pick([0, 1, 5, 1000])
      requests = queries.map { _ in
        func some(_ limit: Int) -> [Int] {
          galleryCount == 0 ? [] : (0..<random.int(0...limit)).map { _ in random.int(0...galleryCount - 1) }
        }
        return RankedSearch.Request(targets: some(random.pick([1, 4, 40])), ignored: some(random.pick([1, 20])))
      }
      self.dimensions = dimensions
    }

    var answers: [RankedSearch.Answer] {
      let all = gallery + blocks.joined()
      return zip(queries, requests).map { query, requests in
        let similarities = all.map { Self.product(query, $0) }
        let order = all.indices.sorted {
          similarities[$0] != similarities[$1] ? similarities[$0] > similarities[$1] : $0 < $1
        }
        let ignored = Set(requests.ignored)
        return RankedSearch.Answer(
          ranks: requests.targets.map { target in order.prefix { $0 != target }.count { !ignored.contains($0) } },
          similarities: requests.targets.map { similarities[$0] },
          first: order.filter { !ignored.contains($0) }.prefix(first).map {
            RankedSearch.Neighbour(index: $0, similarity: similarities[$0])
          })
      }
    }

    /// In the order that quern_fgemm.h defines.
    private static func product(_ a: [Float], _ b: [Float]) -> Float {
      var total: Float = 0
      for start in stride(from: 0, to: a.count, by: 64) {
        var sum: Float = 0
        for index in start..<min(start + 64, a.count) { sum.addProduct(a[index], b[index]) }
        total += sum
      }
      return total
    }
  }

  @Test(arguments: 0..<300) func equalsSorting(seed: Int) throws {
    let problem = try Problem(seed: seed)
    let expected = problem.answers
    func matrix(_ rows: [[Float]]) throws -> EmbeddingMatrix {
      try EmbeddingMatrix(Array(rows.joined()), dimensions: problem.dimensions)
    }
    for (features, threads) in [(CPUFeatures.current, 1 + seed % 3), ([], 1)] {
      let search = try RankedSearch(
        queries: matrix(problem.queries), requests: problem.requests, gallery: matrix(problem.gallery),
        first: problem.first, team: ThreadTeam(count: threads), kernels: KernelSet(features: features))
      for block in problem.blocks { try search.add(matrix(block)) }
      #expect(search.answers() == expected)
    }
  }

  @Test func manyQueriesAreSearchedInGroups() throws {
    var random = SplitMix64(seed: 7)
    let rows = try EmbeddingMatrix(random.floats(1100 * 3, -1...1), dimensions: 3)
    let search = try RankedSearch(
      queries: rows, requests: (0..<1100).map { RankedSearch.Request(targets: [$0]) }, gallery: rows, first: 1,
      team: ThreadTeam(count: 2))
    let answers = search.answers()
    for (query, answer) in answers.enumerated() {
      #expect(answer.first[0].similarity >= answer.similarities[0])
      #expect((answer.ranks[0] == 0) == (answer.first[0].index == query))
      #expect(abs(answer.similarities[0] - 1) < 1e-6)
    }
  }

  @Test func refusesOtherDimensions() throws {
    let (two, three) = (try EmbeddingMatrix([1, 0], dimensions: 2), try EmbeddingMatrix([1, 0, 0], dimensions: 3))
    let team = ThreadTeam(count: 1)
    #expect(throws: EmbeddingError.dimensions(expected: 2, found: 3)) {
      _ = try RankedSearch(queries: two, requests: [.init()], gallery: three, first: 1, team: team)
    }
    let search = try RankedSearch(queries: two, requests: [.init()], gallery: two, first: 1, team: team)
    #expect(throws: EmbeddingError.dimensions(expected: 2, found: 3)) { try search.add(three) }
  }
}

@Suite struct EmbeddingMatrixTests {
  @Test func rowsAreNormalized() throws {
    let matrix = try EmbeddingMatrix([3, 4, 0.6, 0.8, -1e-30, 0, 3e38, 3e38], dimensions: 2)
    #expect(matrix.normalizedRows == 3)
    #expect(
      (0..<4).map { matrix[$0] }
        == [[0.6, 0.8], [0.6, 0.8], [-1, 0], [Float(0.5.squareRoot()), Float(0.5.squareRoot())]])
  }

  @Test func otherTypesAreConverted() throws {
    #expect(try EmbeddingMatrix(Tensor([0.6, 0.8], shape: [1, 2]) as Tensor)[0] == [0.6, 0.8])
    #expect(throws: EmbeddingError.self) { _ = try EmbeddingMatrix(Tensor([1 as Int32, 0], shape: [1, 2])) }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity]) func refusesWhatIsNotFinite(value: Float) throws {
    var elements = [Float](repeating: 1, count: 3000)
    elements[2500] = value
    #expect(throws: EmbeddingError.notFinite(row: 2)) { _ = try EmbeddingMatrix(elements, dimensions: 1000) }
  }

  @Test func refusesZeros() throws {
    #expect(throws: EmbeddingError.zero(row: 1)) { _ = try EmbeddingMatrix([1, 0, 0, 0], dimensions: 2) }
  }

  @Test func refusesOtherShapes() throws {
    #expect(throws: EmbeddingError.self) { _ = try EmbeddingMatrix([1, 0, 0], dimensions: 2) }
    #expect(throws: EmbeddingError.self) { _ = try EmbeddingMatrix([], dimensions: 0) }
    #expect(throws: EmbeddingError.self) { _ = try EmbeddingMatrix(Tensor([1 as Float], shape: [1])) }
  }
}
