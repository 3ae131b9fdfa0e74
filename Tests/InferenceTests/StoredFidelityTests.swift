import Files
import Foundation
import Inference
import PackageFormat
import Testing

@Suite struct StoredFidelityTests {
  private static let hash = SHA256.hash([1, 2, 3])
  private static let other = SHA256.hash([1, 2, 4]).hex

  /// Figures of nine images whose gates pass, and which no interval makes doubtful.
  private static func figures(mean: Double = 0.25, limit: Double = 2) -> String {
    """
    "images": 9, "labelled_images": 0, "non_finite_images": 0, "worst_images": [{"name": "a", "drift": 0.5}],
    "drift": {"mean": \(mean), "max": 0.5, "p50": null}, "agreement": {}, "float": {}, "int8": {},
    "gates": [{"name": "mean_drift", "value": \(mean), "limit": \(limit), "passed": \(mean <= limit)},
     {"name": "max_drift", "value": 0.5, "limit": 2, "passed": true}]
    """
  }

  /// Metadata with a report, of which some members are given.
  private static func metadata(
    _ members: String, reference: String = "a", passed: Bool = true
  ) -> String {
    let source = #""format": "onnx", "architecture": "resnet50""#
    return """
      {"source": {"sha256": "a", \(source)}, "calibration": {"sha256": "c"}, "fidelity": {
       "schema": "quern.fidelity/1", "passed": \(passed), \(Self.figures()),
       "reference": {"sha256": "\(reference)", \(source)}\(members.isEmpty ? "" : ", \(members)")}}
      """
  }

  @Test(arguments: [
    (#""content_hash": "\#(hash.hex)""#, "a", true), ("", "a", true), (#""content_hash": "\#(other)""#, "a", false),
    (#""content_hash": "\#(hash.hex.uppercased())""#, "a", false), (#""content_hash": """#, "a", false),
    (#""content_hash": "\#(hash.hex)""#, "b", false),
    (#""calibration": {"name": "x", "images": 1, "sha256": "c"}"#, "a", true),
    (#""calibration": {"name": "x", "images": 1, "sha256": "d"}"#, "a", false),
  ]) func figuresBelongToThePackage(members: String, reference: String, isOwn: Bool) throws {
    let metadata = Self.metadata(members, reference: reference)
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

  @Test func figuresOfSeveralSizes() throws {
    let (first, second) = (Self.figures(), Self.figures(mean: 0.375, limit: 0.3125))
    let sizes = """
      "verdict": "fail", "sizes": [{"size": 64, "crop": "square", "passed": true, \(first)},
       {"size": 96, "crop": "square", "passed": false, \(second)}]
      """
    let fidelity = try StoredFidelity(metadata: Self.metadata(sizes, passed: false), contentHash: Self.hash)
    #expect(fidelity.verdict == .fail)
    #expect(fidelity.figures(side: 64)?["drift.mean"] == 0.25 && fidelity.figures(side: 64)?.passed == true)
    #expect(fidelity.figures(side: 96)?["drift.mean"] == 0.375 && fidelity.figures(side: 96)?.passed == false)
    #expect(fidelity.figures(side: 128) == nil)
    // One size passed, and the report says that all did.
    try Self.expectRefused(Self.metadata(sizes), "not that of the gates")
  }

  @Test(arguments: ["", "{}", #"{"fidelity": null}"#, "[1]"]) func packagesThatWereNotVerified(metadata: String) throws
  {
    let fidelity = try StoredFidelity(metadata: metadata, contentHash: Self.hash)
    #expect(fidelity.verdict == nil && fidelity.figures(side: 64) == nil)
  }

  @Test(arguments: ["{", #"{"a": 1, "a": 2}"#, "nope", "{} {}"]) func brokenMetadata(metadata: String) {
    #expect(throws: PackageError.self) { try StoredFidelity(metadata: metadata, contentHash: Self.hash) }
  }

  // MARK: - Contradictions

  private static func expectRefused(
    _ metadata: String, _ reason: String, contentHash: SHA256.Digest = hash
  ) throws {
    let error = #expect(throws: PackageError.self, "\(reason)") {
      try StoredFidelity(metadata: metadata, contentHash: contentHash)
    }
    guard case .invalidReport(let problem)? = error else {
      Issue.record("\(reason): \(String(describing: error))")
      return
    }
    #expect(problem.contains(reason), "\(problem)")
  }

  /// A package that an earlier build made, with its metadata.
  private static func released(_ name: String = "version-1.0-converted") throws -> PackageReader {
    let root = #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    return try PackageReader.open(path: "\(root)/fixtures/packages/\(name).quern")
  }

  @Test(arguments: ["version-1.0-converted", "version-1.0-unbound"])
  func reportsOfReleasedPackagesAreRead(name: String) throws {
    let reader = try Self.released(name)
    let fidelity = try StoredFidelity(metadata: reader.metadata(), contentHash: reader.contentHash)
    #expect(fidelity.verdict == .pass)
    let figures = try #require(fidelity.figures(side: 32))
    #expect(figures.passed && figures.images == 76 && figures.labelledImages == 0)
    #expect(figures["drift.max"] == 0.0028708040913837385 && figures["drift.p50"] == 3.184046197757251e-06)
    #expect(figures["agreement.top1"] == 100 && figures["decisive_agreement.top1"] == 100)
    #expect(figures["neighbours.int8_in_int8.top1"] == 94.73684210526316 && figures["float.top1"] == nil)
  }

  /// A part of the metadata of a released package, what replaces it where it occurs first, and a part of the reason.
  private static let edits: [(String, String, String)] = [
    (#""mean":0.00011"#, #""mean":-0.00011"#, "drift.mean is -0.00011"),
    (#""mean":0.00011412468354273757"#, #""mean":0"#, "outside of its interval"),
    (#""p50":3"#, #""p50":0.1,"p51":3"#, "quantiles of drift fall"),
    (#""std":"#, #""std":"a","s":"#, "'drift.std' has another type"),
    (#""mean_interval":{"#, #""interval":{"#, "drift.mean is of 76 images and has no interval"),
    (#""images":76,"inference""#, #""images":-1,"inference""#, "it states -1 images"),
    (#""labelled_images":0"#, #""labelled_images":77"#, "labelled_images is 77"),
    (#""fidelity":{"agreement":{"top1":100"#, #""fidelity":{"agreement":{"top1":101"#, "agreement.top1 is 101"),
    (#""limit":0.01"#, #""limit":1e-5"#, "the outcome of the gate 'mean_drift'"),
    (#""limit":95"#, #""limit":99"#, "the verdict of the gate 'top1_agreement'"),
    (#""name":"max_drift""#, #""name":"mean_drift""#, "'mean_drift' twice"),
    (#""name":"max_drift""#, #""name":"package_bytes""#, "no gate 'max_drift'"),
    (#""name":"max_drift""#, #""name":"trust_me""#, "unknown name"),
    (#""passed":true,"reference""#, #""passed":false,"reference""#, "not that of the gates"),
    (#""verdict":"pass","verification""#, #""verdict":"fail","verification""#, "not that of the gates and the images"),
    (#""verdict":"pass","verification""#, #""verdict":"perfect","verification""#, "unknown verdict"),
    (#""overlap":0"#, #""overlap":40"#, "not that of the gates and the images"),
    (#""schema":"quern.fidelity/1""#, #""schema":"quern.fidelity/2""#, "schema quern.fidelity/1"),
    (#""source":{"#, #""sauce":{"#, "no 'metadata.source'"),
    (#"{"calibration":{"#, #"{"kalibration":{"#, "no 'metadata.calibration'"),
    (#""content_hash":""#, #""content_hash":7,"x":""#, "'content_hash' has another type"),
    (#""sha256":"e797"#, #""sha256":7,"x":"e797"#, "'metadata.calibration.sha256' has another type"),
    (#""worst_images":[{"drift":0.002"#, #""worst_images":[{"drift":0.003"#, "not the drift of the worst image"),
    (#""clear_agreement":{"coin_tosses":1,"images":75"#, #""clear_agreement":{"coin_tosses":1,"images":77"#, "is 77"),
    (#""fidelity":{"#, #""fidelity":7,"x":{"#, "the report has another type"),
  ]

  @Test(arguments: edits.indices)
  func contradictionsAreRefused(index: Int) throws {
    let (old, new, reason) = Self.edits[index]
    let reader = try Self.released()
    let metadata = try reader.metadata()
    let place = try #require(metadata.range(of: old), "\(old)")
    try Self.expectRefused(
      metadata.replacingCharacters(in: place, with: new), reason, contentHash: reader.contentHash)
  }
}
