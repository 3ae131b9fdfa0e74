import Fidelity

/// Why a report cannot be written.
package enum ReportError: Error, Hashable, Sendable {
  /// The report's file name does not say which format to write.
  case reportFormat(path: String)
  /// The same of an analysis.
  case analysisFormat(path: String)
}

extension ReportError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .reportFormat(let path):
      "cannot tell the format of report '\(printable(path))'; its name must end in "
        + ReportFormat.allCases.map { ".\($0.rawValue)" }.joined(separator: ", ")
    case .analysisFormat(let path):
      "cannot tell the format of analysis '\(printable(path))'; its name must end in "
        + AnalysisFormat.allCases.map { ".\($0.rawValue)" }.joined(separator: ", ")
    }
  }
}
