/// The file formats of a kind of report; a raw value is a file name extension, which may have a dot in it.
package protocol ReportFileFormat: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {
  /// The error for a file whose extension names none of the formats.
  static func unknownExtension(of path: String) -> ReportError
}

extension ReportFileFormat {
  /// The format that a file's extension names, in upper or lower case.
  ///
  /// - Throws: `unknownExtension(of:)` for any other extension, or none.
  package init(path: String) throws(ReportError) {
    let file = (path.split(separator: "/").last ?? "").lowercased()
    let formats = Self.allCases.filter { file.hasSuffix(".\($0.rawValue)") }
    guard let format = formats.max(by: { $0.rawValue.utf8.count < $1.rawValue.utf8.count }) else {
      throw Self.unknownExtension(of: path)
    }
    self = format
  }
}

/// A report that can be written to files.
package protocol FileReport {
  associatedtype Format: ReportFileFormat
  /// The contents of a report file, to be written as UTF-8, ending with a newline.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  func rendered(as format: Format) throws -> String
  /// Whether the report has what a format states; its file is not written otherwise.
  func has(_ format: Format) -> Bool
}

extension FileReport {
  package func has(_ format: Format) -> Bool { true }
}
