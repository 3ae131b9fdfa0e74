import Fidelity
import Foundation

extension FidelityReport {
  /// The report as JSON (`quern.fidelity/1`), keys sorted, ending with a newline.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  package func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// Reads a report that `json()` wrote.
  ///
  /// - Throws: `DecodingError` if the text is not JSON, has another schema, or contradicts itself.
  package init(json: String) throws {
    self = try JSONDecoder().decode(FidelityReport.self, from: Data(json.utf8))
  }
}
