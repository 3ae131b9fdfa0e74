/// A file format of reports that are a page or JSON, and nothing else; the raw value is its file name extension.
package enum PageFormat: String, ReportFileFormat {
  /// One HTML page that loads nothing.
  case html
  /// JSON with a schema of its own.
  case json

  package static func unknownExtension(of path: String) -> ReportError { .pageFormat(path: path) }
}

/// A report that is written as a page or as JSON.
package protocol PageReport: FileReport where Format == PageFormat {
  /// The report as one HTML page that loads nothing.
  func html() -> String
  /// The report as JSON, keys sorted, ending with a newline.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  func json() throws -> String
}

extension PageReport {
  package func rendered(as format: PageFormat) throws -> String {
    switch format {
    case .html: html()
    case .json: try json()
    }
  }
}
