/// The conclusions from a report.
extension FidelityReport {
  /// `fail` where a gate failed; otherwise `inconclusive` where the figures do not show that the gates would pass on
  /// other images (see `doubts`), and `pass` where they do.
  package var verdict: GateResult.Verdict { outcome(doubts) }

  /// The verdict of earlier versions, to which repeated images and comparisons of a file with itself were no doubts.
  var earlierVerdict: GateResult.Verdict { outcome(earlierDoubts) }

  private func outcome(_ doubts: [String]) -> GateResult.Verdict {
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
    if comparesItself { doubts.append("compared with itself") }
    return doubts
  }

  private var earlierDoubts: [String] {
    var doubts: [String] = []
    let open = allGates.count { $0.verdict == .inconclusive }
    if open > 0 { doubts.append("\(open) gate\(open == 1 ? "" : "s") inconclusive") }
    if let verification, verification.isDoubtful, let overlap = verification.overlap {
      doubts.append(
        overlap >= verification.set.images
          ? "verified on its calibration images" : "\(overlap) of \(verification.set.images) images calibrated on")
    }
    if parts.contains(where: \.figures.isNearChance) { doubts.append("float network near chance") }
    return doubts
  }

  /// Whether both sides are the same file, or packages that compute the same.
  package var comparesItself: Bool {
    isSameFile || contentHash.map { $0 == reference.contentHash } ?? false
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
    return ([itselfWarning] + chance + [verification?.warning] + duplicates).compactMap(\.self)
  }

  private var itselfWarning: String? {
    guard comparesItself else { return nil }
    return (isSameFile ? "both sides are the same file" : "both packages have the same content hash")
      + ", and what is compared with itself always agrees: the figures prove nothing"
  }
}
