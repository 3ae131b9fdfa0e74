import Fidelity

/// A file format of reports; the raw value is its file name extension.
package enum ReportFormat: String, CaseIterable, Hashable, Sendable {
  /// The schema `quern.fidelity/1`.
  case json
  /// GitHub's Markdown, for the summary of a CI step.
  case markdown = "md"
  /// JUnit XML, one test case per gate.
  case junit = "xml"

  /// The format that a file's extension names, in upper or lower case.
  ///
  /// - Throws: `ReportError.reportFormat` for any other extension, or none.
  package init(path: String) throws(ReportError) {
    let file = path.split(separator: "/").last ?? ""
    guard let dot = file.lastIndex(of: "."),
      let format = ReportFormat(rawValue: file[file.index(after: dot)...].lowercased())
    else { throw .reportFormat(path: path) }
    self = format
  }
}

extension FidelityReport {
  /// The contents of a report file, to be written as UTF-8, ending with a newline.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  package func rendered(as format: ReportFormat) throws -> String {
    switch format {
    case .json: try json()
    case .markdown: markdown()
    case .junit: junit()
    }
  }
}
