import Files
import FoundationEssentials
import Tensors

/// A JSON document of a file, whose free-form members (`JSONValue`) are decoded in linear time.
///
/// A `Decoder` does not tell what a value is: each wrong guess throws an error with the path to the value, and a
/// document of a megabyte has hundreds of thousands of values. So the text is read once by our own reader, and a
/// `JSONValue` that is decoded from it looks its value up.
package struct JSONDocument: Sendable {
  /// A plan has less than twenty values for each layer. Our deepest documents, the metadata of packages, have six
  /// levels, and a decoder takes time in proportion to the depth for each value.
  private static let limits = JSONLimits(values: 1 << 17, depth: 16)

  private let plain: PlainValue
  private let data: Data

  /// The whole document.
  package var value: JSONValue { JSONValue(plain) }

  /// - Throws: `DecodingError.dataCorrupted`, with a description that completes "the file cannot be read:", where the
  ///   text is not JSON, is nested too deeply, has too many values, or has an object with a key twice.
  package init(_ data: Data) throws(DecodingError) {
    do throws(JSONProblem) {
      plain = try JSONReader<JSONProblem>.plainValue(
        ofFile: TensorStorage(byteCount: data.count) { $0.copyBytes(from: data) }, limits: Self.limits)
    } catch {
      throw Self.error(error.reason)
    }
    self.data = data
  }

  /// The document as a value of a type.
  ///
  /// - Throws: `DecodingError` where the document is none.
  package func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
    let decoder = JSONDecoder()
    if let key = Self.valueKey { decoder.userInfo[key] = plain }
    return try decoder.decode(type, from: data)
  }

  /// The strings of a text that is a JSON array of strings, of any number; `nil` for other texts.
  package static func strings(_ text: String) -> [String]? {
    var json = JSONReader<JSONProblem>(cursor: ByteCursor(Array(text.utf8)))
    json.skipBlanks()
    guard let strings = try? json.strings() else { return nil }
    json.skipBlanks()
    return json.cursor.isAtEnd ? strings : nil
  }

  private static func error(_ reason: String) -> DecodingError {
    .dataCorrupted(DecodingError.Context(codingPath: [], debugDescription: reason))
  }

  private static let valueKey = CodingUserInfoKey(rawValue: "quern.document")

  /// The value that a decoder is at; `nil` for decoders that are not those of a `JSONDocument`.
  ///
  /// - Throws: `DecodingError.dataCorrupted` where the document has no such value.
  static func value(at decoder: any Decoder) throws -> JSONValue? {
    guard let key = valueKey, var value = decoder.userInfo[key] as? PlainValue else { return nil }
    for key in decoder.codingPath {
      switch value {
      case .dictionary(let members):
        guard let member = members[key.stringValue] else { throw error("it has no '\(key.stringValue)'") }
        value = member
      case .list(let elements):
        guard let index = key.intValue, elements.indices.contains(index) else { throw error("an array is too short") }
        value = elements[index]
      default: throw error("a value has no members")
      }
    }
    return JSONValue(value)
  }
}

extension KeyedDecodingContainer {
  /// Decodes free-form members. Compilers choose this function for properties of this type as well; the general one
  /// would look up each member by itself.
  package func decode(_ type: [String: JSONValue].Type, forKey key: Key) throws -> [String: JSONValue] {
    guard let members = try decode(JSONValue.self, forKey: key).members else {
      throw DecodingError.typeMismatch(
        type, DecodingError.Context(codingPath: codingPath + [key], debugDescription: "expected an object"))
    }
    return members
  }

  /// The same for members that may be absent or null.
  package func decodeIfPresent(_ type: [String: JSONValue].Type, forKey key: Key) throws -> [String: JSONValue]? {
    guard contains(key), try !decodeNil(forKey: key) else { return nil }
    return try decode(type, forKey: key)
  }
}

/// Why a text is not a document.
private struct JSONProblem: JSONFailure {
  let reason: String

  static func truncated(_ error: ByteCursorError) -> Self { Self(reason: "it is not JSON: \(error)") }

  static func malformed(field: String, offset: Int, reason: String) -> Self {
    Self(reason: "it is not JSON: \(reason) at byte \(offset)")
  }

  static func limitExceeded(what: String, offset: Int, limit: Int) -> Self {
    Self(reason: "it has more than \(limit) \(what) at byte \(offset)")
  }
}

extension JSONValue {
  /// An integral number is an integer, however it was written.
  fileprivate init(_ value: PlainValue) {
    self =
      switch value {
      case .null: .null
      case .bool(let value): .bool(value)
      case .int(let value): .int(value)
      case .double(let value): Int(exactly: value).map { .int($0) } ?? .number(value)
      case .string(let value): .string(value)
      case .list(let values): .array(values.map(JSONValue.init))
      case .dictionary(let members): .object(members.mapValues(JSONValue.init))
      }
  }
}
