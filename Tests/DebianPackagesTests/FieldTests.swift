import DebianPackages
import Testing

@Suite struct FieldTests {
  @Test(arguments: ["ab", "quern-weights-r50", "libquern0", "0ad", "a.b+c-d", String(repeating: "a", count: 60)])
  func namesAreAccepted(name: String) throws { #expect(try DebianName(name).text == name) }

  @Test(arguments: [
    "", "a", "Quern", "-a", ".a", "+ab", "a_b", "a b", "ä-b", "a/b", "a\n", "../etc", String(repeating: "a", count: 61),
  ])
  func namesAreRefused(name: String) { #expect(throws: DebianError.self) { try DebianName(name) } }

  // `dpkg --validate-version` agrees; scripts/test-debian-package asks it.
  @Test(arguments: [
    ("1.0", true), ("0", true), ("1.0-1", false), ("2:1.0-1", false), ("1.0~rc1", true),
    ("1.0+git2026-0ubuntu1", false),
    ("1-2-3", false), ("1:2:3", true), ("1.0A", true),
  ])
  func versionsAreAccepted(version: String, isNative: Bool) throws {
    #expect(try DebianVersion(version).isNative == isNative)
  }

  @Test(arguments: [
    "", "v1.0", "-1", "1.0-", ":1", "a:1", "1:", "1 0", "1.0_1", "1.0-1_1", "1.0-ä", "1\n", "99999999999:1",
  ])
  func versionsAreRefused(version: String) { #expect(throws: DebianError.self) { try DebianVersion(version) } }

  @Test(arguments: ["Ada Lovelace <ada@example.org>", "A <a@b>", "Łukasz <l@x.pl>"])
  func maintainersAreAccepted(text: String) throws { #expect(try DebianMaintainer(text).text == text) }

  @Test(arguments: [
    "", "Ada", "ada@example.org", "<ada@example.org>", "Ada <ada>", "Ada <@b>", "Ada <a@>", "Ada <a@b> x",
    "Ada <a@b>\nEvil: 1", "A, B <a@b>", "Ada<a@b>", "Ada <a b@c>", "A <a@b@c>",
  ])
  func maintainersAreRefused(text: String) { #expect(throws: DebianError.self) { try DebianMaintainer(text) } }
}
