import ArgumentParser
import Files
import Reports

/// The files of reports. They are created before any work is done, and each appears whole or not at all.
struct ReportFiles<Report: FileReport> {
  private let files: [(file: AtomicFile, format: Report.Format)]

  /// Checks the extensions of names while arguments are parsed.
  ///
  /// - Throws: `ValidationError` for a name whose extension is no format of the report.
  static func validate(_ paths: [String]) throws {
    do {
      for path in paths { _ = try Report.Format(path: path) }
    } catch {
      throw ValidationError("\(error)")
    }
  }

  /// - Throws: `FileError` for a file that cannot be created; `ReportError` for a name whose extension is no format of
  ///   the report.
  init(_ paths: [String]) throws {
    files = try paths.map { (try AtomicFile(path: $0), try Report.Format(path: $0)) }
  }

  /// The formats that are written.
  var formats: [Report.Format] { files.map(\.format) }

  /// Writes a report to all files.
  ///
  /// - Throws: `FileError` if a file cannot be written. Reports whose files have already been committed remain.
  func write(_ report: Report) throws {
    let files = files.filter { report.has($0.format) }
    for (file, format) in files { try file.write(try report.rendered(as: format)) }
    for (file, _) in files { try file.commit() }
  }
}
