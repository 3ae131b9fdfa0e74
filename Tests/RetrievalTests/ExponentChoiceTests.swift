import Fidelity
import Retrieval
import Testing

@Suite struct ExponentChoiceTests {
  private static let exponents: [Double] = [1, 2, 3, 4]

  /// Every image prefers the same exponent, so that every fold chooses it and nothing is lost by cross-validation.
  @Test func agreementIsAGain() throws {
    let scores = [0.0, 1, 3, 2].map { level in (0..<20).map { level + Double($0 % 4) } }
    let choice = try #require(ExponentChoice(Self.exponents, scores: scores, own: 1))
    #expect(choice.exponent == 3 && choice.foldExponents == [3, 3, 3, 3, 3])
    #expect(choice.gain.value == 2 && choice.gain.interval == ConfidenceInterval(low: 2, high: 2))
    #expect(choice.heldOut.value == 4.5 && choice.isGain && !choice.isAtEnd)
  }

  /// One image alone decides the choice; the fold that has it is scored by the choice of the others.
  @Test func foldsAreScoredByTheOthers() throws {
    var scores = Self.exponents.map { _ in [Double](repeating: 50, count: 10) }
    scores[3] = [90] + [Double](repeating: 49, count: 9)
    let choice = try #require(ExponentChoice(Self.exponents, scores: scores, own: 0))
    #expect(choice.exponent == 4 && choice.isAtEnd)
    // Image 0 is in the first fold, which keeps the network's own exponent; the others choose 4.
    #expect(choice.foldExponents == [1, 4, 4, 4, 4])
    #expect(abs(choice.gain.value - -0.8) < 1e-12 && !choice.isGain)
  }

  @Test(arguments: [(0, 1.0), (1, 2), (3, 4)])
  func equalScoresKeepTheNetworksOwn(own: Int, expected: Double) throws {
    let scores = Self.exponents.map { _ in [1.0, 2, 3] }
    #expect(try #require(ExponentChoice(Self.exponents, scores: scores, own: own)).exponent == expected)
  }

  @Test func equalScoresPreferTheNearest() throws {
    let scores: [[Double]] = [[2, 2], [1, 1], [2, 2], [2, 2]]
    #expect(try #require(ExponentChoice(Self.exponents, scores: scores, own: 1)).exponent == 1)
    #expect(ExponentChoice([1], scores: [[1]], own: 0) == nil)
  }

  private static func report(_ scores: [[Double]], own: Int) throws -> TuningReport {
    let points = try #require(Bootstrap.means(scores))
    return TuningReport(
      checkpoint: "a.pth", images: ImageSet(name: "photos", images: 20, sha256: "00"), size: 500, input: "500 px",
      measured: scores[0].count, copies: 3, recipe: "full", labelled: 0, networkExponent: exponents[own],
      points: zip(exponents, points).map { .init(exponent: $0, map: $1, crossEntropy: nil, top1: nil) },
      byCopies: try #require(ExponentChoice(exponents, scores: scores, own: own)), byClasses: nil, criterion: .copies)
  }

  /// Only what is certain to gain something replaces the network's own exponent.
  @Test func doubtfulGainsAreNotTaken() throws {
    let certain = try Self.report([0.0, 1, 3, 2].map { [Double](repeating: $0, count: 20) }, own: 0)
    #expect(certain.option == "500:3" && certain.notes.isEmpty && certain.warnings.isEmpty)
    let last = try Self.report([0.0, 1, 2, 3].map { [Double](repeating: $0, count: 20) }, own: 0)
    #expect(last.option == "500:4" && last.warnings.count == 1)
    var scores = Self.exponents.map { _ in [Double](repeating: 50, count: 10) }
    scores[2] = [90] + [Double](repeating: 49, count: 9)
    let doubtful = try Self.report(scores, own: 0)
    #expect(doubtful.chosen.exponent == 3 && doubtful.option == "500:1" && doubtful.notes.count == 1)
  }
}
