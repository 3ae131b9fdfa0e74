import Foundation
import Testing

/// `verify` with a signature and no reference measures nothing, and says so.
@Suite struct SignatureAloneTests {
  private static func fixture(_ path: String) -> String { Tool.root.appendingPathComponent("fixtures/\(path)").path }

  /// A copy of a package, next to its signature.
  private static func signed() throws -> (scratch: Scratch, arguments: [String]) {
    let scratch = try Scratch()
    let package = scratch.path("a.quern")
    try FileManager.default.copyItem(atPath: fixture("packages/version-1.0-converted.quern"), toPath: package)
    let outcome = try Tool.run(["sign", package, "--key", fixture("signatures/p256.pem"), "-q"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    return (
      scratch,
      ["verify", package, "--signature", package + ".sig", "--public-key", fixture("signatures/p256.pub")]
    )
  }

  /// Gates and inputs that would be ignored.
  @Test(arguments: [
    ["--max-mean-drift", "1e-7"], ["--max-mean-drift=1e-7"], ["--min-agreement", "99"], ["--strict"],
    ["--golden", "nothere"], ["--baseline", "nothere.json"], ["--threshold", "0.5"], ["--size", "64"],
    ["--stop-when-decided"], ["--skip-bad-images"], ["--class-names", "nothere"], ["--channel-order", "bgr"],
    ["--report", "r.json"],
  ])
  func optionsThatNeedAMeasurementAreRefused(option: [String]) throws {
    let (scratch, arguments) = try Self.signed()
    let outcome = try Tool.run(arguments + option)
    #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome)")
    let name = option[0].prefix { $0 != "=" }
    #expect(outcome.errors.contains("\(name) needs --reference and --images"), "\(outcome.errors)")
    withExtendedLifetime(scratch) {}
  }

  @Test func theReportSaysThatNothingWasMeasured() throws {
    let (scratch, arguments) = try Self.signed()
    let outcome = try Tool.run(arguments + ["--json", "-q", "--threads", "1", "--progress", "none"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(report["schema"] as? String == "quern.signature/1" && report["measured"] as? Bool == false)
    #expect(try Tool.run(arguments).output.contains("nothing was measured"))
    withExtendedLifetime(scratch) {}
  }

  /// A configuration file is for many runs.
  @Test func gatesOfAConfigurationFileAreLeftOut() throws {
    let (scratch, arguments) = try Self.signed()
    _ = try scratch.write(Data("[gates]\nmax-mean-drift = 0.005\nstrict = true\n".utf8), to: "quern.toml")
    let outcome = try Tool.shell("\"$@\"", arguments, in: scratch)
    #expect(outcome.status == 0 && outcome.output.contains("nothing was measured"), "\(outcome)")
    let refused = try Tool.shell("\"$@\"", arguments + ["--max-drift", "0.1"], in: scratch)
    #expect(refused.status == 64 && refused.errors.contains("--max-drift needs"), "\(refused)")
  }
}
