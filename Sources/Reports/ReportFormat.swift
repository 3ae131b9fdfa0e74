import Fidelity

/// A file format of reports; the raw value is its file name extension.
package enum ReportFormat: String, CaseIterable, Hashable, Sendable {
  case json
  case markdown = "md"
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
  /// The contents of a report file, in UTF-8, ending with a newline.
  package func rendered(as format: ReportFormat) throws -> String {
    switch format {
    case .json: try json()
    case .markdown: markdown()
    case .junit: junit()
    }
  }
}
