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

/// An operator's attributes by name, in the portable form that packages store and `inspect` prints.
package struct Attributes: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  package private(set) var values: [String: AttributeValue]

  package init(_ values: [String: AttributeValue] = [:]) { self.values = values }

  package init(dictionaryLiteral elements: (String, AttributeValue)...) {
    values = Dictionary(uniqueKeysWithValues: elements)
  }

  package subscript(name: String) -> AttributeValue? {
    get { values[name] }
    set { values[name] = newValue }
  }

  /// Sorted by name, the order in which packages store them.
  package var sorted: [(name: String, value: AttributeValue)] {
    values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { ($0.key, $0.value) }
  }

  package func int(_ name: String) throws(GraphError) -> Int {
    guard case .int(let value)? = values[name] else { throw .attribute(name: name, expected: "an integer") }
    return value
  }

  package func float(_ name: String) throws(GraphError) -> Double {
    guard case .float(let value)? = values[name] else { throw .attribute(name: name, expected: "a number") }
    return value
  }

  package func string(_ name: String) throws(GraphError) -> String {
    guard case .string(let value)? = values[name] else { throw .attribute(name: name, expected: "a string") }
    return value
  }

  package func ints(_ name: String, count: Int) throws(GraphError) -> [Int] {
    guard case .ints(let value)? = values[name], value.count == count else {
      throw .attribute(name: name, expected: "\(count) integers")
    }
    return value
  }
}
