import FoundationEssentials

/// A value as a JSON document of several lines, keys sorted, ending with a newline.
///
/// - Throws: `EncodingError` for a figure that JSON cannot represent.
func jsonDocument(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
}
