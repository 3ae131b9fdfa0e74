import Tensors

/// A value that consists of numbers, texts, lists and dictionaries alone, as in ground truth of data sets.
package indirect enum PlainValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case double(Double)
  case string(String)
  /// A list, a tuple or a set.
  case list([PlainValue])
  /// Keys are strings.
  case dictionary([String: PlainValue])

  /// The value of an integer or a floating-point number; `nil` for anything else.
  package var number: Double? {
    switch self {
    case .int(let value): Double(value)
    case .double(let value): value
    default: nil
    }
  }
}

/// What a JSON text may have.
package struct JSONLimits: Sendable {
  /// The maximum number of values, those that contain others included.
  package let values: Int
  /// How deeply arrays and objects may be nested.
  package let depth: Int

  package init(values: Int = .max, depth: Int = 64) {
    self.values = values
    self.depth = depth
  }
}

extension JSONReader {
  /// Reads a text that is one value.
  ///
  /// - Throws: `Failure` where it is not JSON, or an object has a key twice.
  package static func plainValue(of text: ByteCursor) throws(Failure) -> PlainValue {
    try JSONReader(cursor: text).onlyValue()
  }

  /// Reads a file that is one value.
  ///
  /// - Throws: `Failure` where it is not JSON, exceeds a limit, or has an object with a key twice.
  package static func plainValue(
    ofFile file: TensorStorage, limits: JSONLimits = JSONLimits()
  ) throws(Failure) -> PlainValue {
    try JSONReader(file: file).onlyValue(limits: limits)
  }

  private consuming func onlyValue(limits: JSONLimits = JSONLimits()) throws(Failure) -> PlainValue {
    var json = self
    var count = 0
    let value = try json.plainValue(&count, limits: limits)
    json.skipBlanks()
    guard json.cursor.isAtEnd else { throw json.malformed("there is more after the value") }
    return value
  }

  /// Reads a value of any type.
  ///
  /// - Parameters:
  ///   - count: the number of values before this one.
  ///   - depth: the number of arrays and objects that this one is in.
  private mutating func plainValue(
    _ count: inout Int, limits: JSONLimits, depth: Int = 0
  ) throws(Failure) -> PlainValue {
    guard count < limits.values else {
      throw .limitExceeded(what: "values", offset: cursor.offset, limit: limits.values)
    }
    count += 1
    skipBlanks()
    switch peek() {
    case UInt8(ascii: "{") where depth >= limits.depth, UInt8(ascii: "[") where depth >= limits.depth:
      throw .limitExceeded(what: "levels of arrays and objects", offset: cursor.offset, limit: limits.depth)
    case UInt8(ascii: "{"):
      var members: [String: PlainValue] = [:]
      try object { (json, key, offset) throws(Failure) in
        guard
          members.updateValue(try json.plainValue(&count, limits: limits, depth: depth + 1), forKey: key) == nil
        else { throw .malformed(field: "JSON", offset: offset, reason: "an object has a key twice") }
      }
      return .dictionary(members)
    case UInt8(ascii: "["):
      var values: [PlainValue] = []
      try list(UInt8(ascii: "["), UInt8(ascii: "]")) { (json) throws(Failure) in
        values.append(try json.plainValue(&count, limits: limits, depth: depth + 1))
      }
      return .list(values)
    case UInt8(ascii: "\""): return .string(try string())
    default: return try literal()
    }
  }

  /// Reads a number, true, false or null. Numbers beyond those of `Double` are refused.
  private mutating func literal() throws(Failure) -> PlainValue {
    let start = cursor.offset
    let text = try scalar()
    switch text {
    case "null": return .null
    case "true": return .bool(true)
    case "false": return .bool(false)
    default:
      if let value = Int(text) { return .int(value) }
      if let value = Double(text), value.isFinite { return .double(value) }
      throw .malformed(field: "JSON", offset: start, reason: "a number is out of range")
    }
  }
}
