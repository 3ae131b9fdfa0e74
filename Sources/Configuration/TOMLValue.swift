import CTOML
import Files

/// A value of a TOML document, or one element of an array.
struct TOMLValue {
  enum Content {
    case string(String)
    case integer(Int)
    case float(Double)
    case boolean(Bool)
    case emptyArray
    /// A date, a time, an array in an array, or a table in an array.
    case other
  }

  /// The keys of the enclosing tables, joined by dots; "" at the top level.
  let table: String
  let key: String
  let content: Content
  let isElement: Bool
  /// From 1.
  let line: Int

  /// Parses a document. The elements of an array follow each other in their order.
  ///
  /// - Throws: `ConfigurationError` where the document is not TOML 1.0, or has a string that is no text of a file.
  static func parse(_ document: [UInt8], path: String) throws(ConfigurationError) -> [TOMLValue] {
    var visited = Visited()
    var message = [CChar](repeating: 0, count: 512)
    var line: UInt32 = 0
    let isValid = withUnsafeMutablePointer(to: &visited) { visited in
      document.withUnsafeBytes { bytes in
        quern_toml_parse(
          bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count,
          { context, value in
            guard let context, let value else { preconditionFailure("a visit has a context and a value") }
            context.assumingMemoryBound(to: Visited.self).pointee.add(value.pointee)
          }, visited, &message, message.count, &line) != 0
      }
    }
    guard isValid else {
      let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw ConfigurationError(path: path, line: Int(line), "not valid TOML: \(String(decoding: text, as: UTF8.self))")
    }
    if let line = visited.unusableLine {
      throw ConfigurationError(path: path, line: line, "a key or a string is not \(String.fileTextRule)")
    }
    return visited.values
  }

  private struct Visited {
    var values: [TOMLValue] = []
    /// The first line with a string that is no text of a file.
    var unusableLine: Int?

    mutating func add(_ value: quern_toml_value) {
      if let usable = TOMLValue(value) {
        values.append(usable)
      } else if unusableLine == nil {
        unusableLine = Int(value.line)
      }
    }
  }

  /// `nil` where a string is no text of a file.
  private init?(_ value: quern_toml_value) {
    guard let table = Self.text(value.table, value.table_length), let key = Self.text(value.key, value.key_length),
      let text = Self.text(value.text, value.text_length)
    else { return nil }
    (self.table, self.key) = (table, key)
    isElement = value.is_element != 0
    line = Int(value.line)
    content =
      switch value.kind {
      case quern_toml_string: .string(text)
      case quern_toml_integer: .integer(Int(value.integer))
      case quern_toml_float: .float(value.real)
      case quern_toml_boolean: .boolean(value.boolean != 0)
      case quern_toml_empty_array: .emptyArray
      default: .other
      }
  }

  private static func text(_ start: UnsafePointer<CChar>?, _ length: Int) -> String? {
    String(ofFile: UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : length))
  }
}
