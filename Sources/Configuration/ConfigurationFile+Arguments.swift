import Suggestions

extension ConfigurationFile {
  /// The arguments that the file adds to a command line: the settings of the command's table, those of `gates`, and
  /// those before the first table that the command has an option for, except what the command line gives itself. A
  /// command's table has precedence over the others.
  ///
  /// - Parameters:
  ///   - command: the command that runs.
  ///   - all: all commands, by which the file is checked.
  ///   - arguments: the command line after the command's name.
  ///   - isNamed: whether the user named the file. One that was found may have come with other files.
  /// - Throws: `ConfigurationError` for tables and options that no command has, values that an option cannot take, and
  ///   options in a file that was found which only the user may give (`namedOnly`).
  package func arguments(
    for command: CommandOptions, of all: [CommandOptions], given arguments: [String], isNamed: Bool
  ) throws(ConfigurationError) -> [String] {
    try check(all, isNamed: isNamed)
    var result: [String] = []
    var names: Set<String> = []
    for table in [command.command, Self.gates, ""] {
      for setting in tables[table] ?? [] {
        guard let option = command.option(setting.option), !names.contains(setting.option),
          !command.isGiven(option, in: arguments)
        else { continue }
        names.formUnion(option.longNames)
        result += try texts(setting, option, command)
      }
    }
    return result
  }

  private func texts(
    _ setting: Setting, _ option: CommandOptions.Option, _ command: CommandOptions
  ) throws(ConfigurationError) -> [String] {
    let name = setting.option
    switch setting.value {
    case .flag(let isSet):
      guard option.isFlag else { throw error(setting, "'\(name)' takes a value, not \(isSet)") }
      if isSet { return ["--" + name] }
      return command.option("no-" + name) == nil ? [] : ["--no-" + name]
    case .argument(let text):
      guard !option.isFlag else { throw error(setting, "'\(name)' is a flag: it must be true or false") }
      return ["--\(name)=\(text)"]
    case .arguments(let texts):
      guard option.isRepeating else { throw error(setting, "'\(name)' takes one value, not an array") }
      return texts.map { "--\(name)=\($0)" }
    }
  }

  /// Checks that every table is one of a command, and that its options exist and may stand in a file.
  private func check(_ commands: [CommandOptions], isNamed: Bool) throws(ConfigurationError) {
    for (table, settings) in tables.sorted(by: { $0.key < $1.key }) {
      guard let first = settings.first else { continue }
      let served = table.isEmpty || table == Self.gates ? commands : commands.filter { $0.command == table }
      if served.isEmpty {
        let names = commands.map(\.command) + [Self.gates]
        throw error(
          first,
          "there is no command '\(table)'\(suggestion(for: table, among: names)); tables are named after commands")
      }
      if let setting = settings.first(where: { Self.excluded.contains($0.option) }) {
        throw error(setting, "'\(setting.option)' cannot be configured")
      }
      for setting in settings where !served.contains(where: { $0.option(setting.option) != nil }) {
        let names = served.flatMap { $0.options.flatMap(\.longNames) }
        let owner = table.isEmpty || table == Self.gates ? "no command" : "'quern \(table)'"
        let verb = owner == "no command" ? "has" : "has no"
        throw error(
          setting, "\(owner) \(verb) option '\(setting.option)'\(suggestion(for: setting.option, among: names))")
      }
      if !isNamed, let setting = settings.first(where: { Self.namedOnly.contains($0.option) }) {
        throw error(
          setting,
          "'\(setting.option)' names a file to write or a key, which a file that was not named may not do: give it on the "
            + "command line, or name this file by --config")
      }
    }
  }

  /// Options that make no sense in a file.
  package static let excluded: Set<String> = ["config", "no-config", "help", "version"]

  /// Options that name what is written, what signs, and whose signatures count. A folder from somewhere else would
  /// otherwise replace the user's files, and sign with the user's keys, as soon as a command is run in it.
  package static let namedOnly: Set<String> = [
    "output", "report", "html", "resume", "sign-key", "sign-passphrase-file", "key", "passphrase-file", "public-key",
    "signature",
  ]

  private func error(_ setting: Setting, _ message: String) -> ConfigurationError {
    ConfigurationError(path: path, line: setting.line, message)
  }
}
