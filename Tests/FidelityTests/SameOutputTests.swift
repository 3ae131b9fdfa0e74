import Fidelity
import FidelitySamples
import Testing

/// Outputs that are the same, and embeddings that are much the same for all images.
@Suite struct SameOutputTests {
  private static func vector(_ seed: UInt64) -> [Float] {
    var random = SeededGenerator(state: seed)
    return (0..<48).map { _ in .random(in: -1...1, using: &random) }
  }

  @Test(arguments: [1, 2, 0.1, 3, 1000, 1e-20, 1.7] as [Float])
  func aScaleMakesNoDifference(factor: Float) {
    for seed in 1...8 as ClosedRange<UInt64> {
      let vector = Self.vector(seed)
      let scaled = vector.map { $0 * factor }
      #expect(areSame(vector[...], scaled[...]) && areSame(scaled[...], vector[...]), "seed \(seed)")
      #expect(!areSame(vector[...], scaled.map { -$0 }[...]), "seed \(seed)")
      #expect(!areSame(vector[...], scaled.dropLast()), "seed \(seed)")
      var other = scaled
      other[7] *= 1.0001
      #expect(!areSame(vector[...], other[...]), "seed \(seed)")
    }
  }

  @Test func oneBitMakesADifference() {
    let vector = Self.vector(1)
    for index in vector.indices {
      var other = vector
      other[index] = other[index].nextUp
      #expect(!areSame(vector[...], other[...]), "\(index)")
    }
    #expect(areSame([.nan, 0], [.nan, 0]) && !areSame([0, 0], [0, 1]) && areSame([0, 0], [0, 0]))
  }

  /// A hundred images of six classes; quantised embeddings are twice the float ones.
  private static func comparisons(differing: Int = 0, answer: (Int) -> Int = { $0 }) throws -> [ImageComparison] {
    try (0..<100).map { index in
      let embedding = [1, Float(index)]
      let quantized: [Float] = [2, 2 * Float(index) + (index < differing ? 0.001 : 0)]
      return try ImageComparison(
        name: "\(index)", referenceEmbedding: embedding, quantizedEmbedding: quantized,
        referenceLogits: varied(answer(index)), quantizedLogits: varied(answer(index)))
    }
  }

  @Test(arguments: [(0, GateResult.Verdict.inconclusive), (1, .pass)])
  func outputsThatAreTheSameProveNothing(differing: Int, verdict: GateResult.Verdict) throws {
    let report = try Sample.report(Self.comparisons(differing: differing))
    #expect(report.passed && report.verdict == verdict && report.outputsAreIdentical == (differing == 0))
    #expect(report.doubts == (differing == 0 ? ["compared with itself"] : []))
    #expect(report.allWarnings.count == (differing == 0 ? 1 : 0))
  }

  /// Every size has to be the same.
  @Test(arguments: [0, 1])
  func sizesAreComparedToo(differing: Int) throws {
    let sizes = try [0, differing].map { count in
      SizeFidelity(
        size: 64 + count, crop: "rect", poolingExponent: nil,
        figures: figures(of: try Self.comparisons(differing: count)), gates: try Gates())
    }
    let report = FidelityReport(
      first: sizes[0], further: [sizes[1]], package: nil, reference: try Sample.passing().reference)
    #expect(report.outputsAreIdentical == (differing == 0))
  }

  @Test(
    arguments: [
      (100, 95, .inconclusive), (100, 0, .pass), (99, 95, .pass),
    ] as [(Int, Double, GateResult.Verdict)])
  func oneAnswerForAllImagesProvesNothing(same: Int, limit: Double, verdict: GateResult.Verdict) throws {
    let comparisons = try Self.comparisons(differing: 1) { $0 < same ? 3 : 4 }
    let report = try Sample.report(comparisons, gates: Gates(minAgreement: limit))
    #expect(report.passed && report.verdict == verdict)
    #expect(report.doubts == (verdict == .pass ? [] : ["one class for all images"]))
    #expect(report.allWarnings.count == report.doubts.count)
  }

  /// A single image has one class, and where there is one class, there is no agreement to be measured.
  @Test func answersAreCountedAmongSeveralImages() throws {
    func comparison(_ name: String, _ logits: [Float] = [1, 0]) throws -> ImageComparison {
      try ImageComparison(
        name: name, referenceEmbedding: [1], quantizedEmbedding: [1], referenceLogits: logits, quantizedLogits: logits)
    }
    #expect(try !figures(of: [comparison("a")]).hasOneAnswer)
    #expect(try figures(of: [comparison("a"), comparison("b")]).hasOneAnswer)
    let scores = try figures(of: [comparison("a", [1]), comparison("b", [2])])
    #expect(!scores.hasOneAnswer && scores.agreement.top1 == nil)
    #expect(try !figures(of: [image("a", drift: 0), image("b", drift: 0)]).hasOneAnswer)
  }

  @Test(
    arguments: [
      (0, 0.01, .inconclusive), (0.01, 0.01, .inconclusive), (0.011, 0.01, .pass), (0.03, 0.04, .inconclusive),
      (0.04, 2, .inconclusive), (0.06, 2, .pass),
    ] as [(Double, Double, GateResult.Verdict)])
  func alikeEmbeddingsProveNothing(distance: Double, limit: Double, verdict: GateResult.Verdict) throws {
    let query = NeighborQuery(agreesInFloat: true, agreesInInt8: true, isNearTie: false, classes: nil)
    let gates = try Gates(maxMeanDrift: limit)
    var report = try Sample.report(Self.comparisons(differing: 1), gates: gates)
    report.figures.neighbors = NeighborFigures([NeighborQuery](repeating: query, count: 100), medianDistance: distance)
    #expect(report.passed && report.verdict == verdict)
    #expect(report.doubts == (verdict == .pass ? [] : ["embeddings of different images are alike"]))
    #expect(report.allWarnings.count == report.doubts.count)
  }

  /// Of embeddings on axes of a plane, by quarters of a turn: each is paired with the one half the list later.
  @Test func distancesAreMedians() throws {
    let axes: [[Float]] = [[1, 0], [0, 1], [-1, 0]]
    func distance(_ quarters: [Int]) -> Double? { medianDistance(quarters.count) { axes[quarters[$0]] } }
    #expect(distance([]) == nil && distance([0]) == nil)
    #expect(distance([0, 0]) == 0 && distance([0, 1]) == 1 && distance([0, 2]) == 2)
    // One exception among many.
    #expect(distance([2] + [Int](repeating: 0, count: 20)) == 0)
    #expect(distance([0, 0, 1, 1]) == 1 && distance([0, 1, 0, 1]) == 0)
  }
}
