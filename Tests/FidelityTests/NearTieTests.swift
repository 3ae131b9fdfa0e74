import Fidelity
import FidelitySamples
import Testing

@Suite struct CoinTossTests {
  /// Logits with a mean of 0 and a standard deviation of 1 whose two highest are `gap` apart, of eight classes.
  private static func logits(gap: Double) -> [Float] {
    // Two high ones, and six around them: the deviation is set by the scale of all, which has no part in the outcome.
    let values = [1.5, 1.5 - gap, 0, 0.1, -0.1, -1, -1.2, -0.8]
    let mean = values.reduce(0, +) / 8
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 8).squareRoot()
    return values.map { Float(($0 - mean) / deviation) }
  }

  private static func isNearTie(_ reference: [Float], quantized: [Float]? = nil) throws -> Bool? {
    try image("a", drift: 0, reference: reference, quantized: quantized ?? reference).isNearTie
  }

  /// Neither the scale of logits nor what is added to all of them has a part, nor what the int8 network says.
  @Test(arguments: [Float(1e-3), 1, 250], [Float(-4), 0, 64])
  func whatIsATossHasNoScale(scale: Float, offset: Float) throws {
    for (gap, expected) in [(0.0, true), (0.01, true), (0.05, true), (0.9, false), (1.4, false)] {
      let logits = Self.logits(gap: gap).map { $0 * scale + offset * scale }
      #expect(try Self.isNearTie(logits, quantized: logits.reversed()) == expected, "gap \(gap)")
    }
  }

  @Test func theGapIsMeasuredInStandardDeviations() throws {
    // Ten classes, the others at ±1 in equal numbers: the deviation follows from the gap in closed form.
    for (share, expected) in [(NearTie.minGap - 0.01, true), (NearTie.minGap + 0.01, false)] {
      let others: [Double] = [1, 1, 1, 1, -1, -1, -1, -1]
      func deviation(_ gap: Double) -> Double {
        let values = others + [1.5, 1.5 + gap]
        let mean = values.reduce(0, +) / 10
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 10).squareRoot()
      }
      // A few steps towards gap = share * deviation(gap).
      let gap = (0..<50).reduce(share) { gap, _ in share * deviation(gap) }
      #expect(try Self.isNearTie((others + [1.5, 1.5 + gap]).map { Float($0) }) == expected)
    }
  }

  @Test func withoutChoiceThereIsNoToss() throws {
    #expect(try Self.isNearTie([]) == nil)
    #expect(try Self.isNearTie([3]) == nil)
    #expect(try Self.isNearTie([3, 3.001]) == false)
    #expect(try Self.isNearTie([3, 3, 3]) == true)
    #expect(try Self.isNearTie([3, 1, 3]) == true)
    // What is not a number excuses nothing.
    #expect(try Self.isNearTie([3, .nan, 3]) == false)
  }

  @Test func agreementOffTossesCountsTheOthers() throws {
    let (clear, toss) = (Self.logits(gap: 0.9), Self.logits(gap: 0.01))
    let swapped: ([Float]) -> [Float] = { [$0[1], $0[0]] + $0[2...] }
    let comparisons = try [
      image("a", drift: 0, reference: clear, quantized: clear),
      image("b", drift: 0, reference: clear, quantized: clear),
      image("c", drift: 0, reference: clear, quantized: swapped(clear)),
      image("d", drift: 0, reference: toss, quantized: swapped(toss)),
      image("e", drift: 0, reference: clear, quantized: clear),
    ]
    let figures = figures(of: comparisons)
    let measured = try #require(figures.decisiveAgreement)
    #expect(measured.minGap == NearTie.minGap)
    #expect((measured.nearTies, measured.images) == (1, 4))
    #expect(measured.top1 == 75 && figures.agreement.top1 == 60)
    let interval = try #require(ConfidenceInterval.ofShare(0.75, images: 4))
    #expect(measured.top1Interval?.low == 100 * interval.low && measured.top1Interval?.high == 100 * interval.high)

    #expect(try !Gates().results(for: figures).contains { $0.name == .decisiveAgreement })
    for (limit, passes) in [(75.0, true), (75.1, false)] {
      let result = try Gates(minDecisiveAgreement: limit).results(for: figures).first { $0.name == .decisiveAgreement }
      #expect(result?.passed == passes && result?.interval == measured.top1Interval)
    }
  }

  @Test func whereAllAreTossesTheGateFails() throws {
    let toss = Self.logits(gap: 0)
    let report = try Sample.report(
      [image("a", drift: 0, reference: toss, quantized: toss)], gates: Gates(minDecisiveAgreement: 50))
    let gate = try #require(report.gates.first { $0.name == .decisiveAgreement })
    #expect(!report.passed && gate.value == nil)
    // Networks without a classifier have no such figure, and what was asked for and not measured is not kept.
    let without = try Gates(minDecisiveAgreement: 50).results(for: figures(of: [image("a", drift: 0)]))
    #expect(without.filter { !$0.passed }.map(\.name) == [.decisiveAgreement])
  }
}
