import Fidelity
import Files
import Reports

/// The files of reports, created before any work is done; each appears whole or not at all.
struct ReportFiles {
  private let files: [(file: AtomicFile, format: ReportFormat)]

  /// - Throws: `FileError` where a file cannot be created, `ReportError` for a name that says no format.
  init(_ paths: [String]) throws {
    files = try paths.map { (try AtomicFile(path: $0), try ReportFormat(path: $0)) }
  }

  func write(_ report: FidelityReport) throws {
    for (file, format) in files { try file.write(try report.rendered(as: format)) }
    for (file, _) in files { try file.commit() }
  }
}
