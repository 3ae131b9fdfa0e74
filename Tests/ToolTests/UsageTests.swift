import Foundation
import Testing

/// Command lines with a slip, and errors for programs.
@Suite struct UsageTests {
  @Test(arguments: [
    (["convrt", "model.pth"], "did you mean 'convert'?"),
    (["help", "convrt"], "did you mean 'convert'?"),
    (["patch", "mke"], "did you mean 'make'?"),
    (["xyzzyq"], "there is no command 'xyzzyq'\n"),
    (["convert", "model.pth", "--calib", "photos", "-o", "m.quern"], "did you mean '--calibration'?"),
    (["convert", "model.pth", "--calibraton", "photos", "-o", "m.quern"], "did you mean '--calibration'?"),
    (["convert", "model.pth", "--calibraton=photos", "-o", "m.quern"], "did you mean '--calibration'?"),
    (["patch", "make", "a", "b", "--outptu", "c"], "'quern patch make' has no option '--outptu'"),
    (["verify", "a", "--refrence", "b", "--images", "c"], "did you mean '--reference'?"),
    (["embed", "a", "b", "-o", "-"], "-o -: an output is a file"),
    (["convert", "a", "--calibration", "b", "-o", "-"], "-o -: an output is a file"),
    (
      ["bench", "a", "--effort", "quick"],
      "'quern bench' has no option '--effort', but 'quern convert', 'quern plan' and 'quern analyze' have"
    ), (["convert", "a", "--top", "5"], "has no option '--top', but 'quern search' and 'quern classify' have"),
    (["convert", "a", "--calibration", "b", "-o", "c", "--effort", "quick"], "'fast', 'balanced' or 'thorough'"),
    (["inspect", "a", "--progress", "loud"], "'plain', 'tty', 'none' or 'json'"),
  ])
  func slipsGetAdvice(arguments: [String], advice: String) throws {
    let outcome = try Tool.run(arguments)
    #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome)")
    #expect(outcome.errors.contains(advice), "\(outcome.errors)")
  }

  /// Words that look like options, and are none.
  @Test func valuesAreNotTakenForOptions() throws {
    let outcome = try Tool.run(["inspect", "--", "--calib"])
    #expect(outcome.status == 66 && outcome.errors.contains("--calib: no such file"), "\(outcome)")
  }

  private static let numbers = [
    "--threads", "--seed", "--repetitions", "--calibration-count", "--max-image-pixels", "--output-stride",
    "--last-stride", "--max-mean-drift", "--max-drift", "--min-agreement", "--max-slowdown", "--time-budget",
    "--pooling-exponent", "--bn-epsilon", "--threshold", "--false-match-rate", "--dimensions", "--variance-floor",
    "--reference-embedding-tolerance",
  ]

  @Test(arguments: numbers, ["", "x", "nan", "1e999", "99999999999999999999999", "-1e3", "0x"])
  func numbersAreCheckedByOneRule(option: String, value: String) throws {
    let infinity = option == "--pooling-exponent" && value == "99999999999999999999999"
    let large = ["--max-slowdown", "--time-budget", "--reference-embedding-tolerance"].contains(option)
    let isValid = value == "99999999999999999999999" && (large || infinity)
    let isGate = ["--max-mean-drift", "--max-drift", "--min-agreement"].contains(option)
    let outcome = try Tool.run(
      ["convert", "never.pth", "--calibration", "never", "-o", "never.quern", "--whiten", "never", option, value])
    guard !isValid else { return #expect(outcome.status == 66, "\(outcome)") }
    #expect(outcome.status == 64, "\(outcome)")
    // Gates have their own wording for numbers out of range.
    let advice =
      isGate && Double(value)?.isFinite == true
      ? "\(option) " : "'\(value)' is invalid for '\(option) "
    #expect(outcome.errors.contains(advice), "\(outcome.errors)")
    #expect(outcome.errors.contains("give ") || outcome.errors.contains("out of range"), "\(outcome.errors)")
  }

  @Test func aNegativeSeedIsNamed() throws {
    let outcome = try Tool.run(["convert", "a", "--calibration", "b", "-o", "c", "--seed", "-1"])
    #expect(outcome.status == 64)
    #expect(
      outcome.errors.contains("The value '-1' is invalid for '--seed <n>': give a whole number of at least 0"),
      "\(outcome.errors)")
  }

  @Test(arguments: [
    (["inspect", "missing.quern"], 66, "missing.quern"), (["inspect", "/"], 65, nil),
    (["inspect"], 64, nil), (["inspct", "a"], 64, nil), (["embed", "a", "b", "-o", "-"], 64, nil),
    (["embed", Tool.checkpoint, "missing.jpg", "-o", "/tmp/never.safetensors"], 66, "missing.jpg"),
    (["classify", Tool.photographs, Tool.checkpoint], 65, nil),
  ])
  func errorsAreJSONForPrograms(arguments: [String], status: Int, file: String?) throws {
    let outcome = try Tool.run(arguments + ["--json"])
    let text = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(text["schema"] as? String == "quern.error/1")
    #expect(text["code"] as? Int == Int(outcome.status))
    if status != 65 || file != nil { #expect(Int(outcome.status) == status, "\(outcome)") }
    if let file { #expect(text["file"] as? String == file) }
    let message = try #require(text["message"] as? String)
    #expect(!message.isEmpty && outcome.errors.contains(message.split(separator: "\n")[0]), "\(outcome)")
  }

  /// A name in a file may have nearly as many bytes as the file.
  @Test func longMessagesAreCut() throws {
    let scratch = try Scratch()
    let name = String(repeating: "x", count: 900_000)
    let plan = try scratch.write(Data(#"{"schema":"quern.plan/1","\#(name)":1}"#.utf8), to: "plan.json")
    let outcome = try Tool.run([
      "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--plan", plan, "-o", scratch.path("x.quern"),
    ])
    #expect(outcome.status == 65 && outcome.errors.utf8.count < 10_000, "\(outcome.errors.utf8.count)")
    #expect(outcome.errors.contains("there is no field 'xxx") && outcome.errors.contains("bytes)"))
  }

  /// A `String` has no place for the bytes of such a name, which would become the name of another file.
  @Test(arguments: ["C", "C.UTF-8", "de_DE.ISO-8859-1"])
  func argumentsAreUTF8InEveryLocale(locale: String) throws {
    let scratch = try Scratch()
    let embed = ["embed", Tool.checkpoint, Tool.photographs + "/cat-00.jpg", "--size", "64", "--json", "-o"]
    let refused = try Tool.shell(
      #""$@" "$(printf 'caf\351.npy')""#, embed, in: scratch, environment: ["LC_ALL": locale])
    #expect(refused.status == 64, "\(refused)")
    #expect(refused.errors.contains(#"argument 8 is not UTF-8: caf\xE9.npy"#), "\(refused.errors)")
    let marks = try Tool.shell(
      #""$@" "$(printf '\314\201%.0s' $(seq 31)).npy""#, embed, in: scratch, environment: ["LC_ALL": locale])
    #expect(marks.status == 64 && marks.errors.contains("argument 8 is not UTF-8 with at most 30"), "\(marks)")
    let text = try #require(try JSONSerialization.jsonObject(with: Data(refused.output.utf8)) as? [String: Any])
    #expect(text["code"] as? Int == 64)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.folder.path).isEmpty)
    let written = try Tool.shell(
      #""$@" "$(printf 'caf\303\251.npy')""#, embed, in: scratch, environment: ["LC_ALL": locale])
    #expect(written.status == 0, "\(written)")
    #expect(FileManager.default.fileExists(atPath: scratch.path("café.npy")))
  }

  /// A configuration file cannot hide the options that it adds.
  @Test func onlyTheCommandLineSilencesTheConfigurationFile() throws {
    let scratch = try Scratch()
    _ = try scratch.write(Data("quiet = true\n[embed]\nsize = [64]\n".utf8), to: "quern.toml")
    let embed = ["embed", Tool.checkpoint, Tool.photographs + "/cat-00.jpg", "-o", "e.npy"]
    for named in [[], ["--config", "quern.toml"]] {
      let outcome = try Tool.shell("\"$@\"", embed + named, in: scratch)
      #expect(outcome.status == 0 && outcome.errors.hasPrefix("quern.toml: --size=64 --quiet\n"), "\(outcome)")
      for quiet in ["--quiet", "-q"] {
        let outcome = try Tool.shell("\"$@\"", embed + named + [quiet], in: scratch)
        #expect(outcome.status == 0 && !outcome.errors.contains("quern.toml"), "\(outcome)")
      }
    }
  }

  @Test func aCheckThatIsQuietPrintsNothing() throws {
    let outcome = try Tool.run(["inspect", Tool.checkpoint, "--check", "--quiet"])
    #expect(outcome.status == 0 && outcome.output.isEmpty && outcome.errors.isEmpty, "\(outcome)")
  }

  @Test func progressAsJSON() throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["embed", Tool.checkpoint, Tool.photographs, "--size", "64", "-o", scratch.path("a.npy"), "--progress", "json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("{") }
    let objects = try lines.map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let last = try #require(objects.last)
    #expect(objects.allSatisfy { $0["schema"] as? String == "quern.progress/1" && $0["unit"] as? String == "images" })
    #expect(last["done"] as? Int == last["total"] as? Int && last["finished"] as? Bool == true, "\(last)")
  }

  /// Nothing is drawn off a terminal, whatever is short.
  @Test(arguments: [[], ["--progress", "plain"], ["--progress", "none"]])
  func shortRunsAreSilentInLogs(options: [String]) throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["embed", Tool.checkpoint, Tool.photographs + "/admiral-00.jpg", "--size", "64", "-o", scratch.path("a.npy")]
        + options)
    #expect(outcome.status == 0 && !outcome.errors.contains("\u{1B}") && !outcome.errors.contains("0/1"), "\(outcome)")
  }
}
