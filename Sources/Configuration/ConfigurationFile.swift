import CTOML

/// The options that a `quern.toml` states, table by table, as formats/configuration.md specifies.
package struct ConfigurationFile: Sendable, Hashable {
  /// What the file states for one option.
  package struct Setting: Sendable, Hashable {
    package enum Value: Sendable, Hashable {
      /// Whether a flag is set.
      case flag(Bool)
      /// The text of an option's argument.
      case argument(String)
      /// The texts of an option that is given several times.
      case arguments([String])
    }

    /// The option's name without the dashes.
    package let option: String
    package var value: Value
    /// The line of the value, from 1.
    package let line: Int
  }

  /// The table whose options are those of every command that has them.
  package static let gates = "gates"

  package let path: String
  /// The settings by table; "" has those that stand before the first table. Within a table they are in order of lines.
  package private(set) var tables: [String: [Setting]] = [:]

  /// - Parameters:
  ///   - path: the file's path, for messages.
  ///   - text: the TOML document, UTF-8.
  /// - Throws: `ConfigurationError` where it is not TOML 1.0, or a value can be no option's argument.
  package init(path: String, text: [UInt8]) throws(ConfigurationError) {
    self.path = path
    for value in try TOMLValue.parse(text, path: path) {
      let argument = try Self.setting(value, path: path)
      // The list is taken out of the value, so that it grows in place.
      if value.isElement, case .arguments? = tables[value.table]?.last?.value,
        tables[value.table]?.last?.option == value.key, case .arguments(let more) = argument.value,
        var setting = tables[value.table]?.popLast(), case .arguments(var texts) = setting.value
      {
        setting.value = .flag(false)
        texts += more
        setting.value = .arguments(texts)
        tables[value.table]?.append(setting)
      } else {
        tables[value.table, default: []].append(argument)
      }
    }
    for table in tables.keys { tables[table]?.sort { ($0.line, $0.option) < ($1.line, $1.option) } }
  }

  private static func setting(_ value: TOMLValue, path: String) throws(ConfigurationError) -> Setting {
    func setting(_ result: Setting.Value) -> Setting { Setting(option: value.key, value: result, line: value.line) }
    let text: String
    switch value.content {
    case .string(let string): text = string
    case .integer(let number): text = String(number)
    case .float(let number): text = "\(number)"
    case .boolean(let isSet) where !value.isElement: return setting(.flag(isSet))
    case .emptyArray: return setting(.arguments([]))
    case .boolean, .other:
      throw ConfigurationError(
        path: path, line: value.line,
        "'\(value.key)' must be a string, a number, true, false, or an array of strings and numbers")
    }
    return setting(value.isElement ? .arguments([text]) : .argument(text))
  }
}
