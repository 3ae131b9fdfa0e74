import Files
import FoundationEssentials

/// The members of a JSON object, for messages with its name.
struct JSONMembers {
  private let values: [String: PlainValue]
  private let name: String

  /// - Throws: `SignatureProblem.json` where the text is not JSON or has a key twice; `.member` where it is no object.
  init(_ text: [UInt8], _ name: String) throws(SignatureProblem) {
    try self.init(try JSONReader<SignatureProblem>.plainValue(of: ByteCursor(text)), name)
  }

  /// - Throws: `SignatureProblem.member` where the value is no object.
  init(_ value: PlainValue, _ name: String) throws(SignatureProblem) {
    guard case .dictionary(let values) = value else { throw .member(name, "is no object") }
    // Other keys could be equal to one of these in Swift, as the sign of Kelvin is to K, and not to other readers.
    guard values.keys.allSatisfy({ $0.utf8.allSatisfy { $0 < 0x80 } }) else {
      throw .member(name, "has a member whose name is not ASCII")
    }
    (self.values, self.name) = (values, name)
  }

  /// Whether there is a member, whatever its value.
  func has(_ key: String) -> Bool { values[key] != nil }

  /// A member that is a string, or absent, or null.
  func optionalString(_ key: String) throws(SignatureProblem) -> String? {
    switch values[key] {
    case nil, .null?: return nil
    case .string(let text)?: return text
    default: throw .member(path(key), "is no string")
    }
  }

  func string(_ key: String) throws(SignatureProblem) -> String {
    guard let text = try optionalString(key) else { throw .member(path(key), "is missing") }
    return text
  }

  func list(_ key: String) throws(SignatureProblem) -> [PlainValue] {
    guard case .list(let list)? = values[key] else { throw .member(path(key), "is missing or no array") }
    return list
  }

  func members(_ key: String) throws(SignatureProblem) -> JSONMembers {
    guard let value = values[key] else { throw .member(path(key), "is missing") }
    return try JSONMembers(value, path(key))
  }

  /// Checks that a member is a certain string.
  func expect(_ key: String, _ expected: String) throws(SignatureProblem) {
    let text = try string(key)
    // Strings that are canonically equivalent in Unicode are equal in Swift, but not to other readers.
    guard text.utf8.elementsEqual(expected.utf8) else {
      throw .member(path(key), "is '\(text.prefix(100))' instead of '\(expected)'")
    }
  }

  /// Refuses members other than these.
  func expectOnly(_ keys: Set<String>) throws(SignatureProblem) {
    guard let other = values.keys.filter({ !keys.contains($0) }).min() else { return }
    throw .member(path(String(other.prefix(100))), "is not a member of this object")
  }

  private func path(_ key: String) -> String { "\(name).\(key)" }
}

/// JSON of one line with sorted keys, so that the same value gives the same bytes.
enum JSONText {
  static func encode(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
  }
}
