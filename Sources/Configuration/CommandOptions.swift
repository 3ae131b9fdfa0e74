/// The options of a command, as far as configuration files need to know them.
package struct CommandOptions: Sendable, Hashable {
  /// An option or a flag.
  package struct Option: Sendable, Hashable {
    /// The long names without dashes; several are alternatives.
    package let longNames: [String]
    /// The letters of short names.
    package let letters: [Character]
    package let isFlag: Bool
    package let isRepeating: Bool

    package init(longNames: [String], letters: [Character] = [], isFlag: Bool, isRepeating: Bool = false) {
      self.longNames = longNames
      self.letters = letters
      self.isFlag = isFlag
      self.isRepeating = isRepeating
    }
  }

  /// The command's name.
  package let command: String
  package let options: [Option]

  package init(command: String, options: [Option]) {
    self.command = command
    self.options = options
  }

  /// The command that a command line names, and how many arguments that takes.
  ///
  /// - Parameter arguments: the command line without the name of the tool.
  package static func named(_ arguments: [String], in commands: [CommandOptions]) -> (CommandOptions, length: Int)? {
    for length in 1...2 where length <= arguments.count {
      let name = arguments.prefix(length).joined(separator: ".")
      if let command = commands.first(where: { $0.command == name }) { return (command, length) }
    }
    return nil
  }

  /// - Parameter name: a long name without dashes.
  func option(_ name: String) -> Option? { options.first { $0.longNames.contains(name) } }

  /// Whether arguments of a command line give the option, or its inverse.
  package func isGiven(_ option: Option, in arguments: [String]) -> Bool {
    let names = option.longNames.flatMap { name in
      [name, "no-" + name] + (name.hasPrefix("no-") ? [String(name.dropFirst(3))] : [])
    }
    return arguments.prefix { $0 != "--" }.contains { argument in
      if argument.hasPrefix("--") {
        return names.contains { argument == "--" + $0 || argument.hasPrefix("--\($0)=") }
      }
      return argument.hasPrefix("-") && option.letters.contains { argument.dropFirst().contains($0) }
    }
  }
}
