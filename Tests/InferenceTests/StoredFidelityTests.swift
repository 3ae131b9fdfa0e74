import Files
import Inference
import PackageFormat
import Testing

@Suite struct StoredFidelityTests {
  private static let hash = SHA256.hash([1, 2, 3])
  private static let other = SHA256.hash([1, 2, 4]).hex

  @Test(arguments: [
    (#""content_hash": "\#(hash.hex)""#, true), ("\"images\": 1", true), (#""content_hash": "\#(other)""#, false),
    (#""content_hash": "\#(hash.hex.uppercased())""#, false), (#""content_hash": """#, false),
    (#""content_hash": "\#(hash.hex)", "reference": {"sha256": "a"}"#, true),
    (#""content_hash": "\#(hash.hex)", "reference": {"sha256": "b"}"#, false),
    (#""content_hash": "\#(hash.hex)", "calibration": {"sha256": "c"}"#, true),
    (#""content_hash": "\#(hash.hex)", "calibration": {"sha256": "d"}"#, false),
  ]) func figuresBelongToThePackage(members: String, isOwn: Bool) throws {
    let metadata = #"{"source": {"sha256": "a"}, "calibration": {"sha256": "c"}, "fidelity": {\#(members)}}"#
    if isOwn {
      #expect(try StoredFidelity(metadata: metadata, contentHash: Self.hash).figures(side: 64) != nil)
    } else {
      #expect {
        try StoredFidelity(metadata: metadata, contentHash: Self.hash)
      } throws: {
        if case .foreignFigures? = $0 as? PackageError { true } else { false }
      }
    }
  }

  @Test func figuresOfOneSize() throws {
    let fidelity = try StoredFidelity(
      metadata: """
        {"source": {}, "fidelity": {"verdict": "inconclusive", "passed": true, "images": 48, "labelled_images": 40,
         "drift": {"mean": 0.001, "max": 1e-2, "p50": null}, "agreement": {"top1": 97.5}, "top1_drop": -1,
         "neighbours": {"int8_in_int8": {"top1": 100}}, "sizes": []}}
        """, contentHash: Self.hash)
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
        """, contentHash: Self.hash)
    #expect(fidelity.verdict == .fail)
    #expect(fidelity.figures(side: 64)?["drift.mean"] == 0.5)
    #expect(fidelity.figures(side: 96)?.passed == false)
    #expect(fidelity.figures(side: 128) == nil)
  }

  @Test(arguments: ["", "{}", #"{"fidelity": null}"#, "[1]"]) func packagesThatWereNotVerified(metadata: String) throws
  {
    let fidelity = try StoredFidelity(metadata: metadata, contentHash: Self.hash)
    #expect(fidelity.verdict == nil && fidelity.figures(side: 64) == nil)
  }

  @Test(arguments: ["{", #"{"a": 1, "a": 2}"#, "nope", "{} {}"]) func brokenMetadata(metadata: String) {
    #expect(throws: PackageError.self) { try StoredFidelity(metadata: metadata, contentHash: Self.hash) }
  }
}
