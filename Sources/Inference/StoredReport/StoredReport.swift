import PackageFormat
import ReportRules

/// A report in the metadata of a package, as far as programs that run the package are told about it. A report that
/// states a better outcome than its gates, figures and images give (formats/report.md, "Verdict") is refused.
struct StoredReport {
  /// A checkpoint, or a package in its place.
  struct Reference {
    let sha256: String
    /// `nil` where it is a checkpoint.
    let contentHash: String?

    init(_ object: ReportObject) throws(PackageError) {
      sha256 = try object.required("sha256", try object.text("sha256"))
      contentHash = try object.text("content_hash")
      for key in ["format", "architecture"] { _ = try object.required(key, try object.text(key)) }
      for key in ["path", "name"] { _ = try object.text(key) }
    }
  }

  /// A set of images.
  private struct Images {
    let count: Int
    let sha256: String
    let duplicates: Int?

    init(_ object: ReportObject) throws(PackageError) {
      count = try object.required("images", try object.count("images"))
      sha256 = try object.required("sha256", try object.text("sha256"))
      duplicates = try object.count("duplicates")
      _ = try object.required("name", try object.text("name"))
      try requireCount(object.name(of: "images"), count, of: .max)
      try requireCount(object.name(of: "duplicates"), duplicates, of: count)
    }
  }

  /// The content hash of the package that was measured; `nil` in reports of earlier versions.
  let contentHash: String?
  let reference: Reference
  /// SHA-256 of the set of calibration images; `nil` where it is not stated.
  let calibration: String?
  let verdict: StoredFidelity.Verdict
  /// At each size; at least one.
  let figures: [StoredFidelity.Figures]

  private static let schema = "quern.fidelity/1"

  /// - Throws: `PackageError.invalidReport` where the report is of another schema, or contradicts itself.
  init(_ report: ReportObject) throws(PackageError) {
    try require(
      try report.required("schema", try report.text("schema")) == Self.schema, "it is not of the schema \(Self.schema)")
    let measured = try Self.parts(of: report)
    let matchesFramework = try Self.matchesFramework(report)
    let passed = matchesFramework && measured.total.passed && measured.sizes.allSatisfy { $0.figures.passed }
    try require(
      try report.required("passed", try report.flag("passed")) == passed, "the verdict is not that of the gates")
    let contentHash = try report.text("content_hash")
    let reference = try Reference(try report.required("reference", try report.object("reference")))
    let images = try report.object("calibration")
    if let images { calibration = try Images(images).sha256 } else { calibration = nil }
    (self.contentHash, self.reference) = (contentHash, reference)

    let parts = measured.sizes.isEmpty ? [measured.total] : measured.sizes.map { $0.figures }
    let verification = try Verification(report, parts)
    let stated = try Self.statedVerdict(report)
    let isOfPackage = images != nil || contentHash != nil || reference.contentHash != nil
    let comparesItself = try Self.comparesItself(report, contentHash, reference, parts)
    let hasForeignFigures = try !(report.list("foreign_figures") ?? []).isEmpty
    // Earlier versions had these doubts only, and later ones may have more.
    let wasDoubtful =
      verification.isOfCalibration || parts.contains { $0.isNearChance || $0.gates.contains(where: \.isOpen) }
    let isDoubtful =
      wasDoubtful || stated == .inconclusive || hasForeignFigures || comparesItself || verification.repeats
      || verification.hasUnknownOverlap && isOfPackage
      || parts.contains { $0.isVacuous || Self.isDoubtful($0.copies, of: $0.searchedImages) }
    verdict = passed ? (isDoubtful ? .inconclusive : .pass) : .fail
    try require(
      stated == nil || (stated == .fail) == !passed && !(stated == .pass && wasDoubtful),
      "the verdict is not that of the gates and the images")
    figures =
      measured.sizes.isEmpty
      ? [StoredFidelity.Figures(measured.total, size: nil, passed: passed)]
      : measured.sizes.map { StoredFidelity.Figures($0.figures, size: $0.side, passed: $0.figures.passed) }
  }

  private static func statedVerdict(_ report: ReportObject) throws(PackageError) -> StoredFidelity.Verdict? {
    guard let name = try report.text("verdict") else { return nil }
    guard let verdict = StoredFidelity.Verdict(rawValue: name) else {
      throw .invalidReport("it has an unknown verdict")
    }
    return verdict
  }

  /// Whether so many of the images are of a kind that the figures say little about others.
  private static func isDoubtful(_ count: Int?, of images: Int) -> Bool {
    count.map { ReportLimits.isDoubtful($0, of: images) } ?? false
  }

  /// The figures of the report, and those at each size in pixels.
  private static func parts(
    of report: ReportObject
  ) throws(PackageError) -> (total: StoredFigures, sizes: [(side: Int, figures: StoredFigures)]) {
    let requiresIntervals = try report.text("tool_version") != nil
    // What these gates say follows from `reference_check` and `baseline`.
    let total = try StoredFigures(report, leavingOut: [.reference, .regression], requiresIntervals: requiresIntervals)
    let baseline = try report.object("baseline")
    try require(baseline == nil, "it has 'baseline', which the report in a package has not")
    let hasSizeGate = total.gates.contains { $0.name == .packageBytes }
    try require(!hasSizeGate, "it has the gate 'package_bytes', which the report in a package has not")
    var sizes: [(side: Int, figures: StoredFigures)] = []
    for object in try report.objects("sizes", at: "") ?? [] {
      let figures = try StoredFigures(object, requiresIntervals: requiresIntervals)
      try require(!figures.gates.contains { $0.name == .packageBytes }, "a size has the gate 'package_bytes'")
      try require(
        try object.required("passed", try object.flag("passed")) == figures.passed,
        "the verdict of a size is not that of its gates")
      _ = try object.required("crop", try object.text("crop"))
      sizes.append((try object.required("size", try object.count("size")), figures))
    }
    if let first = sizes.first {
      try require(first.figures == total, "the first size's figures are not those of the report")
    }
    return (total, sizes)
  }

  /// Whether the float network was compared with its framework and matches it, or was not compared.
  private static func matchesFramework(_ report: ReportObject) throws(PackageError) -> Bool {
    guard let check = try report.object("reference_check") else { return true }
    let images = try check.required("images", try check.count("images"))
    let passed = try check.required("passed", try check.flag("passed"))
    let missing = try check.count("missing_images") ?? 0
    try require(images >= 0 && missing >= 0, "reference_check has a negative number of images")
    try require(images > 0 || !passed, "reference_check passed without images")
    var (isCompared, isWithin) = (false, true)
    for output in ["embedding", "logits"] {
      let limit = try check.required("\(output)_limit", try check.number("\(output)_limit"))
      try require(limit >= 0, "reference_check has a negative number")
      for key in ["\(output)_max", "input_\(output)_max"] {
        guard let difference = try check.number(key) else { continue }
        try require(difference >= 0, "reference_check has a negative number")
        isCompared = true
        if difference > limit { isWithin = false }
      }
    }
    return passed && isCompared && isWithin
  }

  /// Whether both sides are the same file, packages that compute the same, or outputs that are the same.
  private static func comparesItself(
    _ report: ReportObject, _ contentHash: String?, _ reference: Reference, _ parts: [StoredFigures]
  ) throws(PackageError) -> Bool {
    if parts.allSatisfy(\.hasSameOutputs) { return true }
    if let contentHash, contentHash == reference.contentHash { return true }
    guard let package = try report.object("package") else { return false }
    return try package.text("sha256") == reference.sha256
  }

  /// What the images that were compared say about others.
  private struct Verification {
    /// Whether it is not known which of them are calibration images.
    var hasUnknownOverlap = false
    /// Whether too many are calibration images.
    var isOfCalibration = false
    /// Whether too many repeat others.
    var repeats = false

    /// - Parameter parts: the figures at each size.
    init(_ report: ReportObject, _ parts: [StoredFigures]) throws(PackageError) {
      guard let object = try report.object("verification") else { return }
      let images = try Images(object)
      let origin = try object.required("set", try object.text("set"))
      try require(["held_out", "folder", "calibration"].contains(origin), "verification.set is unknown")
      let stated = try object.count("compared")
      try requireCount("verification.compared", stated, of: images.count)
      if let stated {
        try require(
          parts.contains { $0.images == stated },
          "verification.compared is \(stated), the number of images at no size")
      }
      let compared = stated ?? images.count
      let overlap = try object.count("overlap")
      try requireCount("verification.overlap", overlap, of: compared)
      try requireCount("verification.duplicates", images.duplicates, of: compared)
      hasUnknownOverlap = overlap == nil
      isOfCalibration = StoredReport.isDoubtful(overlap, of: compared)
      repeats = StoredReport.isDoubtful(images.duplicates, of: compared)
    }
  }
}
