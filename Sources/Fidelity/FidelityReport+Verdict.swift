/// The conclusions from a report.
extension FidelityReport {
  /// `fail` where a gate failed; otherwise `inconclusive` where the figures do not show that the gates would pass on
  /// other images (see `doubts`), and `pass` where they do.
  package var verdict: GateResult.Verdict {
    guard passed else { return .fail }
    return doubts.isEmpty ? .pass : .inconclusive
  }

  /// Whether the package is accepted: `passed`, or, where inconclusive verdicts are not accepted, a verdict of `pass`.
  package var isAccepted: Bool { isStrict ? verdict == .pass : passed }

  /// Short reasons why gates that passed say little about other images, such as "2 gates inconclusive".
  package var doubts: [String] {
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

  /// Everything that casts doubt on the figures, the gravest first.
  package var allWarnings: [String] { measuredWarnings + warnings }

  /// The warnings that follow from the report's figures and images.
  var measuredWarnings: [String] {
    let chance = parts.compactMap { part in
      part.figures.chanceWarning.map { warning in part.size.map { "at \($0.title): " + warning } ?? warning }
    }
    let duplicates = [
      verification?.duplicatesWarning,
      verification?.origin == .calibration ? nil : calibration?.duplicatesRemark("calibration"),
    ]
    return chance + ([verification?.warning] + duplicates).compactMap(\.self)
  }
}
