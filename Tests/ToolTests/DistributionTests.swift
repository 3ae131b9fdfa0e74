import Foundation
import Testing

/// `diff`, `patch` and `deb`, on packages that ship with the project.
@Suite struct DistributionTests {
  private static let old = Tool.root.appendingPathComponent("fixtures/packages/version-1.0.quern").path
  private static let new = Tool.root.appendingPathComponent("fixtures/packages/worked-example.quern").path

  private static func json(_ outcome: Tool.Outcome) throws -> [String: Any] {
    try #require(
      try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any], "\(outcome.errors)")
  }

  @Test func differencesAreReported() throws {
    let outcome = try Tool.run(["diff", Self.old, Self.new, "--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try Self.json(outcome)
    #expect(report["schema"] as? String == "quern.diff/1" && report["is_same"] as? Bool == false)
    let graph = try #require(report["graph"] as? [String: Any])
    // Both have a node "conv1", of different operators.
    #expect((graph["added"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["pool"])
    #expect((graph["removed"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["fc"])
    #expect((graph["changed"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["conv1"])
    #expect((report["labels"] as? [[String: Any]])?.count == 2)
    let text = try Tool.run(["diff", Self.old, Self.new])
    #expect(text.output.contains("+ pool  gem_pooling\n") && text.output.contains("- fc  toy\n"))
    #expect(text.output.contains("operator toy -> convolution"))
  }

  @Test func exitCodesFollowTheOption() throws {
    #expect(try Tool.run(["diff", Self.old, Self.old, "--exit-code"]).status == 0)
    #expect(try Tool.run(["diff", Self.old, Self.new, "--exit-code"]).status == 1)
    #expect(try Tool.run(["diff", Self.old, Self.new]).status == 0)
    #expect(try Tool.run(["diff", Self.old, Tool.checkpoint]).status == 65)
    #expect(try Tool.run(["diff", Self.old, "/nowhere"]).status == 66)
  }

  @Test func reportsAreComparedFigureByFigure() throws {
    let scratch = try Scratch()
    for effort in ["fast", "balanced"] {
      let outcome = try Tool.run(
        [
          "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "24", "--size", "64",
          "--effort", effort, "-o", scratch.path("\(effort).quern"), "--report", scratch.path("\(effort).json"), "-q",
        ])
      // A gate may fail with the least effort.
      #expect(outcome.status <= 1, "\(outcome.errors)")
    }
    let (fast, balanced) = (scratch.path("fast.json"), scratch.path("balanced.json"))
    let better = try Self.json(try Tool.run(["diff", fast, balanced, "--json"]))
    #expect(better["schema"] as? String == "quern.diff.report/1" && better["regressed"] as? Int == 0, "\(better)")
    let page = scratch.path("change.html")
    let worse = try Tool.run(["diff", balanced, fast, "--exit-code", "-o", page])
    #expect(worse.status == 1 && worse.output.contains("regressed: mean drift"), "\(worse)")
    #expect(try String(contentsOfFile: page, encoding: .utf8).contains("REGRESSED"))
    let same = try Tool.run(["diff", fast, fast, "--exit-code"])
    #expect(same.status == 0 && same.output.hasPrefix("the figures are the same"), "\(same)")
    #expect(try Tool.run(["diff", fast, scratch.path("fast.quern")]).status == 65)
    #expect(try Tool.run(["diff", fast, balanced, "-o", fast]).status == 64)
  }

  @Test func patchesMakeTheNewPackage() throws {
    let scratch = try Scratch()
    let (patch, made) = (scratch.path("p.qpatch"), scratch.path("made.quern"))
    let make = try Tool.run(["patch", "make", Self.old, Self.new, "-o", patch, "--json"])
    #expect(make.status == 0, "\(make.errors)")
    #expect(try Self.json(make)["schema"] as? String == "quern.patch/1")
    let apply = try Tool.run(["patch", "apply", Self.old, patch, "-o", made, "--json"])
    #expect(apply.status == 0, "\(apply.errors)")
    #expect(try Self.json(apply)["is_exact"] as? Bool == true)
    #expect(try Data(contentsOf: URL(fileURLWithPath: made)) == Data(contentsOf: URL(fileURLWithPath: Self.new)))
  }

  @Test func nothingIsWrittenForAnotherPackage() throws {
    let scratch = try Scratch()
    let (patch, made) = (scratch.path("p.qpatch"), scratch.path("made.quern"))
    #expect(try Tool.run(["patch", "make", Self.old, Self.new, "-o", patch]).status == 0)
    let wrong = try Tool.run(["patch", "apply", Self.new, patch, "-o", made])
    #expect(wrong.status == 65 && wrong.errors.contains(Self.new) && wrong.errors.contains("not the package"))
    #expect(!FileManager.default.fileExists(atPath: made))
    var bytes = try Data(contentsOf: URL(fileURLWithPath: patch))
    bytes[bytes.count - 1] ^= 1
    let damaged = try scratch.write(bytes, to: "damaged.qpatch")
    #expect(try Tool.run(["patch", "apply", Self.old, damaged, "-o", made]).status == 65)
    #expect(!FileManager.default.fileExists(atPath: made))
    #expect(try Tool.run(["patch", "apply", Self.old, Self.new, "-o", made]).status == 65)
    // Neither command writes to what it reads, nor under the name of another format.
    #expect(try Tool.run(["patch", "apply", Self.old, patch, "-o", patch]).status == 64)
    #expect(try Tool.run(["patch", "make", Self.old, Self.new, "-o", made]).status == 64)
  }

  private static let fields = [
    "--name", "quern-weights-toy", "--version", "1.0-1", "--license", "MIT", "--maintainer", "Ada <ada@example.org>",
  ]

  @Test func debianPackagesAreReproducible() throws {
    let scratch = try Scratch()
    let (first, second, dated) = (scratch.path("1.deb"), scratch.path("2.deb"), scratch.path("3.deb"))
    let deb = ["deb", Self.old] + Self.fields
    let outcome = try Tool.run(deb + ["-o", first, "--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try Self.json(outcome)
    #expect(report["installed_path"] as? String == "/usr/share/quern/models/quern-weights-toy.quern")
    #expect(try Tool.run(deb + ["-o", second, "--threads", "1"], environment: ["TZ": "Asia/Tokyo"]).status == 0)
    #expect(try Tool.run(deb + ["-o", dated], environment: ["SOURCE_DATE_EPOCH": "1790000000"]).status == 0)
    let contents = try [first, second, dated].map { try Data(contentsOf: URL(fileURLWithPath: $0)) }
    #expect(contents[0] == contents[1] && contents[0] != contents[2])
  }

  @Test(arguments: [
    ["--name", "Upper"], ["--name", "a"], ["--version", "v1"], ["--version", "1.0-"], ["--maintainer", "Ada"],
    ["--license", "not a licence"], ["--copyright", "two\nlines"],
  ])
  func fieldsThatDebianRefusesAreUsageErrors(option: [String]) throws {
    let scratch = try Scratch()
    var arguments = Self.fields
    if let index = arguments.firstIndex(of: option[0]) { arguments[index + 1] = option[1] } else { arguments += option }
    let outcome = try Tool.run(["deb", Self.old, "-o", scratch.path("p.deb")] + arguments)
    #expect(outcome.status == 64, "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("p.deb")))
  }

  @Test func packagesNeedALicence() throws {
    let scratch = try Scratch()
    let arguments = ["deb", Self.old, "-o", scratch.path("p.deb"), "--name", "ab", "--version", "1"]
    let outcome = try Tool.run(arguments + ["--maintainer", "Ada <ada@example.org>"])
    #expect(outcome.status == 64 && outcome.errors.contains("--license"), "\(outcome.errors)")
  }

  @Test func maintainersComeFromTheEnvironment() throws {
    let scratch = try Scratch()
    let arguments = ["deb", Self.old, "-o", scratch.path("p.deb")] + Self.fields.dropLast(2)
    #expect(try Tool.run(arguments, environment: ["DEBFULLNAME": "", "DEBEMAIL": ""]).status == 64)
    #expect(try Tool.run(arguments, environment: ["DEBFULLNAME": "Ada", "DEBEMAIL": "ada@example.org"]).status == 0)
  }

  @Test func datesMustBeNumbers() throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["deb", Self.old, "-o", scratch.path("p.deb")] + Self.fields, environment: ["SOURCE_DATE_EPOCH": "today"])
    #expect(outcome.status == 64 && outcome.errors.contains("SOURCE_DATE_EPOCH"))
  }
}
