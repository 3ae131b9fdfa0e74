import Fidelity

/// A file format of analyses; the raw value is its file name extension.
package enum AnalysisFormat: String, ReportFileFormat {
  /// One HTML page without scripts or external resources.
  case html
  /// The schema `quern.analysis/1`.
  case json
  /// Plain text in 100 columns.
  case text = "txt"

  package static func unknownExtension(of path: String) -> ReportError { .analysisFormat(path: path) }
}

extension LossAnalysis: FileReport {
  package func rendered(as format: AnalysisFormat) throws -> String {
    switch format {
    case .html: html()
    case .json: try json()
    case .text: text()
    }
  }
}
