import Fidelity
import PrintableText

/// Why a report cannot be written.
package enum ReportError: Error, Hashable, Sendable {
  /// The extension of the report's file name is not that of a `ReportFormat`.
  case reportFormat(path: String)
  /// The file is no fidelity report, for the reason given.
  case notAReport(path: String, reason: String)
  /// The extension of the analysis' file name is not that of an `AnalysisFormat`.
  case analysisFormat(path: String)
  /// The extension of the evaluation's file name is not that of an `EvaluationFormat`.
  case evaluationFormat(path: String)
  /// The extension of the report's file name is not that of a `PageFormat`.
  case pageFormat(path: String)
  /// The extension of the whitening report's file name is not that of a `WhiteningFormat`.
  case whiteningFormat(path: String)
}

extension ReportError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .reportFormat(let path): Self.describe("report", path, ReportFormat.self)
    case .notAReport(let path, let reason):
      "\(printable(path)): not a fidelity report in JSON, as --report or --json of convert and verify write it: "
        + printable(reason)
    case .analysisFormat(let path): Self.describe("analysis", path, AnalysisFormat.self)
    case .evaluationFormat(let path): Self.describe("evaluation", path, EvaluationFormat.self)
    case .pageFormat(let path): Self.describe("report", path, PageFormat.self)
    case .whiteningFormat(let path): Self.describe("report", path, WhiteningFormat.self)
    }
  }

  private static func describe<Format: ReportFileFormat>(_ kind: String, _ path: String, _: Format.Type) -> String {
    "cannot tell the format of \(kind) '\(printable(path))'; its name must end in "
      + Format.allCases.map { ".\($0.rawValue)" }.joined(separator: ", ")
  }
}
