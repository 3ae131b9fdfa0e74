import Configuration
import FoundationEssentials

/// The commands and their options, as the argument parser describes them.
enum CommandCatalogue {
  /// Every command that does something; a subcommand's name follows its command's name after a dot.
  ///
  /// - Throws: `DecodingError` where the argument parser's description has another form, which would be a defect.
  static func commands() throws -> [CommandOptions] {
    let description = try JSONDecoder().decode(Description.self, from: Data(Quern._dumpHelp().utf8))
    return description.command.subcommands?.flatMap { $0.commands(after: "") } ?? []
  }

  /// The part of the description that is needed; its form is `ToolInfoV0` of swift-argument-parser.
  private struct Description: Decodable {
    let command: Command

    struct Command: Decodable {
      let commandName: String
      let subcommands: [Command]?
      let arguments: [Argument]?

      func commands(after prefix: String) -> [CommandOptions] {
        let inner = (subcommands ?? []).filter { $0.commandName != "help" }
        guard inner.isEmpty else { return inner.flatMap { $0.commands(after: prefix + commandName + ".") } }
        let options = (arguments ?? []).filter { $0.kind != "positional" }.map(\.option)
        return [CommandOptions(command: prefix + commandName, options: options)]
      }
    }

    struct Argument: Decodable {
      let kind: String
      let isRepeating: Bool
      let names: [Name]?

      var option: CommandOptions.Option {
        let names = names ?? []
        return CommandOptions.Option(
          longNames: names.filter { $0.kind != "short" }.map(\.name),
          letters: names.filter { $0.kind == "short" }.compactMap(\.name.first), isFlag: kind == "flag",
          isRepeating: isRepeating)
      }
    }

    struct Name: Decodable {
      let kind: String
      let name: String
    }
  }
}
