import Fidelity

/// Why a report cannot be written.
package enum ReportError: Error, Hashable, Sendable {
  /// The extension of the report's file name is not that of a `ReportFormat`.
  case reportFormat(path: String)
  /// The extension of the analysis' file name is not that of an `AnalysisFormat`.
  case analysisFormat(path: String)
  /// The extension of the evaluation's file name is not that of an `EvaluationFormat`.
  case evaluationFormat(path: String)
  /// The extension of the tuning report's file name is not that of a `TuningFormat`.
  case tuningFormat(path: String)
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
    case .evaluationFormat(let path):
      "cannot tell the format of evaluation '\(printable(path))'; its name must end in "
        + EvaluationFormat.allCases.map { ".\($0.rawValue)" }.joined(separator: ", ")
    case .tuningFormat(let path):
      "cannot tell the format of report '\(printable(path))'; its name must end in "
        + TuningFormat.allCases.map { ".\($0.rawValue)" }.joined(separator: ", ")
    }
  }
}
