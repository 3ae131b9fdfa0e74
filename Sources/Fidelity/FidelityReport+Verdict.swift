/// The conclusions from a report.
extension FidelityReport {
  /// `fail` where a gate failed; otherwise `inconclusive` where the figures do not show that the gates would pass on
  /// other images (see `doubts`), and `pass` where they do.
  package var verdict: GateResult.Verdict { outcome(passed, doubts) }

  /// The verdict of earlier versions, to which repeated images, comparisons of a file with itself, calibration images
  /// that are not known, figures of another package, and images that a reference hardly tells apart were no doubts.
  var earlierVerdict: GateResult.Verdict { outcome(earlierPassed, earlierDoubts) }

  private func outcome(_ passed: Bool, _ doubts: [String]) -> GateResult.Verdict {
    guard passed else { return .fail }
    return doubts.isEmpty ? .pass : .inconclusive
  }

  /// Whether the package is accepted: `passed`, or, where inconclusive verdicts are not accepted, a verdict of `pass`.
  package var isAccepted: Bool { isStrict ? verdict == .pass : passed }

  /// Short reasons why gates that passed say little about other images, such as "2 gates inconclusive".
  package var doubts: [String] {
    var doubts = earlierDoubts
    if let repetition, repetition.isDoubtful {
      doubts.append("\(repetition.count) of \(repetition.images) images repeat others")
    }
    if comparesItself { doubts.append(Doubt.comparedWithItself) }
    doubts += vacuousGateDoubts
    if hasUnknownOverlap { doubts.append(Doubt.unknownCalibration) }
    if !foreignFigures.isEmpty { doubts.append("a package states figures that are not its own") }
    return doubts
  }

  /// Whether a package was measured, or a network that was calibrated here, and it is not known whether that was on
  /// some of the images.
  private var hasUnknownOverlap: Bool {
    guard let verification, verification.overlap == nil else { return false }
    return calibration != nil || contentHash != nil || reference.contentHash != nil
  }

  private var earlierDoubts: [String] {
    var doubts: [String] = []
    let open = allGates.count { $0.verdict == .inconclusive }
    if open > 0 { doubts.append("\(open) gate\(open == 1 ? "" : "s") inconclusive") }
    if let verification, verification.isDoubtful, let overlap = verification.overlap {
      doubts.append(
        verification.isOfCalibration
          ? "verified on its calibration images"
          : Doubt.calibratedOn(overlap, of: verification.comparedImages, "images"))
    }
    if parts.contains(where: \.figures.isNearChance) { doubts.append("float network near chance") }
    return doubts
  }

  /// Whether both sides are the same file, packages that compute the same, or have the same outputs.
  package var comparesItself: Bool {
    isSameFile || outputsAreIdentical || contentHash.map { $0 == reference.contentHash } ?? false
  }

  private var isSameFile: Bool { package.map { $0.sha256 == reference.sha256 } ?? false }

  /// Everything that casts doubt on the figures, the gravest first.
  package var allWarnings: [String] { measuredWarnings + warnings }

  /// The warnings that follow from the report's figures and images.
  var measuredWarnings: [String] {
    let chance = parts.compactMap { part in
      part.figures.chanceWarning.map { warning in part.size.map { "at \($0.title): " + warning } ?? warning }
    }
    let duplicates = [
      verification?.duplicatesWarning, copiesWarning,
      verification?.origin == .calibration ? nil : calibration?.duplicatesRemark("calibration"),
    ]
    let overlaps = [verification?.warning, unknownOverlapWarning]
    let groups: [[String?]] = [
      [itselfWarning], vacuousGateWarnings, foreignFigures, [referenceCheck?.looseWarning], chance, overlaps,
      duplicates,
    ]
    return groups.flatMap { $0.compactMap(\.self) }
  }

  private var unknownOverlapWarning: String? {
    hasUnknownOverlap
      ? "whether verification images were calibrated on cannot be told, as the hashes of the calibration images are not "
        + "known; on such images figures are too good" : nil
  }

  private var itselfWarning: String? {
    guard comparesItself else { return nil }
    let sides =
      isSameFile
      ? "both sides are the same file"
      : outputsAreIdentical
        ? "both sides have the same outputs, to the last bit or up to a scale"
        : "both packages have the same content hash"
    return Doubt.ofItself(sides, figures: "the figures")
  }
}
