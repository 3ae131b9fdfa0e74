import Foundation
import Testing

/// What `deb` says of packages whose fidelity nobody stated for them, and of holders of copyrights.
@Suite struct DebianDoubtTests {
  private static func deb(
    _ package: String, _ scratch: Scratch, _ extra: [String] = [], maintainer: String = "Ada <ada@example.org>"
  ) throws -> Tool.Outcome {
    try Tool.run(
      [
        "deb", Tool.root.appendingPathComponent("fixtures/packages/\(package).quern").path, "--name", "quern-weights-a",
        "--version", "1", "--license", "MIT", "--maintainer", maintainer, "--json", "-o", scratch.path("a.deb"),
      ] + extra)
  }

  @Test(
    arguments: [
      ("version-1.0", "states no fidelity, and the description says so"),
      ("worked-example", "states no fidelity, and the description says so"),
      ("version-1.0-quantised", "states no fidelity, and the description says so"),
      ("version-1.0-unbound", "name no package that they were measured on, and the description says so"),
      ("version-1.0-converted", nil),
    ] as [(String, String?)])
  func packagesWithoutFiguresOfTheirOwnAreDoubted(package: String, warning: String?) throws {
    let scratch = try Scratch()
    let outcome = try Self.deb(package, scratch)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    let warnings = try #require(report["warnings"] as? [String])
    #expect(warnings.count == (warning == nil ? 0 : 1), "\(warnings)")
    if let warning { #expect(warnings[0].contains(warning) && outcome.errors.contains(warning), "\(outcome.errors)") }
  }

  /// A terminal that shows the file would obey, or nobody is named.
  @Test(arguments: ["x\u{1B}[31m", "x\u{202E}y", "two\nlines", "tab\there", " ", ".", " . ", "\u{A0}"])
  func copyrightsAreOneLineThatNamesTheHolder(text: String) throws {
    let scratch = try Scratch()
    let outcome = try Self.deb("version-1.0", scratch, ["--copyright=\(text)"])
    #expect(outcome.status == 64 && outcome.errors.contains("the copyright '"), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("a.deb")))
  }

  @Test(arguments: ["2026 Example GmbH", "© 2026 Łukasz, Ana & Co. <a@example.org>", "株式会社", "2"])
  func usualCopyrightsAreTaken(text: String) throws {
    let scratch = try Scratch()
    let outcome = try Self.deb("version-1.0", scratch, ["--copyright", text])
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  @Test func whatAConfigurationFileStatesIsCheckedToo() throws {
    let scratch = try Scratch()
    _ = try scratch.write(Data("[deb]\ncopyright = \"x\\u202Ey\"\n".utf8), to: "quern.toml")
    let package = Tool.root.appendingPathComponent("fixtures/packages/version-1.0.quern").path
    let outcome = try Tool.shell(
      "\"$@\"",
      [
        "deb", package, "--name", "ab", "--version", "1", "--license", "MIT", "--maintainer", "Ada <ada@example.org>",
        "-o", "a.deb",
      ], in: scratch)
    #expect(outcome.status == 64 && outcome.errors.contains("the copyright 'x\\u{202E}y'"), "\(outcome.errors)")
  }

  @Test func maintainersAreShownAsTheyAre() throws {
    let scratch = try Scratch()
    let outcome = try Self.deb("version-1.0", scratch, maintainer: "A\u{202E}da <ada@example.org>")
    #expect(outcome.status == 64 && outcome.errors.contains("the maintainer '"), "\(outcome.errors)")
  }
}
