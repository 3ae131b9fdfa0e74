import Fidelity

/// A file format of analyses; the raw value is its file name extension.
package enum AnalysisFormat: String, CaseIterable, Hashable, Sendable {
  case html
  case json
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
  /// The contents of a file, in UTF-8, ending with a newline.
  package func rendered(as format: AnalysisFormat) throws -> String {
    switch format {
    case .html: html()
    case .json: try json()
    case .text: text()
    }
  }
}
