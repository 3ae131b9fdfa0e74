import Fidelity

/// A file format of analyses; the raw value is its file name extension.
package enum AnalysisFormat: String, CaseIterable, Hashable, Sendable {
  /// One HTML page without scripts or external resources.
  case html
  /// The schema `quern.analysis/1`.
  case json
  /// Plain text in 100 columns.
  case text = "txt"

  /// The format that a file's extension names, in upper or lower case.
  ///
  /// - Throws: `ReportError.analysisFormat` for any other extension, or none.
  package init(path: String) throws(ReportError) {
    let file = path.split(separator: "/").last ?? ""
    guard let dot = file.lastIndex(of: "."),
      let format = AnalysisFormat(rawValue: file[file.index(after: dot)...].lowercased())
    else { throw .analysisFormat(path: path) }
    self = format
  }
}

extension LossAnalysis {
  /// The contents of a file, to be written as UTF-8, ending with a newline.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  package func rendered(as format: AnalysisFormat) throws -> String {
    switch format {
    case .html: html()
    case .json: try json()
    case .text: text()
    }
  }
}
