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

  /// A member that is an array of strings.
  func strings(_ key: String) throws(SignatureProblem) -> [String] {
    var strings: [String] = []
    for value in try list(key) {
      guard case .string(let text) = value else { throw .member(path(key), "has an element that is no string") }
      strings.append(text)
    }
    return strings
  }

  /// A member that is an array of objects.
  func objects(_ key: String) throws(SignatureProblem) -> [JSONMembers] {
    var objects: [JSONMembers] = []
    for (index, value) in try list(key).enumerated() {
      objects.append(try JSONMembers(value, "\(path(key))[\(index)]"))
    }
    return objects
  }

  func members(_ key: String) throws(SignatureProblem) -> JSONMembers {
    guard let value = values[key] else { throw .member(path(key), "is missing") }
    return try JSONMembers(value, path(key))
  }

  /// A member that is an object, or absent, or null.
  func optionalMembers(_ key: String) throws(SignatureProblem) -> JSONMembers? {
    switch values[key] {
    case nil, .null?: return nil
    case .some(let value): return try JSONMembers(value, path(key))
    }
  }

  func bool(_ key: String) throws(SignatureProblem) -> Bool {
    guard case .bool(let value)? = values[key] else { throw .member(path(key), "is missing or neither true nor false") }
    return value
  }

  /// A member that is a string of decimal digits, as Protocol Buffers write integers of 64 bits in JSON.
  func count(_ key: String) throws(SignatureProblem) -> UInt64 {
    let text = try string(key)
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = UInt64(text) else {
      throw .member(path(key), "is no integer in decimal digits")
    }
    return value
  }

  /// The bytes of a member in base 64.
  func base64(_ key: String) throws(SignatureProblem) -> [UInt8] { try Self.base64(try string(key), path(key)) }

  /// The bytes of a text in base 64 (RFC 4648, section 4).
  ///
  /// - Parameter name: the name of the member, for messages.
  static func base64(_ text: String, _ name: String) throws(SignatureProblem) -> [UInt8] {
    // One form only: the bits that pad the last byte are zero.
    guard let data = Data(base64Encoded: text), !data.isEmpty, data.base64EncodedString() == text else {
      throw .member(name, "is not in base 64")
    }
    return Array(data)
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
