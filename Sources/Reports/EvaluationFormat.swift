import Fidelity
import Retrieval

/// A file format of evaluations; the raw value is its file name extension.
package enum EvaluationFormat: String, CaseIterable, Hashable, Sendable {
  /// One HTML page without scripts or external resources, with pictures of the queries that changed most.
  case html
  /// The schema `quern.evaluation/1`.
  case json
  /// GitHub's Markdown, for the summary of a CI step.
  case markdown = "md"
  /// JUnit XML, one test case per gate.
  case junit = "xml"

  /// The format that a file's extension names, in upper or lower case.
  ///
  /// - Throws: `ReportError.evaluationFormat` for any other extension, or none.
  package init(path: String) throws(ReportError) {
    let file = path.split(separator: "/").last ?? ""
    guard let dot = file.lastIndex(of: "."),
      let format = EvaluationFormat(rawValue: file[file.index(after: dot)...].lowercased())
    else { throw .evaluationFormat(path: path) }
    self = format
  }
}

extension EvaluationReport {
  /// The contents of a report file, to be written as UTF-8, ending with a newline.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  package func rendered(as format: EvaluationFormat) throws -> String {
    switch format {
    case .html: html()
    case .json: try json()
    case .markdown: markdown()
    case .junit: junit()
    }
  }
}
