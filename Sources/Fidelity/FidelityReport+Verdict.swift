/// What can be concluded from a report.
extension FidelityReport {
  /// `fail` where a gate failed; otherwise `inconclusive` where the figures do not show that gates would be kept on other
  /// images (see `doubts`), and `pass` where they do.
  package var verdict: GateResult.Verdict {
    guard passed else { return .fail }
    return doubts.isEmpty ? .pass : .inconclusive
  }

  /// Whether the package is accepted: `passed`, or, where inconclusive verdicts are not accepted, a verdict of `pass`.
  package var isAccepted: Bool { isStrict ? verdict == .pass : passed }

  /// Why gates that were kept prove little, in a few words each.
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

  /// Everything that puts the figures in doubt, the gravest first.
  package var allWarnings: [String] { measuredWarnings + warnings }

  /// What the report's own figures give cause for.
  var measuredWarnings: [String] {
    let chance = parts.compactMap { part in
      part.figures.chanceWarning.map { warning in part.size.map { "at \($0.title): " + warning } ?? warning }
    }
    return chance + (verification?.warning.map { [$0] } ?? [])
  }
}
