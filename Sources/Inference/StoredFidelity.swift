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

    /// The figures that are read.
    private static let paths = [
      "drift.mean", "drift.p50", "drift.p95", "drift.p99", "drift.max", "drift.std", "agreement.top1",
      "agreement.top5", "decisive_agreement.top1", "float.top1", "int8.top1", "top1_drop",
      "neighbours.int8_in_int8.top1",
    ]

    fileprivate init(_ report: PlainValue) {
      size = report["size"].flatMap(\.integer)
      passed = report["passed"] == .bool(true)
      images = report["images"].flatMap(\.integer) ?? 0
      labelledImages = report["labelled_images"].flatMap(\.integer) ?? 0
      var values: [String: Double] = [:]
      for path in Self.paths { values[path] = report[path: path]?.number }
      self.values = values
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
  /// - Throws: `PackageError.invalidField` or `.outOfBounds` where they are not JSON; `.foreignFigures` where the
  ///   figures are those of another package.
  package init(metadata json: String, contentHash: SHA256.Digest) throws(PackageError) {
    guard !json.isEmpty else {
      (verdict, figures) = (nil, [])
      return
    }
    let metadata = try JSONReader<PackageError>.plainValue(of: ByteCursor(Array(json.utf8)))
    guard let report = metadata["fidelity"], case .dictionary = report else {
      (verdict, figures) = (nil, [])
      return
    }
    let binding = FigureBinding(
      contentHash: contentHash, stated: report["content_hash"]?.text,
      checkpoints: (metadata["source"]?["sha256"]?.text, report["reference"]?["sha256"]?.text),
      calibration: (metadata["calibration"]?["sha256"]?.text, report["calibration"]?["sha256"]?.text))
    if let problem = binding.problem { throw .foreignFigures(problem) }
    if case .string(let name)? = report["verdict"] { verdict = Verdict(rawValue: name) } else { verdict = nil }
    if case .list(let sizes)? = report["sizes"], !sizes.isEmpty {
      figures = sizes.map(Figures.init)
    } else {
      figures = [Figures(report)]
    }
  }
}

extension PlainValue {
  /// A member of a dictionary; `nil` for anything else.
  fileprivate subscript(key: String) -> PlainValue? {
    if case .dictionary(let members) = self { members[key] } else { nil }
  }

  /// A member of members, whose names are separated by dots.
  fileprivate subscript(path path: String) -> PlainValue? {
    path.split(separator: ".").reduce(Optional(self)) { value, key in value?[String(key)] }
  }

  fileprivate var text: String? { if case .string(let value) = self { value } else { nil } }

  fileprivate var integer: Int? { if case .int(let value) = self { value } else { nil } }
}
