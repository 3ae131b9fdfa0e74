import Files
import FoundationEssentials

/// A JSON document of a file, whose free-form members (`JSONValue`) are decoded in linear time.
///
/// A `Decoder` does not tell what a value is: each wrong guess throws an error with the path to the value, and a
/// document of a megabyte has hundreds of thousands of values. So the text is read once by our own reader, and a
/// `JSONValue` that is decoded from it looks its value up.
package struct JSONDocument: Sendable {
  /// Our deepest documents, the metadata of packages, have six levels.
  private static let depthLimit = 16
  /// A plan has less than twenty values for each layer.
  fileprivate static let valueLimit = 1 << 17

  /// The whole document.
  package let value: JSONValue
  private let data: Data

  /// - Throws: `DecodingError.dataCorrupted`, with a description that completes "the file cannot be read:", where the
  ///   text is not JSON, is nested too deeply, has too many values, or has an object with a key twice.
  package init(_ data: Data) throws(DecodingError) {
    guard !JSONDepth.exceeds(Self.depthLimit, data) else {
      throw Self.error("its values are nested more than \(Self.depthLimit) deep")
    }
    do throws(JSONProblem) {
      value = try JSONReader<JSONProblem>.jsonValue(of: Array(data))
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
    if let key = Self.valueKey { decoder.userInfo[key] = value }
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
    guard let key = valueKey, var value = decoder.userInfo[key] as? JSONValue else { return nil }
    for key in decoder.codingPath {
      switch value {
      case .object(let members):
        guard let member = members[key.stringValue] else { throw error("it has no '\(key.stringValue)'") }
        value = member
      case .array(let elements):
        guard let index = key.intValue, elements.indices.contains(index) else { throw error("an array is too short") }
        value = elements[index]
      default: throw error("a value has no members")
      }
    }
    return value
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

extension JSONReader {
  /// Reads a text that is one value. Its depth must have been checked.
  fileprivate static func jsonValue(of text: [UInt8]) throws(Failure) -> JSONValue {
    var json = JSONReader(cursor: ByteCursor(text))
    // A byte order mark, which editors of plans may have written.
    if json.cursor.starts(with: [0xEF, 0xBB, 0xBF]) { for _ in 0..<3 { json.advance() } }
    var room = JSONDocument.valueLimit
    let value = try json.jsonValue(&room)
    json.skipBlanks()
    guard json.cursor.isAtEnd else { throw json.malformed("there is more after the value") }
    return value
  }

  /// - Parameter room: how many more values there may be.
  private mutating func jsonValue(_ room: inout Int) throws(Failure) -> JSONValue {
    guard room > 0 else {
      throw .limitExceeded(what: "values", offset: cursor.offset, limit: JSONDocument.valueLimit)
    }
    room -= 1
    skipBlanks()
    switch peek() {
    case UInt8(ascii: "{"):
      var members: [String: JSONValue] = [:]
      try object { (json, key, offset) throws(Failure) in
        guard members.updateValue(try json.jsonValue(&room), forKey: key) == nil else {
          throw .malformed(field: "JSON", offset: offset, reason: "an object has a key twice")
        }
      }
      return .object(members)
    case UInt8(ascii: "["):
      var values: [JSONValue] = []
      try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(Failure) in
        values.append(try json.jsonValue(&room))
      }
      return .array(values)
    case UInt8(ascii: "\""): return .string(try string())
    default: return try jsonLiteral()
    }
  }

  /// Reads a number, true, false or null.
  private mutating func jsonLiteral() throws(Failure) -> JSONValue {
    let start = cursor.offset
    while let byte = peek(), "+-.0123456789aeflnrstuE".utf8.contains(byte) { advance() }
    let text = String(decoding: cursor.storage.bytes[start..<cursor.offset], as: UTF8.self)
    switch text {
    case "null": return .null
    case "true": return .bool(true)
    case "false": return .bool(false)
    default:
      let isNumber = text.utf8.first.map { $0 == UInt8(ascii: "-") || (0x30...0x39).contains($0) } ?? false
      if isNumber, let value = Int(text) { return .int(value) }
      guard isNumber, let value = Double(text), value.isFinite else {
        throw .malformed(field: "JSON", offset: start, reason: "a value was expected")
      }
      return Int(exactly: value).map { .int($0) } ?? .number(value)
    }
  }
}
