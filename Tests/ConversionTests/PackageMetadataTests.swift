import Conversion
import Fidelity
import FidelitySamples
import Foundation
import Testing

@Suite struct PackageMetadataTests {
  private static func read(_ report: FidelityReport) throws -> PackageMetadata {
    let (json, source) = try (JSONEncoder().encode(report), JSONEncoder().encode(report.reference))
    let text =
      #"{"source": \#(String(decoding: source, as: UTF8.self)), "calibration": {}, "#
      + #""fidelity": \#(String(decoding: json, as: UTF8.self))}"#
    return try JSONDocument(Data(text.utf8)).decode(PackageMetadata.self)
  }

  /// What depends on a file or on an earlier report is no part of a package, and libquern refuses it.
  @Test func reportsWithTheSizeOfAFileAreNotRead() throws {
    var report = try Sample.passing().deterministicPart
    #expect(try Self.read(report).fidelity == report)
    report.setPackage(.init(path: "a.quern", bytes: 10, sha256: "00"), maxBytes: 20)
    #expect(try Self.read(report).fidelity == nil)
  }
}
