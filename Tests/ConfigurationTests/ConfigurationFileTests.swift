import Configuration
import Testing

private let commands = [
  CommandOptions(
    command: "convert",
    options: [
      .init(longNames: ["size"], isFlag: false, isRepeating: true),
      .init(longNames: ["max-drift"], isFlag: false),
      .init(longNames: ["seed"], isFlag: false),
      .init(longNames: ["equalization"], isFlag: true), .init(longNames: ["no-equalization"], isFlag: true),
      .init(longNames: ["quiet"], letters: ["q"], isFlag: true),
      .init(longNames: ["strict"], isFlag: true), .init(longNames: ["sign-key"], isFlag: false),
      .init(longNames: ["report"], isFlag: false, isRepeating: true),
      .init(longNames: ["config"], isFlag: false), .init(longNames: ["no-config"], isFlag: true),
      .init(longNames: ["help"], letters: ["h"], isFlag: true), .init(longNames: ["version"], isFlag: true),
    ]),
  CommandOptions(
    command: "verify",
    options: [.init(longNames: ["max-drift"], isFlag: false), .init(longNames: ["images"], isFlag: false)]),
]

private func arguments(
  _ text: String, _ command: Int = 0, given: [String] = [], isNamed: Bool = false
) throws -> [String] {
  try ConfigurationFile(path: "quern.toml", text: Array(text.utf8))
    .arguments(for: commands[command], of: commands, given: given, isNamed: isNamed)
}

private func message(_ text: String) -> String {
  do {
    return "none: \(try arguments(text))"
  } catch {
    return "\(error)"
  }
}

@Suite("Configuration files")
struct ConfigurationFileTests {
  @Test("Settings become arguments of the commands that have them")
  func becomeArguments() throws {
    let text = """
      quiet = true
      [gates]
      max-drift = 0.02
      [convert]
      size = [224, "500:4"]
      seed = -3
      equalization = false
      [verify]
      images = "photos of everything"
      """
    #expect(
      try arguments(text) == [
        "--size=224", "--size=500:4", "--seed=-3", "--no-equalization", "--max-drift=0.02", "--quiet",
      ])
    #expect(try arguments(text, 1) == ["--images=photos of everything", "--max-drift=0.02"])
  }

  @Test(
    "The command line replaces a setting",
    arguments: [
      (["--max-drift", "0.5"], ["--size=1", "--equalization", "--quiet"]),
      (["--max-drift=0.5"], ["--size=1", "--equalization", "--quiet"]),
      (["--size", "2"], ["--equalization", "--quiet", "--max-drift=0.1"]),
      (["--no-equalization"], ["--size=1", "--quiet", "--max-drift=0.1"]),
      (["-q"], ["--size=1", "--equalization", "--max-drift=0.1"]),
      (["--", "--max-drift"], ["--size=1", "--equalization", "--quiet", "--max-drift=0.1"]),
    ])
  func isReplaced(given: [String], expected: [String]) throws {
    let text = """
      quiet = true
      max-drift = 0.1
      [convert]
      size = [1]
      equalization = true
      """
    #expect(try arguments(text, given: given) == expected)
  }

  @Test("A command's table has precedence over the gates, and these over the top level")
  func hasPrecedence() throws {
    #expect(try arguments("max-drift = 1\n[gates]\nmax-drift = 2\n[convert]\nmax-drift = 3") == ["--max-drift=3"])
    #expect(try arguments("max-drift = 1\n[gates]\nmax-drift = 2\n[convert]\nmax-drift = 3", 1) == ["--max-drift=2"])
  }

  @Test("A flag that is false and has no inverse adds nothing")
  func addsNothing() throws { #expect(try arguments("[convert]\nstrict = false\nsize = []") == []) }

  @Test(
    "What no command takes is refused by line and name",
    arguments: [
      ("[convert]\nmax-drif = 1", "quern.toml:2: 'quern convert' has no option 'max-drif'; did you mean 'max-drift'?"),
      ("[convrt]\nsize = 1", "quern.toml:2: there is no command 'convrt'; did you mean 'convert'?"),
      ("\nbatch = 1", "quern.toml:2: no command has option 'batch'"),
      ("[gates]\nmax-drift = true", "quern.toml:2: 'max-drift' takes a value, not true"),
      ("[gates]\nmax-drift = [1]", "quern.toml:2: 'max-drift' takes one value, not an array"),
      ("[convert]\nstrict = 1", "quern.toml:2: 'strict' is a flag: it must be true or false"),
      ("[convert]\nseed = 2020-01-01", "quern.toml:2: 'seed' must be a string, a number, true, false"),
      ("[convert]\nsize = [[1]]", "quern.toml:2: 'size' must be a string, a number, true, false"),
      ("[convert]\nconfig = \"x\"", "quern.toml:2: 'config' cannot be configured"),
      ("[convert]\nseed = 1\nseed = 2", "quern.toml:3: not valid TOML"),
      ("seed = ", "quern.toml:1: not valid TOML"),
      ("seed = 1\n[,convert]\nstrict = true", "quern.toml:2: not valid TOML: a key or a table header was expected"),
      ("[[=]]", "quern.toml:1: not valid TOML"),
    ])
  func isRefused(text: String, expected: String) { #expect(message(text).hasPrefix(expected)) }

  @Test(
    "What makes no sense in a file is refused in every table, whichever command runs",
    arguments: ["", "[gates]\n", "[convert]\n", "[verify]\n"],
    ["config = \"x\"", "config = []", "no-config = true", "no-config = false", "help = true", "version = false"])
  func cannotBeConfigured(table: String, setting: String) throws {
    let name = setting.prefix { $0 != " " }
    #expect(message(table + setting) == "quern.toml:\(table.isEmpty ? 1 : 2): '\(name)' cannot be configured")
    #expect(throws: ConfigurationError.self) { try arguments(table + setting, 1, isNamed: true) }
  }

  @Test(
    "A file that the user did not name decides neither what is written nor what signs",
    arguments: [("convert", "report"), ("convert", "sign-key"), ("", "report")])
  func namesNoOutput(table: String, option: String) throws {
    let text = (table.isEmpty ? "" : "[\(table)]\n") + "\(option) = \"../x\""
    #expect(message(text).hasPrefix("quern.toml:\(table.isEmpty ? 1 : 2): '\(option)' names a file to write or a key"))
    // Whatever command runs.
    #expect(throws: ConfigurationError.self) { try arguments(text, 1) }
    #expect(try arguments(text, isNamed: true) == ["--\(option)=../x"])
  }

  @Test("Bytes that are not UTF-8 are refused")
  func refusesOtherEncodings() {
    #expect(throws: ConfigurationError.self) {
      try ConfigurationFile(path: "quern.toml", text: Array("seed = \"".utf8) + [0xff, 0x22])
    }
  }
}
