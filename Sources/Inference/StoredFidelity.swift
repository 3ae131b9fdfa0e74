import Files
import PackageFormat

extension PackageError: JSONFailure {
  package static func truncated(_ error: ByteCursorError) -> PackageError {
    .outOfBounds(part: "metadata section", error)
  }

  package static func malformed(field: String, offset: Int, reason: String) -> PackageError {
    .invalidField(part: "metadata section", field: field, offset: offset, problem: reason)
  }

  package static func limitExceeded(what: String, offset: Int, limit: Int) -> PackageError {
    malformed(field: what, offset: offset, reason: "exceeds the limit of \(limit)")
  }
}

/// The fidelity that a package states: the figures of the report in its metadata (formats/report.md).
package struct StoredFidelity: Hashable, Sendable {
  /// Whether figures show that the package agrees with its source (formats/report.md, "Verdict").
  package enum Verdict: String, Hashable, Sendable {
    case pass, fail, inconclusive
  }

  /// The figures at one size; `nil` where one was not measured. Percentages are from 0 to 100.
  package struct Figures: Hashable, Sendable {
    /// The image size in pixels; `nil` in the report of a package with one size.
    package let size: Int?
    /// Whether every gate passed.
    package let passed: Bool
    /// The number of images compared.
    package let images: Int
    /// Those whose class is known.
    package let labelledImages: Int
    private let values: [String: Double]

    /// A figure by the names of its members in the report, such as "drift.mean".
    package subscript(path: String) -> Double? { values[path] }

    init(_ figures: StoredFigures, size: Int?, passed: Bool) {
      (self.size, self.passed) = (size, passed)
      (images, labelledImages, values) = (figures.images, figures.labelledImages, figures.values)
    }
  }

  /// `nil` where the package was not verified.
  package let verdict: Verdict?
  private let figures: [Figures]

  /// The figures at a size in pixels; `nil` where the package was not verified at it.
  package func figures(side: Int) -> Figures? {
    figures.first { $0.size == side } ?? (figures.count == 1 && figures[0].size == nil ? figures[0] : nil)
  }

  /// - Parameters:
  ///   - json: the metadata of a package; empty where it has none.
  ///   - contentHash: that of the package.
  /// - Throws: `PackageError.invalidField` or `.outOfBounds` where they are not JSON; `.invalidReport` where a report
  ///   is not as quern writes it, or contradicts itself (formats/report.md, "Consistency"); `.foreignFigures` where
  ///   the figures are those of another package.
  package init(metadata json: String, contentHash: SHA256.Digest) throws(PackageError) {
    guard let report = try Self.report(in: json, of: contentHash) else {
      (verdict, figures) = (nil, [])
      return
    }
    (verdict, figures) = (report.verdict, report.figures)
  }

  private static func report(
    in json: String, of contentHash: SHA256.Digest
  ) throws(PackageError) -> StoredReport? {
    guard !json.isEmpty else { return nil }
    let value = try JSONReader<PackageError>.plainValue(of: ByteCursor(Array(json.utf8)))
    guard case .dictionary = value else { return nil }
    let metadata = try ReportObject(value, at: "metadata")
    guard let object = try metadata.object("fidelity", at: "") else { return nil }
    let origin = try Origin(metadata)
    let report = try StoredReport(object)
    let binding = FigureBinding(
      contentHash: contentHash, stated: report.contentHash,
      checkpoints: (origin.checkpoint, report.reference.sha256),
      calibration: (origin.calibration, report.calibration))
    if let problem = binding.problem { throw .foreignFigures(problem) }
    return report
  }

  /// What a package was made from, as it states.
  private struct Origin {
    /// SHA-256 of the checkpoint.
    let checkpoint: String
    /// SHA-256 of the set of calibration images; `nil` where it is not stated.
    let calibration: String?

    init(_ metadata: ReportObject) throws(PackageError) {
      checkpoint = try StoredReport.Reference(try metadata.required("source", try metadata.object("source"))).sha256
      let record = try metadata.required("calibration", try metadata.object("calibration"))
      calibration = try record.text("sha256")
      for key in ["calibration_pixels", "plan_sha256", "tool_version"] { _ = try metadata.text(key) }
    }
  }
}
