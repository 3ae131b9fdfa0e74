import Fidelity
import FidelitySamples
import Foundation
import Testing

@Suite struct ConfidenceTests {
  /// The examples of Newcombe, "Two-sided confidence intervals for the single proportion", 1998, and one at the upper end.
  static let shares: [(hits: Int, images: Int, low: Double, high: Double)] = [
    (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718),
    (29, 29, 0.8830, 1),
  ]

  @Test(arguments: shares)
  func shareIsWilsons(_ test: (hits: Int, images: Int, low: Double, high: Double)) throws {
    let interval = try #require(
      ConfidenceInterval.ofShare(Double(test.hits) / Double(test.images), images: test.images))
    #expect(abs(interval.low - test.low) < 6e-5, "\(interval)")
    #expect(abs(interval.high - test.high) < 6e-5, "\(interval)")
  }

  @Test func meanDoesNotDependOnOrder() throws {
    var random = SeededGenerator(state: 5)
    let values = (0..<200).map { _ in Double.random(in: 0..<1, using: &random) }
    let interval = try #require(ConfidenceInterval.ofMean(values))
    #expect(interval == ConfidenceInterval.ofMean(values.shuffled(using: &random)))
    #expect(ConfidenceInterval.ofMean([1]) == nil)
    #expect(ConfidenceInterval.ofMean([0.5, 0.5]) == ConfidenceInterval.ofMean([0.5, 0.5, 0.5]))
  }

  @Test(arguments: try Fixture.numpy().differences)
  func differenceIsAgrestisAndMins(_ example: NumpyFixture.DifferenceCase) throws {
    let n = Double(example.images)
    let interval = try #require(
      ConfidenceInterval.ofDifference(
        lost: Double(example.lost) / n, gained: Double(example.gained) / n, images: example.images))
    #expect(abs(interval.low - example.low) < 1e-12 && abs(interval.high - example.high) < 1e-12, "\(interval)")
  }

  /// Of intervals from many samples of uniform numbers about 95 % must hold the mean, 0.5.
  @Test func meanIsCoveredAsOftenAsSaid() throws {
    var random = SeededGenerator(state: 11)
    let rounds = 200
    let covered = (0..<rounds).count { _ in
      let values = (0..<60).map { _ in Double.random(in: 0..<1, using: &random) }
      guard let interval = ConfidenceInterval.ofMean(values) else { return false }
      return interval.low <= 0.5 && 0.5 <= interval.high
    }
    // Three standard deviations of 200 throws at 0.95 are 9.2.
    #expect((181...199).contains(covered), "\(covered) of \(rounds), seed 11")
  }

}

/// What a verdict is worth.
@Suite struct VerdictTests {
  private static let same = logits([0, 1, 2, 3, 4, 5])
  private static let other = logits([1, 0, 2, 3, 4, 5])

  /// Images with these drifts, the first of which the int8 network classifies otherwise.
  private static func result(
    _ gate: GateName, drifts: [Double], disagreeing: Int = 0, labelled: Bool = false, gates: Gates
  ) throws -> GateResult {
    let images = try drifts.enumerated().map { index, drift in
      try image(
        "\(index)", drift: drift, reference: same, quantized: index < disagreeing ? other : same,
        label: labelled ? 0 : nil)
    }
    return try #require(gates.results(for: figures(of: images)).first { $0.name == gate })
  }

  @Test func ofAgreementNamesTheImagesThatAreNeeded() throws {
    // 97.5 % of 40 images against 95 %.
    let few = try Self.result(
      .top1Agreement, drifts: [Double](repeating: 0.001, count: 40), disagreeing: 1, gates: try Gates())
    #expect(few.passed && few.verdict == .inconclusive)
    let needed = try #require(few.neededImages)
    // With as many the same share excludes the limit, with one fewer it does not.
    let enough = try #require(ConfidenceInterval.ofShare(0.975, images: needed))
    let tooFew = try #require(ConfidenceInterval.ofShare(0.975, images: needed - 1))
    #expect(enough.low >= 0.95 && tooFew.low < 0.95, "\(needed)")
  }

  @Test(arguments: try Fixture.numpy().sampleSizes)
  func ofMeanNamesTheImagesThatAreNeeded(_ example: NumpyFixture.SampleSizeCase) throws {
    // Embeddings of two elements hold drifts to about 1e-8.
    let result = try Self.result(
      .meanDrift, drifts: example.drifts, gates: try Gates(maxMeanDrift: example.limit))
    #expect(result.verdict == .inconclusive)
    #expect(abs(try #require(result.neededImages) - example.images) <= 1 + example.images / 1000)
  }

  @Test func evenPerfectAgreementOfFewImagesIsInconclusive() throws {
    let drifts = [Double](repeating: 0.001, count: 4)
    let few = try Self.result(.top1Agreement, drifts: drifts, gates: try Gates())
    #expect(few.value == 100 && few.passed && few.verdict == .inconclusive)
    #expect(few.neededImages == 73)
    let enough = try Self.result(
      .top1Agreement, drifts: [Double](repeating: 0.001, count: 73), gates: try Gates())
    #expect(enough.verdict == .pass && enough.neededImages == nil)
  }

  @Test func noNumberOfImagesSettlesWhatIsAtItsLimit() throws {
    let result = try Self.result(
      .top1Agreement, drifts: [Double](repeating: 0.001, count: 9), gates: try Gates(minAgreement: 100))
    #expect(result.passed && result.verdict == .inconclusive && result.neededImages == nil)
  }

  @Test func oneImageTellsNothingOfTheMean() throws {
    let result = try Self.result(.meanDrift, drifts: [0.001], gates: try Gates())
    #expect(result.passed && result.verdict == .inconclusive && result.neededImages == 2)
  }

  @Test func ofDrift() throws {
    var random = SeededGenerator(state: 3)
    let drifts = (0..<100).map { _ in Double.random(in: 0..<0.01, using: &random) }
    func result(_ limit: Double) throws -> GateResult {
      try Self.result(.meanDrift, drifts: drifts, gates: try Gates(maxMeanDrift: limit))
    }
    #expect(try result(0.02).verdict == .pass)
    #expect(try result(0.001).verdict == .fail)
    #expect(try result(0.02).neededImages == nil)
    let close = try result(0.0052)
    #expect(close.verdict == .inconclusive)
    #expect(try #require(close.neededImages) > 100)
    #expect(try Self.result(.maxDrift, drifts: drifts, gates: try Gates()).interval == nil)
  }

  /// Of equal outcomes the interval of the drop has a width, too, and with the number named it excludes the limit.
  @Test(arguments: [(lost: 0, images: 40), (1, 200), (3, 400)])
  func ofTheDrop(lost: Int, images: Int) throws {
    let drifts = [Double](repeating: 0.001, count: images)
    let result = try Self.result(.top1Drop, drifts: drifts, disagreeing: lost, labelled: true, gates: try Gates())
    #expect(result.value == 100 * Double(lost) / Double(images))
    #expect(result.verdict == .inconclusive)
    let share = Double(lost) / Double(images)
    let needed = try #require(result.neededImages)
    let enough = try #require(ConfidenceInterval.ofDifference(lost: share, gained: 0, images: needed))
    let tooFew = try #require(ConfidenceInterval.ofDifference(lost: share, gained: 0, images: needed - 1))
    #expect(enough.high <= 0.01 && tooFew.high > 0.01, "\(needed)")
  }

  /// Outcomes and exit statuses are those of the values, whatever the intervals.
  @Test func doesNotChangeTheOutcome() throws {
    let report = try Sample.report(
      (1...4).map { try image("\($0).jpg", drift: 0.001 * Double($0), reference: varied($0), quantized: varied($0)) })
    #expect(report.passed && report.gates.contains { $0.verdict == .inconclusive })
  }
}
