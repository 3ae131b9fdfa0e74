import Fidelity
import FoundationEssentials

extension FidelityReport {
  /// The report as JSON (`quern.fidelity/1`), keys sorted, ending with a newline.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  package func json() throws -> String { try jsonDocument(self) }

  /// Reads a report that `json()` wrote.
  ///
  /// - Throws: `DecodingError` if the text is not JSON, has another schema, or contradicts itself.
  package init(json: String) throws {
    self = try JSONDocument(Data(json.utf8)).decode(FidelityReport.self)
  }

  /// Reads a report that `json()` wrote.
  ///
  /// - Parameter path: the file that the text is from, for messages.
  /// - Throws: `ReportError.notAReport` if the text is not JSON, has another schema, or contradicts itself.
  package init(reading json: String, from path: String) throws(ReportError) {
    do {
      try self.init(json: json)
    } catch {
      throw .notAReport(path: path, reason: (error as? DecodingError)?.reason ?? "\(error)")
    }
  }
}
