import Fidelity
import FoundationEssentials
import PrintableText

/// A value as a JSON document of several lines, keys sorted, ending with a newline. What is not printable in its texts,
/// such as names of files, is escaped.
///
/// - Throws: `EncodingError` for a figure that JSON cannot represent.
func jsonDocument(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
  return printableJSON(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
}

/// Values that are null where there is none.
extension JSONValue {
  static func optional(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

  static func optional(_ number: Int?) -> JSONValue { number.map { .int($0) } ?? .null }

  static func optional(_ number: Double?) -> JSONValue { number.map { .number($0) } ?? .null }

  /// Written with the fewest digits that read back as the same float.
  static func optional(_ number: Float?) -> JSONValue {
    number.map { .number(Double("\($0)") ?? Double($0)) } ?? .null
  }

  static func optional(_ range: ClosedRange<Float>?) -> JSONValue {
    range.map { [.optional($0.lowerBound), .optional($0.upperBound)] } ?? .null
  }
}
