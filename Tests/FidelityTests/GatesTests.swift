import Fidelity
import FidelitySamples
import Testing

@Suite struct GatesTests {
  @Test func defaultLimits() throws {
    let gates = try Gates()
    #expect(gates.maxMeanDrift == 0.01)
    #expect(gates.maxDrift == 0.05)
    #expect(gates.minAgreement == 95)
    #expect(gates.maxTop1Drop == 1)
  }

  @Test(arguments: GateName.allCases)
  func aValueEqualToItsLimitPasses(_ gate: GateName) {
    let isMinimum = [.top1Agreement, .decisiveAgreement, .floatTop1, .neighborAgreement].contains(gate)
    for limit in [0.01, 0.05, 95, 1] {
      #expect(GateResult(gate, value: limit, limit: limit).passed)
      #expect(GateResult(gate, value: limit.nextUp, limit: limit).passed == isMinimum)
      #expect(GateResult(gate, value: limit.nextDown, limit: limit).passed != isMinimum)
    }
  }

  @Test(arguments: GateName.allCases)
  func whatIsNotANumberNeverPasses(_ gate: GateName) {
    for value in [nil, Double.nan, .infinity, -.infinity] {
      #expect(!GateResult(gate, value: value, limit: 1).passed)
      #expect(GateResult(gate, value: value, limit: 1).value == nil)
    }
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity, -0.1])
  func limitsMustBeFiniteAndNotNegative(_ limit: Double) {
    #expect(throws: FidelityError.self) { try Gates(maxMeanDrift: limit) }
    #expect(throws: FidelityError.self) { try Gates(maxDrift: limit) }
    #expect(throws: FidelityError.self) { try Gates(minAgreement: limit) }
    #expect(throws: FidelityError.self) { try Gates(minDecisiveAgreement: limit) }
    #expect(throws: FidelityError.self) { try Gates(maxTop1Drop: limit) }
    #expect(throws: FidelityError.self) { try Gates(minFloatTop1: limit) }
    #expect(throws: FidelityError.self) { try Gates(minNeighborAgreement: limit) }
  }

  @Test func limitsMustBeInTheRangeOfTheirFigure() throws {
    #expect(throws: FidelityError.limit(.meanDrift, 2.1)) { try Gates(maxMeanDrift: 2.1) }
    #expect(throws: FidelityError.limit(.maxDrift, 3)) { try Gates(maxDrift: 3) }
    #expect(throws: FidelityError.limit(.top1Agreement, 100.5)) { try Gates(minAgreement: 100.5) }
    #expect(throws: FidelityError.limit(.decisiveAgreement, 101)) { try Gates(minDecisiveAgreement: 101) }
    #expect(throws: FidelityError.limit(.top1Drop, 101)) { try Gates(maxTop1Drop: 101) }
    #expect(throws: FidelityError.limit(.floatTop1, 101)) { try Gates(minFloatTop1: 101) }
    #expect(throws: FidelityError.limit(.neighborAgreement, 101)) { try Gates(minNeighborAgreement: 101) }
    _ = try Gates(
      maxMeanDrift: 2, maxDrift: 2, minAgreement: 100, minDecisiveAgreement: 0, maxTop1Drop: 100, minFloatTop1: 100)
  }

  /// Nobody asks for at least 1 % agreement: 0.95 is 95 % to whoever writes it.
  @Test(arguments: [(0.95, "95"), (0.999, "99.9"), (1, "100"), (0.0001, "0.01")])
  func sharesAreNotTakenForPercentages(share: Double, percent: String) throws {
    func refusal(_ make: () throws -> Gates) -> String {
      do { _ = try make() } catch { return "\(error)" }
      return "accepted"
    }
    for message in [
      refusal { try Gates(minAgreement: share) }, refusal { try Gates(minDecisiveAgreement: share) },
      refusal { try Gates(minFloatTop1: share) }, refusal { try Gates(minNeighborAgreement: share) },
    ] { #expect(message.hasSuffix("give \(percent)"), "\(message)") }
    // Points of accuracy may well be less than one.
    _ = try Gates(maxTop1Drop: min(share, 1))
  }

  /// What was asked for and could not be checked is not kept.
  @Test func theFloatNetworkIsGatedWhereThatIsAskedFor() throws {
    let (right, wrong) = (logits([0, 1, 2, 3, 4, 5]), logits([1, 0, 2, 3, 4, 5]))
    func gate(_ label: Int?, _ limit: Double?) throws -> GateResult? {
      let comparisons = try [right, right, right, wrong].map {
        try image("a", drift: 0, reference: $0, quantized: $0, label: label)
      }
      return try Gates(minFloatTop1: limit).results(for: figures(of: comparisons)).first { $0.name == .floatTop1 }
    }
    #expect(try gate(0, nil) == nil)
    #expect(try gate(0, 75)?.passed == true)
    #expect(try gate(0, 76)?.passed == false)
    #expect(try gate(0, 75)?.verdict == .inconclusive)
    #expect(try gate(nil, 2)?.passed == false && gate(nil, 2)?.value == nil)
  }

  @Test func onlyWhatWasMeasuredIsGated() throws {
    let same = logits([0, 1, 2, 3, 4, 5])
    let drift: [GateName] = [.meanDrift, .maxDrift]
    func names(_ comparison: ImageComparison) throws -> [GateName] {
      try Gates().results(for: figures(of: [comparison])).map(\.name)
    }
    #expect(try names(image("a", drift: 0)) == drift)
    #expect(try names(image("a", drift: 0, reference: same, quantized: same)) == drift + [.top1Agreement])
    #expect(
      try names(image("a", drift: 0, reference: same, quantized: same, label: 0))
        == drift + [.top1Agreement, .top1Drop])
  }

  /// As for the float network: a gate that was asked for and has no figure is listed, and fails. One that nothing can
  /// fail asks for nothing.
  @Test func whatWasAskedForAndNotMeasuredFails() throws {
    let same = logits([0, 1, 2, 3, 4, 5])
    let (embedding, unlabelled) = (try image("a", drift: 0), try image("a", drift: 0, reference: same, quantized: same))
    func failed(_ comparison: ImageComparison, _ gates: Gates) -> [GateName] {
      gates.results(for: figures(of: [comparison])).filter { $0.value == nil && !$0.passed }.map(\.name)
    }
    let all = try Gates(requiresAgreement: true, minDecisiveAgreement: 90, requiresTop1Drop: true)
    #expect(failed(embedding, all) == [.top1Agreement, .decisiveAgreement, .top1Drop])
    #expect(failed(unlabelled, all) == [.top1Drop])
    #expect(try failed(image("a", drift: 0, reference: same, quantized: same, label: 0), all).isEmpty)
    let none = try Gates(
      minAgreement: 0, requiresAgreement: true, minDecisiveAgreement: 0, maxTop1Drop: 100, requiresTop1Drop: true)
    #expect(failed(embedding, none).isEmpty && failed(unlabelled, none).isEmpty)
    let report = try Sample.report([embedding], gates: all)
    #expect(!report.passed)
  }

  @Test func withoutImagesNothingPasses() throws {
    let report = try Sample.report([], gates: Gates(maxMeanDrift: 2, maxDrift: 2, minAgreement: 0, maxTop1Drop: 100))
    #expect(report.gates.map(\.name) == [.meanDrift, .maxDrift])
    #expect(report.gates.allSatisfy { !$0.passed && $0.value == nil })
    #expect(!report.passed)
  }

  @Test func nonFiniteOutputsFailHoweverLooseTheLimits() throws {
    let broken = try ImageComparison(name: "a", referenceEmbedding: [1], quantizedEmbedding: [.nan])
    let report = try Sample.report([broken], gates: Gates(maxMeanDrift: 2, maxDrift: 2))
    #expect(report.gates.filter { !$0.passed }.map(\.name) == [.nonFiniteImages])
    #expect(!report.passed)
  }

  /// 7 of 300 right against 4: the difference of the rounded percentages is more than 1.
  @Test func accuracyThatDropsByExactlyItsLimitPasses() throws {
    let right = logits([0, 1, 2, 3, 4, 5])
    let wrong = logits([1, 0, 2, 3, 4, 5])
    func drop(float: Int, int8: Int) throws -> GateResult? {
      let comparisons = try (0..<300).map { index in
        try image(
          "\(index)", drift: 0, reference: index < float ? right : wrong, quantized: index < int8 ? right : wrong,
          label: 0)
      }
      return try Gates().results(for: figures(of: comparisons)).first { $0.name == .top1Drop }
    }
    let percentages = [7.0, 4.0].map { 100 * $0 / 300 }
    #expect(percentages[0] - percentages[1] > 1)
    #expect(try drop(float: 7, int8: 4)?.value == 1)
    #expect(try drop(float: 7, int8: 4)?.passed == true)
    #expect(try drop(float: 7, int8: 3)?.passed == false)
    #expect(try drop(float: 4, int8: 7)?.value == -1)
  }
}
