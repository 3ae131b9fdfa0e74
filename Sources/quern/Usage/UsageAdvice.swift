import Configuration
import Files
import PrintableText
import Suggestions

/// A command line that the argument parser refuses for a reason that can be said better than it does.
struct UsageError: MultilineError, CustomStringConvertible {
  /// What is wrong, and where to read more.
  let lines: [String]

  init(_ problem: String, see help: String) { lines = [problem, "See '\(help) --help'."] }

  /// - Parameters:
  ///   - argument: an argument that is not UTF-8, or has more combining marks in a row than a text may.
  ///   - number: its place on the command line, from 1.
  init(notText argument: UnsafeRawBufferPointer, number: Int) {
    let shown = argument.map { byte in
      (0x20..<0x7F).contains(byte)
        ? String(UnicodeScalar(byte)) : "\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))"
    }.joined()
    guard String(validating: argument, as: UTF8.self) == nil else {
      self.init(
        "argument \(number) is not \(String.fileTextRule): \(shown). Rename a file that has such a name", see: "quern")
      return
    }
    self.init(
      "argument \(number) is not UTF-8: \(shown). Arguments must be UTF-8 in every locale; rename a file that has such a "
        + "name, as 'convmv' does, or set the terminal to UTF-8 if the name was typed",
      see: "quern")
  }

  var description: String { lines.joined(separator: "\n") }
}

/// Finds what is wrong with a command line that the argument parser refused.
///
/// The parser checks for missing arguments first, so that it answers a misspelt option with the name of the one that it
/// misses; and it takes an argument that begins with a dash for an option.
struct UsageAdvice {
  private let arguments: [String]
  private let commands: [CommandOptions]

  /// - Parameter arguments: the command line without the name of the tool.
  /// - Throws: `DecodingError` where the argument parser's description of the commands has an unexpected form.
  init(_ arguments: [String]) throws {
    self.arguments = arguments
    commands = try CommandCatalogue.commands()
  }

  /// A misspelt command or option; `nil` where there is none.
  var problem: UsageError? {
    guard let first = arguments.first, !first.hasPrefix("-") else { return nil }
    let words = first == "help" ? Array(arguments.dropFirst()) : arguments
    if let problem = commandProblem(words) { return problem }
    return first == "help" ? nil : optionProblem
  }

  /// The same command line, with negative numbers as parts of the options that they follow: `--seed=-1` instead of
  /// `--seed -1`, which the parser takes for two options.
  var withNegativeNumbers: [String] {
    guard let (command, length) = CommandOptions.named(arguments, in: commands) else { return arguments }
    var result: [String] = []
    for (index, argument) in arguments.enumerated() {
      if index > length, let last = result.last, takesValue(last, command), isNegativeNumber(argument) {
        result[result.count - 1] = "\(last)=\(argument)"
      } else {
        result.append(argument)
      }
    }
    return result
  }

  private func commandProblem(_ words: [String]) -> UsageError? {
    guard let first = words.first, !first.hasPrefix("-") else { return nil }
    let names = commands.map { $0.command.split(separator: ".").map(String.init) }
    if !names.contains(where: { $0[0] == first }) {
      return UsageError(
        "there is no command '\(first)'\(suggestion(for: first, among: names.map { $0[0] }))", see: "quern")
    }
    guard !names.contains([first]), words.count > 1, !words[1].hasPrefix("-"), !names.contains([first, words[1]])
    else { return nil }
    let inner = names.filter { $0[0] == first }.map { $0[1] }
    return UsageError(
      "'quern \(first)' has no command '\(words[1])'\(suggestion(for: words[1], among: inner))", see: "quern \(first)")
  }

  private var optionProblem: UsageError? {
    guard let (command, length) = CommandOptions.named(arguments, in: commands) else { return nil }
    let names = command.options.flatMap(\.longNames)
    var isValue = false
    for argument in arguments.dropFirst(length) {
      if argument == "--" { return nil }
      defer { isValue = !isValue && takesValue(argument, command) }
      guard !isValue, argument.hasPrefix("--"), let name = argument.dropFirst(2).split(separator: "=").first else {
        continue
      }
      if names.contains(String(name)) || Self.common.contains(String(name)) { continue }
      let advice = elsewhere(String(name)) ?? suggestion(for: String(name), among: names, prefix: "--")
      return UsageError("'\(Self.shown(command))' has no option '--\(name)'\(advice)", see: Self.shown(command))
    }
    return nil
  }

  private static func shown(_ command: CommandOptions) -> String {
    "quern \(command.command.replacing(".", with: " "))"
  }

  /// The commands that have an option, as the end of a sentence; `nil` where none has it.
  private func elsewhere(_ option: String) -> String? {
    let others = commands.filter { $0.options.contains { $0.longNames.contains(option) } }.map { "'\(Self.shown($0))'" }
    return others.isEmpty ? nil : ", but \(listed(others)) \(others.count == 1 ? "has" : "have")"
  }

  /// Options that the parser adds to every command.
  private static let common: Set<String> = ["help", "version"]

  /// Whether an argument is an option whose value is the next argument.
  private func takesValue(_ argument: String, _ command: CommandOptions) -> Bool {
    guard argument.hasPrefix("-"), !argument.contains("=") else { return false }
    return command.options.contains { option in
      !option.isFlag
        && (option.longNames.contains { "--" + $0 == argument } || option.letters.contains { "-\($0)" == argument })
    }
  }

  private func isNegativeNumber(_ argument: String) -> Bool {
    argument.hasPrefix("-") && (Double(argument).map { !$0.isNaN } ?? false)
  }
}
