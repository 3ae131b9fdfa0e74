import Fidelity

/// A file format of reports; the raw value is its file name extension.
package enum ReportFormat: String, ReportFileFormat {
  /// The schema `quern.fidelity/1`.
  case json
  /// GitHub's Markdown, for the summary of a CI step.
  case markdown = "md"
  /// JUnit XML, one test case per gate.
  case junit = "xml"

  package static func unknownExtension(of path: String) -> ReportError { .reportFormat(path: path) }
}

extension FidelityReport: FileReport {
  package func rendered(as format: ReportFormat) throws -> String {
    switch format {
    case .json: try json()
    case .markdown: markdown()
    case .junit: junit()
    }
  }
}
