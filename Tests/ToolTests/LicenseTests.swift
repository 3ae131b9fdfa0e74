import Foundation
import Testing

/// The licence that a package states.
@Suite struct LicenseTests {
  private static func convert(_ scratch: Scratch, _ licenses: [String]) throws -> Tool.Outcome {
    try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "4", "--size", "64",
        "--crop", "rect", "--effort", "fast", "--augmentation", "none", "--max-drift", "1", "--max-mean-drift", "1",
        "--min-agreement", "0", "--json", "-o", scratch.path("p.quern"),
      ] + licenses.flatMap { ["--license", $0] })
  }

  private static func inspect(_ scratch: Scratch) throws -> (license: String?, text: String?) {
    let outcome = try Tool.run(["inspect", scratch.path("p.quern"), "--check", "--json"])
    let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    let report = try #require(json, "\(outcome.errors)")
    return (report["license"] as? String, report["license_text"] as? String)
  }

  /// Letters of either case are understood, and stored as SPDX spells them.
  @Test func expressionsAndTextsAreStoredAndShown() throws {
    let scratch = try Scratch()
    let file = try scratch.write(Data("Use it for good. é\n".utf8), to: "terms")
    #expect(
      try Self.convert(scratch, ["apache-2.0 or(MIT and gpl-2.0+ with classpath-exception-2.0)", file]).status == 0)
    let stored = try Self.inspect(scratch)
    #expect(stored.license == "Apache-2.0 OR (MIT AND GPL-2.0+ WITH Classpath-exception-2.0)")
    #expect(stored.text == "Use it for good. é\n")
    let text = try Tool.run(["inspect", scratch.path("p.quern")]).output
    #expect(text.contains("Apache-2.0 OR (MIT") && text.contains("20 bytes"))
    let model = scratch.path("m.onnx")
    #expect(try Tool.run(["export", scratch.path("p.quern"), "-o", model]).status == 0)
    let exported = try Data(contentsOf: URL(fileURLWithPath: model))
    #expect(
      exported.range(of: Data("model_license".utf8)) != nil && exported.range(of: Data("Apache-2.0 OR".utf8)) != nil)

    #expect(try Self.convert(scratch, ["LicenseRef-Ours.1"]).status == 0)
    #expect(try Self.inspect(scratch) == ("LicenseRef-Ours.1", nil))
    #expect(try Self.convert(scratch, []).status == 0)
    #expect(try Self.inspect(scratch) == (nil, nil))
  }

  @Test(arguments: [
    (["Apche-2.0"], 64, "did you mean Apache-2.0?"), (["MIT OR"], 64, "ends too early"),
    (["(MIT"], 64, "ends too early"),
    (["MIT MIT"], 64, "out of place"), (["MIT)"], 64, "out of place"), (["OR MIT"], 64, "out of place"),
    (["MIT WITH MIT"], 64, "no exception 'MIT'"), (["LicenseRef-"], 64, "no licence"), ([""], 64, "empty"),
    (["./absent"], 66, "./absent: no such file"), (["absent.txt"], 64, "'absent.txt' is neither a file nor"),
    (["MIT", "BSL-1.0"], 64, "'MIT' and 'BSL-1.0' are both"), ([Tool.photographs], 66, "is a directory"),
    ([Tool.checkpoint], 64, "is not a text"),
  ])
  func otherValuesAreRefused(licenses: [String], status: Int32, message: String) throws {
    let scratch = try Scratch()
    let outcome = try Self.convert(scratch, licenses)
    #expect(outcome.status == status && outcome.errors.contains(message), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("p.quern")))
  }
}
