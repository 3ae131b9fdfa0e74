import Fidelity
import FidelitySamples
import Testing

@Suite struct DriftTests {
  @Test(arguments: try Fixture.numpy().drifts)
  func isThatOfNumpy(_ example: NumpyFixture.DriftCase) {
    // numpy multiplies two rounded norms: it is off by a few units in the last place of 1.
    #expect(abs(drift(from: example.reference, to: example.quantized) - example.drift) < 1e-15)
  }

  @Test(arguments: try Fixture.numpy().drifts)
  func ofEqualVectorsIsExactlyZero(_ example: NumpyFixture.DriftCase) {
    #expect(drift(from: example.reference, to: example.reference) == 0)
  }

  @Test func ofZeroVectorsIsOne() {
    #expect(drift(from: [0, 0], to: [1, 2]) == 1)
    #expect(drift(from: [1, 2], to: [0, -0]) == 1)
    #expect(drift(from: [0, 0], to: [0, 0]) == 1)
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func ofNonFiniteVectorsIsTheWorst(_ value: Float) {
    #expect(drift(from: [1, 2], to: [value, 2]) == 2)
    #expect(drift(from: [value, 2], to: [value, 2]) == 2)
  }
}

@Suite struct QuantileTests {
  @Test(arguments: try Fixture.numpy().quantiles)
  func isThatOfNumpyToTheBit(_ example: NumpyFixture.QuantileCase) throws {
    let fractions = try Fixture.numpy().fractions
    #expect(fractions.map { quantile($0, ofSorted: example.values) } == example.quantiles)
  }

  @Test func ofNothingIsNothing() {
    #expect(quantile(0.5, ofSorted: []) == nil)
  }
}

@Suite struct ImageComparisonTests {
  /// (float ranking, int8 ranking, label) to (agreement, float hits, int8 hits), each as (top-1, top-5).
  @Test(arguments: [
    ([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5], 0, "11 11 11"),
    ([0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 0, 5], 0, "01 11 01"),
    ([0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0], 5, "00 00 01"),
    ([3, 1, 2, 0, 4, 5], [3, 5, 4, 2, 1, 0], 0, "11 01 00"),
  ])
  func ranks(float: [Int], int8: [Int], label: Int, expected: String) throws {
    let comparison = try image("a", drift: 0, reference: logits(float), quantized: logits(int8), label: label)
    let hits = [comparison.agreement, comparison.float, comparison.int8]
    #expect(hits.map { "\($0?.top1 == true ? 1 : 0)\($0?.top5 == true ? 1 : 0)" }.joined(separator: " ") == expected)
  }

  @Test func ofEqualLogitsTheLowestClassIsFirst() throws {
    let flat = [Float](repeating: 0.5, count: 7)
    for label in flat.indices {
      let comparison = try image("a", drift: 0, reference: flat, quantized: [0, 1, 1, 1, 1, 1, 1], label: label)
      let float = try #require(comparison.float)
      let int8 = try #require(comparison.int8)
      let agreement = try #require(comparison.agreement)
      #expect(float.top1 == (label == 0))
      #expect(float.top5 == (label < 5))
      #expect(int8.top1 == (label == 1))
      #expect(int8.top5 == (1...5).contains(label))
      // Class 0, the float network's first, is the int8 network's last.
      #expect(!agreement.top1 && !agreement.top5)
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func nonFiniteOutputsAreTheWorstAndNamed(_ value: Float) throws {
    let good: [Float] = [1, 2]
    let bad: [Float] = [value, 2]
    let cases = try [
      ("int8", ImageComparison(name: "a", referenceEmbedding: good, quantizedEmbedding: bad)),
      ("float", ImageComparison(name: "b", referenceEmbedding: bad, quantizedEmbedding: good)),
      ("float", ImageComparison(name: "c", referenceEmbedding: bad, quantizedEmbedding: bad)),
      ("int8", image("d", drift: 0, reference: good, quantized: bad, label: 1)),
      ("float", image("e", drift: 0, reference: bad, quantized: good, label: 1)),
    ]
    let result = figures(of: cases.map(\.1))
    #expect(result.nonFiniteImages == 5)
    #expect(result.drift.mean == 2)
    #expect(result.agreement.top1 == 0)
    #expect(result.float.top1 == 50)
    #expect(result.int8.top1 == 50)
    #expect(result.worstImages.map(\.name) == ["a", "b", "c", "d", "e"])
    #expect(result.worstImages.map(\.defect) == cases.map { "the \($0.0) network's output is not finite" })
  }

  @Test func outputsThatDoNotBelongTogetherAreRefused() {
    #expect(throws: FidelityError.embeddingWidth(image: "a", reference: 2, quantized: 1)) {
      try ImageComparison(name: "a", referenceEmbedding: [1, 2], quantizedEmbedding: [1])
    }
    #expect(throws: FidelityError.embeddingWidth(image: "a", reference: 0, quantized: 0)) {
      try ImageComparison(name: "a", referenceEmbedding: [], quantizedEmbedding: [])
    }
    #expect(throws: FidelityError.classCount(image: "a", reference: 1, quantized: 0)) {
      try image("a", drift: 0, reference: [1])
    }
    for label in [-1, 2] {
      #expect(throws: FidelityError.label(image: "a", label: label, classes: 2)) {
        try image("a", drift: 0, reference: [1, 2], quantized: [1, 2], label: label)
      }
    }
  }
}

@Suite struct FidelityAccumulatorTests {
  @Test func figuresOfASmallSet() throws {
    let result = try figures(of: Sample.comparisons())
    #expect(result.images == 5)
    #expect(result.labelledImages == 4)
    #expect([result.agreement.top1, result.agreement.top5] == [60, 80])
    #expect([result.float.top1, result.float.top5] == [50, 75])
    #expect([result.int8.top1, result.int8.top5] == [25, 75])
    #expect(result.top1Drop == 25)
    #expect(abs((result.drift.mean ?? 0) - 0.014) < 1e-7)
    #expect(abs((result.drift.p50 ?? 0) - 0.003) < 1e-7)
    #expect(abs((result.drift.p95 ?? 0) - 0.0488) < 1e-7)
    #expect(abs((result.drift.max ?? 0) - 0.06) < 1e-7)
    #expect(
      result.worstImages.map(\.name) == [Sample.nasty, "dogs/1.jpg", "dogs/2.jpg", "cats/2.jpg", "cats/1.jpg"])
  }

  @Test func withoutAClassifierOnlyDriftIsMeasured() throws {
    let result = figures(of: [try image("a", drift: 0.5, label: 900)])
    #expect(result.labelledImages == 0)
    #expect(result.agreement.top1 == nil && result.float.top1 == nil && result.int8.top5 == nil)
    #expect(result.top1Drop == nil)
    #expect(result.drift.max != nil)
  }

  @Test func tenWorstImagesWithEqualsByName() throws {
    let result = figures(of: try (0..<30).reversed().map { try image("\($0 + 10)", drift: $0 == 29 ? 0.3 : 0.2) })
    let names: [String] = ["39"] + (10..<19).map { "\($0)" }
    #expect(result.worstImages.map(\.name) == names)
  }
}
