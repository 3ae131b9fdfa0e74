/// The value of one operator attribute. The cases are the wire types of formats/package.md, "Attributes".
package enum AttributeValue: Hashable, Sendable {
  case int(Int)
  case float(Double)
  case string(String)
  case ints([Int])
  case floats([Double])
}

extension AttributeValue: CustomStringConvertible {
  package var description: String {
    switch self {
    case .int(let value): "\(value)"
    case .float(let value): "\(value)"
    case .string(let value): value
    case .ints(let values): "[\(values.map(String.init).joined(separator: ","))]"
    case .floats(let values): "[\(values.map { "\($0)" }.joined(separator: ","))]"
    }
  }
}

extension AttributeValue {
  /// The number of elements of a list up to which it is shown whole.
  package static let shownElements = 16
  /// The number of bytes of a text up to which it is shown whole, and that are shown of longer ones.
  package static let shownBytes = 256

  /// The value for people: long lists are shown by their length and first element, and long texts by their beginning.
  package var excerpt: String {
    switch self {
    case .ints(let values) where values.count > Self.shownElements: "\(values.count) numbers, the first \(values[0])"
    case .floats(let values) where values.count > Self.shownElements: "\(values.count) numbers, the first \(values[0])"
    case .string(let text) where text.utf8.count > Self.shownBytes:
      "\(text.utf8.count) bytes: \(String(decoding: text.utf8.prefix(Self.shownBytes), as: UTF8.self))"
    default: description
    }
  }
}

/// An operator's attributes by name, in the portable form that packages store and `inspect` prints.
package struct Attributes: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  /// All attributes by name.
  package private(set) var values: [String: AttributeValue]

  package init(_ values: [String: AttributeValue] = [:]) { self.values = values }

  package init(dictionaryLiteral elements: (String, AttributeValue)...) {
    values = Dictionary(uniqueKeysWithValues: elements)
  }

  /// The attribute of a name; `nil` where it is absent. Assigning `nil` removes it.
  package subscript(name: String) -> AttributeValue? {
    get { values[name] }
    set { values[name] = newValue }
  }

  /// The attributes in the order in which packages store them: by the UTF-8 bytes of their names.
  package var sorted: [(name: String, value: AttributeValue)] {
    values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
  }

  /// The value of an attribute that must be an integer.
  ///
  /// - Throws: `GraphError.attribute` where it is missing or of another type.
  package func int(_ name: String) throws(GraphError) -> Int {
    guard case .int(let value)? = values[name] else { throw .attribute(name: name, expected: "an integer") }
    return value
  }

  /// The value of an attribute that must be a floating-point number.
  ///
  /// - Throws: `GraphError.attribute` where it is missing or of another type.
  package func float(_ name: String) throws(GraphError) -> Double {
    guard case .float(let value)? = values[name] else { throw .attribute(name: name, expected: "a number") }
    return value
  }

  /// The value of an attribute that must be a string.
  ///
  /// - Throws: `GraphError.attribute` where it is missing or of another type.
  package func string(_ name: String) throws(GraphError) -> String {
    guard case .string(let value)? = values[name] else { throw .attribute(name: name, expected: "a string") }
    return value
  }

  /// The value of an attribute that must be a list of `count` integers.
  ///
  /// - Throws: `GraphError.attribute` where it is missing, of another type, or of another length.
  package func ints(_ name: String, count: Int) throws(GraphError) -> [Int] {
    guard case .ints(let value)? = values[name], value.count == count else {
      throw .attribute(name: name, expected: "\(count) integers")
    }
    return value
  }
}
