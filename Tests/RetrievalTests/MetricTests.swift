import Fidelity
import Retrieval
import Testing

/// Measures against values that were computed by hand or by other programs.
@Suite struct MetricTests {
  /// The values are those of revisitop's compute_ap and of scikit-learn's average_precision_score.
  @Test(arguments: [
    ([0, 3], 0.7083333333333333, 0.75), ([1], 0.25, 0.5), ([0], 1, 1), ([0, 1, 2], 1, 1),
    ([3, 0], 0.7083333333333333, 0.75), ([9], 0.05, 0.1),
  ])
  func averagePrecision(ranks: [Int], trapezoids: Double, standard: Double) throws {
    let positives = try #require(PositiveRanks(ranks))
    #expect(abs(positives.averagePrecision - trapezoids) < 1e-15)
    #expect(abs(positives.standardAveragePrecision - standard) < 1e-15)
  }

  @Test func aQueryWithoutPositivesHasNoMeasures() { #expect(PositiveRanks([]) == nil) }

  @Test func recallAndPrecision() throws {
    let positives = try #require(PositiveRanks([0, 3, 4, 11]))
    #expect([1, 2, 5].map(positives.recall) == [1, 1, 1])
    #expect([1, 4, 5, 12, 100].map(positives.found) == [1, 2, 3, 4, 4])
    // Precision at 100 counts the images up to the last positive.
    #expect([1, 5, 10, 100].map(positives.precision) == [1, 0.6, 0.3, 4.0 / 12])
    let late = try #require(PositiveRanks([2]))
    #expect([1, 2, 3].map(late.recall) == [0, 0, 1])
    #expect([1, 10].map(late.precision) == [0, 1.0 / 3])
  }

  /// The other grade is taken out before ranks count.
  @Test func gradedProtocols() throws {
    let query = RetrievalQuery(
      name: "q", source: .image(TaskImage(name: "q", path: nil)), easy: [1, 4], hard: [2, 3], ignored: [0, 4])
    #expect((query.easy, query.hard, query.ignored) == ([1], [2, 3], [0, 4]))
    let ranks = [2, 0, 5]
    #expect(PositiveRanks(ranks, of: query, in: .easy)?.ranks == [1])
    #expect(PositiveRanks(ranks, of: query, in: .medium)?.ranks == [0, 2, 5])
    #expect(PositiveRanks(ranks, of: query, in: .hard)?.ranks == [0, 4])
    let result = QueryResult(of: query, in: [.easy, .hard], ranks: ranks, first: [])
    #expect(result.measures[.easy] == PositiveRanks([1]).map(QueryResult.Measures.init))
    #expect(result.measures[.hard] == PositiveRanks([0, 4]).map(QueryResult.Measures.init))
    #expect(result.measures[.medium] == nil)
    let none = RetrievalQuery(name: "q", source: .gallery(0), easy: [1])
    #expect(PositiveRanks([3], of: none, in: .hard) == nil)
    #expect(QueryResult(of: none, in: [.hard], ranks: [3], first: []).measures.isEmpty)
  }

  @Test func figuresLeaveOutQueriesWithoutPositives() throws {
    let queries = [[1], [], [1]].map { RetrievalQuery(name: "q", source: .gallery(0), easy: $0) }
    let results = zip(queries, [[0], [], [1]]).map { QueryResult(of: $0, in: [.all], ranks: $1, first: []) }
    let figures = try #require(RetrievalFigures(.all, results))
    #expect(figures.queries == 2)
    #expect((figures.map.value, figures.standardMap.value) == (62.5, 75))
    #expect(figures.recall.map(\.value) == [50, 100, 100])
    #expect(figures.fourRecall.value == 1)
    #expect(RetrievalFigures(.all, [results[1]]) == nil)
  }

  @Test func bootstrapIsDeterministicAndCoversTheMean() throws {
    let values = (0..<200).map { Double(($0 * 37) % 101) }
    let first = try #require(Bootstrap.means([values, values.map { 2 * $0 }]))
    let second = try #require(Bootstrap.means([values, values]))
    #expect(first[0] == second[0] && second[0] == second[1])
    let interval = try #require(first[0].interval)
    #expect(interval.low < first[0].value && first[0].value < interval.high)
    // The normal approximation: 1.96 standard errors.
    let mean = first[0].value
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 199).squareRoot()
    let half = 1.96 * deviation / 200.0.squareRoot()
    #expect(abs((interval.high - interval.low) / 2 - half) < 0.1 * half)
    #expect(Bootstrap.means([[Double]()]) == nil)
    #expect(Bootstrap.means([[3]])?[0].interval == nil)
  }

  /// The bounds were computed by a program of Python that adds up one column after the other.
  @Test func bootstrapOfManyColumnsIsThatOfEach() throws {
    let columns = (0..<9).map { column in (0..<60).map { Double(($0 * 37 + column) % 101) / 7 } }
    let together = try #require(Bootstrap.means(columns))
    #expect(together == columns.compactMap { Bootstrap.means([$0])?[0] })
    let interval = try #require(together[0].interval)
    #expect((interval.low, interval.high) == (6.021309523809523, 8.145297619047618))
  }

  @Test func classHitsBreakTiesByIndex() {
    let logits: [Float] = [1, 3, 3, 0, 3, 3, 3]
    #expect(ClassHit(label: 1, logits: logits[...]).top1)
    #expect(!ClassHit(label: 2, logits: logits[...]).top1 && ClassHit(label: 2, logits: logits[...]).top5)
    #expect(ClassHit(label: 6, logits: logits[...]).top5 && !ClassHit(label: 0, logits: logits[...]).top5)
  }

  @Test func comparisonOrdersChangesByDropAndName() {
    let images = ["a", "b", "c", "d"].map { TaskImage(name: $0, path: nil) }
    let queries = images.indices.map {
      RetrievalQuery(name: images[$0].name, source: .gallery($0), easy: [($0 + 1) % 4])
    }
    let task = RetrievalTask(set: "groups", images: images, queries: queries)
    func results(_ ranks: [Int]) -> [QueryResult] {
      zip(queries, ranks).map { QueryResult(of: $0, in: [.all], ranks: [$1], first: []) }
    }
    let comparison = ModelComparison(task, results([0, 0, 1, 0]), results([1, 1, 0, 0]))
    #expect((comparison.worse, comparison.better, comparison.unchanged) == (2, 1, 1))
    #expect(comparison.changes.map(\.query) == ["a", "b", "c"])
    #expect(comparison.mapDrop?.value == 18.75)
    #expect(comparison.top1Drop == nil)
  }

  /// A missing figure fails its gate, and an interval that contains the limit is inconclusive.
  @Test func gates() {
    let interval = ConfidenceInterval(low: 0.2, high: 0.8)
    func gate(_ value: Estimate?) -> EvaluationGate { EvaluationGate(.mapDrop, model: "m", value: value, limit: 0.5) }
    #expect(gate(Estimate(0.4, interval)).passed && gate(Estimate(0.4, interval)).verdict == .inconclusive)
    #expect(!gate(nil).passed && gate(nil).verdict == .fail)
    #expect(gate(Estimate(0.5, nil)).verdict == .pass && gate(Estimate(0.6, nil)).verdict == .fail)
  }
}
