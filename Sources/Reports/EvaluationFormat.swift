import Fidelity
import Retrieval

/// A file format of evaluations; the raw value is its file name extension.
package enum EvaluationFormat: String, ReportFileFormat {
  /// One HTML page without scripts or external resources, with pictures of the queries that changed most.
  case html
  /// The schema `quern.evaluation/1`.
  case json
  /// GitHub's Markdown, for the summary of a CI step.
  case markdown = "md"
  /// JUnit XML, one test case per gate.
  case junit = "xml"

  package static func unknownExtension(of path: String) -> ReportError { .evaluationFormat(path: path) }
}

extension EvaluationReport: FileReport {
  package func rendered(as format: EvaluationFormat) throws -> String {
    switch format {
    case .html: html()
    case .json: try json()
    case .markdown: markdown()
    case .junit: junit()
    }
  }
}
