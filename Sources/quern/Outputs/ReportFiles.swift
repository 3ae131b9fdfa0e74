import Fidelity
import Files
import Reports

/// The files of reports. They are created before any work is done, and each appears whole or not at all.
struct ReportFiles {
  private let files: [(file: AtomicFile, format: ReportFormat)]

  /// - Throws: `FileError` for a file that cannot be created; `ReportError` for a name whose extension is no report
  ///   format.
  init(_ paths: [String]) throws {
    files = try paths.map { (try AtomicFile(path: $0), try ReportFormat(path: $0)) }
  }

  /// Writes a report to all files.
  ///
  /// - Throws: `FileError` if a file cannot be written. Reports whose files have already been committed remain.
  func write(_ report: FidelityReport) throws {
    for (file, format) in files { try file.write(try report.rendered(as: format)) }
    for (file, _) in files { try file.commit() }
  }
}
