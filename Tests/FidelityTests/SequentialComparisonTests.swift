import Fidelity
import FidelitySamples
import Foundation
import Testing

@Suite struct SequentialComparisonTests {
  /// Images of which the float network says that they are of the class `answer`.
  private static func images(
    _ count: Int, drift: (Int) -> Double = { _ in 0.001 }, agrees: (Int) -> Bool = { _ in true },
    answer: (Int) -> Int = { $0 % 6 }, label: (Int) -> Int? = { _ in nil }
  ) throws -> [ImageComparison] {
    try (0..<count).map { index in
      let ranked = (0..<6).map { ($0 + answer(index)) % 6 }
      return try image(
        "\(index)", drift: drift(index), reference: logits(ranked),
        quantized: logits(agrees(index) ? ranked : [ranked[1], ranked[0]] + ranked[2...]), label: label(index))
    }
  }

  /// The figures at which a comparison stops; `nil` where it goes through all images.
  private static func stop(_ images: [ImageComparison], _ gates: Gates, expectsLabels: Bool = false) -> FidelityFigures?
  {
    var comparison = SequentialComparison(gates: gates, availableImages: images.count, expectsLabels: expectsLabels)
    var start = 0
    for end in SequentialComparison.checkpoints(of: images.count) {
      comparison.add(Array(images[start..<end]))
      if end < images.count, let figures = comparison.decidedFigures() { return figures }
      start = end
    }
    #expect(comparison.figures() == figures(of: images))
    return nil
  }

  @Test func checkpointsGrowAndEndWithAll() {
    #expect(SequentialComparison.checkpoints(of: 100) == [32, 40, 50, 62, 77, 96, 100])
    #expect(SequentialComparison.checkpoints(of: 32) == [32])
    #expect(SequentialComparison.checkpoints(of: 1) == [1])
    #expect(SequentialComparison.checkpoints(of: 0) == [0])
  }

  @Test func agreementIsDecidedByFewImages() throws {
    let gates = try Gates()
    let images = try Self.images(1000)
    let figures = try #require(Self.stop(images, gates))
    let stop = try #require(figures.stop)
    #expect(figures.images == 96 && stop.availableImages == 1000)
    let bound = try #require(stop.shareAboveMaxDriftUpper)
    #expect(abs(bound - (1 - pow(0.05, 1 / 96))) < 2e-9 && bound >= 1 - pow(0.05, 1 / 96))
    let results = gates.results(for: figures)
    #expect(results.allSatisfy { $0.passed && $0.verdict == .pass })
    #expect(results.map { $0.intervalMethod } == [.confidenceSequence, nil, .confidenceSequence])
    #expect(results[2].interval.map { $0.low >= 95 } == true)
    // Figures are those of the images that were taken, whatever the others are.
    var all = Fidelity.FidelityAccumulator()
    for image in images.prefix(96) { all.add(image) }
    #expect(all.figures().drift == figures.drift && all.figures().agreement == figures.agreement)
  }

  /// What stopping leaves open: an image after the last that was looked at. All images fail; the report of some of them passes,
  /// and says how many such images there may be.
  @Test func anImageThatIsNotLookedAtIsWithinTheBound() throws {
    let images = try Self.images(1000, drift: { $0 == 990 ? 0.06 : 0.001 })
    let gates = try Gates()
    #expect(gates.results(for: figures(of: images)).contains { $0.name == .maxDrift && !$0.passed })
    let stopped = try #require(Self.stop(images, gates))
    #expect(gates.results(for: stopped).allSatisfy { $0.passed })
    let bound = try #require(stopped.stop?.shareAboveMaxDriftUpper)
    #expect(bound >= 1.0 / 1000)
  }

  @Test func oneImageAboveTheLimitEndsIt() throws {
    let gates = try Gates()
    let stopped = try #require(try Self.stop(Self.images(1000, drift: { $0 == 40 ? 0.06 : 0.001 }), gates))
    #expect(stopped.images == 50 && stopped.stop?.shareAboveMaxDriftUpper == nil)
    let results = gates.results(for: stopped)
    #expect(results.first { $0.name == .maxDrift }?.verdict == .fail)
    // Of the drift of all images the sequence, which is of those below the limit, says nothing.
    #expect(results.first { $0.name == .meanDrift }?.interval == nil)
    #expect(results.first { $0.name == .top1Agreement }?.verdict == .inconclusive)
  }

  @Test func networksThatFailAreFoundOutSoon() throws {
    let gates = try Gates()
    let disagreeing = try #require(try Self.stop(Self.images(1000, agrees: { $0 % 3 != 0 }), gates))
    #expect(disagreeing.images == 32)
    #expect(gates.results(for: disagreeing).first { $0.name == .top1Agreement }?.verdict == .fail)
    let drifting = try #require(try Self.stop(Self.images(1000, drift: { _ in 0.03 }), gates))
    #expect(drifting.images < 100)
    #expect(gates.results(for: drifting).first { $0.name == .meanDrift }?.verdict == .fail)
    let infinite = try ImageComparison(name: "x", referenceEmbedding: [1], quantizedEmbedding: [.infinity])
    #expect(try Self.stop([infinite] + Self.images(50), Gates(maxMeanDrift: 2, maxDrift: 2))?.images == 32)
  }

  @Test func gatesThatAreAppliedAreDecidedToo() throws {
    // Without labels 96 images do; the drop of accuracy takes several times as many.
    let images = try Self.images(1000, answer: { $0 % 6 }, label: { $0 % 6 })
    let labelled = try #require(try Self.stop(images, Gates(), expectsLabels: true))
    #expect(labelled.images > 400)
    let drop = try #require(try Gates().results(for: labelled).first { $0.name == .top1Drop })
    #expect(drop.verdict == .pass && drop.intervalMethod == .confidenceSequence)
    let interval = try #require(drop.interval)
    #expect(interval.high <= 1 && interval.low >= -100)
    // Images without a label, where some have one, do not decide it.
    #expect(try Self.stop(Self.images(300), Gates(), expectsLabels: true) == nil)
    // Gates that ask for nothing are decided from the start: it takes 59 images to say little of the others.
    let loose = try Gates(maxMeanDrift: 2, maxDrift: 2, minAgreement: 0, maxTop1Drop: 100)
    #expect(Self.stop(images, loose, expectsLabels: true)?.images == 62)
    // A gate that is asked for and has no figure is never decided.
    #expect(try Self.stop(Self.images(500), Gates(minFloatTop1: 1.5)) == nil)
    // All images are clear, and agree.
    #expect(try Self.stop(Self.images(1000), Gates(minDecisiveAgreement: 90))?.images == 120)
  }

  @Test func aFloatNetworkThatGuessesIsLookedAtToTheEnd() throws {
    let images = try Self.images(300, answer: { ($0 + 1) % 6 }, label: { $0 % 6 })
    let gates = try Gates(minAgreement: 0, maxTop1Drop: 100)
    #expect(figures(of: images).isNearChance)
    #expect(Self.stop(images, gates, expectsLabels: true) == nil)
  }

  /// The next image might have another class.
  @Test func aFloatNetworkWithOneAnswerIsLookedAtToTheEnd() throws {
    let gates = try Gates()
    #expect(try Self.stop(Self.images(1000, answer: { _ in 3 }), gates) == nil)
    #expect(try Self.stop(Self.images(1000, answer: { $0 == 90 ? 0 : 3 }), gates)?.images == 96)
  }

  @Test func whatIsNotDecidedGoesThroughAllImages() throws {
    let gates = try Gates()
    #expect(try Self.stop(Self.images(80), gates) == nil)
    #expect(try Self.stop(Self.images(600, agrees: { $0 % 20 != 0 }), gates) == nil)
    #expect(try Self.stop(Self.images(600), Gates(minAgreement: 100)) == nil)
    #expect(try Self.stop(Self.images(0), gates) == nil)
  }

  /// With networks that just do not keep a limit, at most one verdict in twenty is wrong.
  @Test func networksThatFailNarrowlySeldomPass() throws {
    var generator = SeededGenerator(state: 7)
    print("seed 7")
    let gates = try Gates()
    let (agreeing, differing) = (try Self.images(6), try Self.images(6, agrees: { _ in false }))
    var passes = 0
    for _ in 0..<200 {
      let images = (0..<500).map { index in
        (Double.random(in: 0..<1, using: &generator) < 0.949 ? agreeing : differing)[index % 6]
      }
      if let figures = Self.stop(images, gates), gates.results(for: figures).allSatisfy(\.passed) { passes += 1 }
    }
    #expect(passes <= 10, "\(passes) of 200")
  }
}
