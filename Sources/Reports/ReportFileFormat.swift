/// The file formats of a kind of report; a raw value is a file name extension.
package protocol ReportFileFormat: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {
  /// The error for a file whose extension names none of the formats.
  static func unknownExtension(of path: String) -> ReportError
}

extension ReportFileFormat {
  /// The format that a file's extension names, in upper or lower case.
  ///
  /// - Throws: `unknownExtension(of:)` for any other extension, or none.
  package init(path: String) throws(ReportError) {
    let file = path.split(separator: "/").last ?? ""
    guard let dot = file.lastIndex(of: "."), let format = Self(rawValue: file[file.index(after: dot)...].lowercased())
    else { throw Self.unknownExtension(of: path) }
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
}
