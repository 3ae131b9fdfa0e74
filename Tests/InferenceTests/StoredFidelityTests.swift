import Inference
import PackageFormat
import Testing

@Suite struct StoredFidelityTests {
  @Test func figuresOfOneSize() throws {
    let fidelity = try StoredFidelity(
      metadata: """
        {"source": {}, "fidelity": {"verdict": "inconclusive", "passed": true, "images": 48, "labelled_images": 40,
         "drift": {"mean": 0.001, "max": 1e-2, "p50": null}, "agreement": {"top1": 97.5}, "top1_drop": -1,
         "neighbours": {"int8_in_int8": {"top1": 100}}, "sizes": []}}
        """)
    #expect(fidelity.verdict == .inconclusive)
    let figures = try #require(fidelity.figures(side: 224))
    #expect(figures.passed && figures.images == 48 && figures.labelledImages == 40)
    #expect(figures["drift.mean"] == 0.001 && figures["drift.max"] == 0.01 && figures["drift.p50"] == nil)
    #expect(figures["agreement.top1"] == 97.5 && figures["top1_drop"] == -1)
    #expect(figures["neighbours.int8_in_int8.top1"] == 100 && figures["float.top1"] == nil)
  }

  @Test func figuresOfSeveralSizes() throws {
    let fidelity = try StoredFidelity(
      metadata: """
        {"fidelity": {"verdict": "fail", "images": 9, "sizes": [
         {"size": 64, "passed": true, "images": 9, "drift": {"mean": 0.5}},
         {"size": 96, "passed": false, "images": 8, "drift": {"mean": 0.25}}]}}
        """)
    #expect(fidelity.verdict == .fail)
    #expect(fidelity.figures(side: 64)?["drift.mean"] == 0.5)
    #expect(fidelity.figures(side: 96)?.passed == false)
    #expect(fidelity.figures(side: 128) == nil)
  }

  @Test(arguments: ["", "{}", #"{"fidelity": null}"#, "[1]"]) func packagesThatWereNotVerified(metadata: String) throws
  {
    let fidelity = try StoredFidelity(metadata: metadata)
    #expect(fidelity.verdict == nil && fidelity.figures(side: 64) == nil)
  }

  @Test(arguments: ["{", #"{"a": 1, "a": 2}"#, "nope", "{} {}"]) func brokenMetadata(metadata: String) {
    #expect(throws: PackageError.self) { try StoredFidelity(metadata: metadata) }
  }
}
