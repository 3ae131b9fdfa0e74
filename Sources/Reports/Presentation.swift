import Fidelity
import PrintableText
import Suggestions

/// What the renderings for people share: phrases, numbers, and names that cannot harm a terminal.

extension FidelityReport {
  /// The verdict and its reasons, such as "PASS" and "4 of 4 gates", "INCONCLUSIVE" and "4 of 4 gates passed, verified
  /// on its calibration images", or "FAIL" and "1 of 8 gates failed, at 500 px".
  var headline: (word: String, detail: String) {
    if isStopped {
      return (verdict.word, "the float network does not match its framework; nothing else was measured")
    }
    guard figures.images > 0 else { return (verdict.word, "no image was compared") }
    let gates = allGates
    let remarks = doubts.map { ", \($0)" }.joined()
    guard !passed else {
      return (verdict.word, "\(gates.count) of \(gates.count) gates\(remarks.isEmpty ? "" : " passed")\(remarks)")
    }
    let failed = gates.count { !$0.passed }
    let failingSizes = parts.compactMap { $0.passed ? nil : $0.size?.title }
    let sizeRemark = failingSizes.isEmpty ? "" : ", at \(listed(failingSizes))"
    return (verdict.word, "\(failed) of \(gates.count) gates failed\(sizeRemark)\(remarks)")
  }

  /// Why verification stopped before the last image, and what that leaves open; nil where it compared all.
  func stopSentence(_ part: ReportPart) -> String? {
    guard let stop = part.figures.stop else { return nil }
    let reason = part.passed ? "every gate is decided" : "a gate is decided to fail"
    guard let share = stop.shareAboveMaxDriftUpper, let gate = part.gates.first(where: { $0.name == .maxDrift }) else {
      return reason
    }
    let percent = fixed((share * 1e4).rounded(.up) / 100, decimals: 2)
    return "\(reason); with 95 % confidence at most \(percent) % of images drift by more than \(shortest(gate.limit))"
  }

  /// Such as "300 compared, 300 labelled, 2 skipped", or "120 compared of 1250 available".
  func imageCounts(_ figures: FidelityFigures) -> String {
    var counts = ["\(figures.images) compared" + (figures.stop.map { " of \($0.availableImages) available" } ?? "")]
    if figures.labelledImages > 0 { counts.append("\(figures.labelledImages) labelled") }
    if !skippedImages.isEmpty { counts.append("\(skippedImages.count) skipped") }
    return counts.joined(separator: ", ")
  }
}

extension GateResult.Verdict {
  /// The verdict in capitals, for headlines.
  var word: String {
    switch self {
    case .pass: "PASS"
    case .fail: "FAIL"
    case .inconclusive: "INCONCLUSIVE"
    }
  }
}

extension ImageSet {
  /// Such as "photos, 300 images".
  var title: String { "\(printable(name)), \(images) image\(images == 1 ? "" : "s")" }
}

extension VerificationSet {
  /// Such as "photos, 60 images not calibrated on", or "photos, 900 images, 48 of the 62 compared calibrated on".
  var title: String {
    guard let overlap else { return set.title }
    guard overlap > 0 else { return set.title + " not calibrated on" }
    let isWhole = compared == nil
    return set.title
      + (isOfCalibration && isWhole
        ? ", the calibration images"
        : ", \(overlap) of \(isWhole ? "them" : "the \(comparedImages) compared") calibrated on")
  }
}

extension GateName {
  /// About how many images would decide the gate, such as "about 73 images needed to decide".
  fileprivate func needed(_ images: Int) -> String {
    switch self {
    case .top1Drop, .floatTop1: "about \(images) labelled images needed to decide"
    case .decisiveAgreement: "about \(images) images needed to decide, not counting near ties"
    case .reference, .regression, .meanDrift, .maxDrift, .top1Agreement, .nonFiniteImages, .packageBytes,
      .neighborAgreement:
      "about \(images) images needed to decide"
    }
  }

  /// A value of the figure, without its unit.
  ///
  /// - Parameter interval: the confidence interval of the value or its change, whose width says what digits are worth.
  func digits(_ value: Double, _ interval: ConfidenceInterval?) -> String {
    switch self {
    case .meanDrift, .maxDrift, .reference: significant(value)
    case .top1Agreement, .decisiveAgreement, .top1Drop, .floatTop1, .neighborAgreement:
      percentDigits(value, isPrecise: interval.map(\.isNarrow) ?? false)
    case .regression, .nonFiniteImages, .packageBytes: fixed(value, decimals: 0)
    }
  }
}

extension GateResult {
  /// The value, with enough digits to tell it from the limit.
  var shownValue: String {
    guard let value else { return missingValue }
    let rounded = name.digits(value, interval)
    let looksLikeLimit = value != limit && rounded == name.digits(limit, interval)
    return (looksLikeLimit ? shortest(value) : rounded) + name.unit
  }

  /// Such as "<= 0.01" or ">= 95 %".
  var shownLimit: String {
    (name.isMinimum ? ">= " : "<= ") + shortest(limit) + name.unit
  }

  /// The limit, and the default where that is stricter: "<= 0.1 (default 0.05)".
  var shownLimitAndDefault: String {
    shownLimit + (loosenedFrom.map { " (default \(shortest($0)))" } ?? "")
  }

  /// Such as "0.00150 to 0.00350" or "51.0 to 100 %"; empty without an interval.
  var shownInterval: String { interval.map { $0.shown(name) } ?? "" }

  /// Such as "inconclusive: about 73 images needed to decide"; empty for a gate that these images decide.
  var doubt: String {
    guard verdict == .inconclusive else { return "" }
    if intervalMethod == .confidenceSequence { return "inconclusive: not decided when verification stopped" }
    return "inconclusive: "
      + (neededImages.map(name.needed) ?? "too close to the limit for any number of images to decide")
  }

  /// The figure with its interval, its limit and the verdict; nil without an interval.
  var confidenceSentence: String? {
    guard interval != nil else { return nil }
    let method = intervalMethod == .confidenceSequence ? "sequence" : "interval"
    return "\(name.title) \(shownValue), 95 % confidence \(method) \(shownInterval), limit \(shownLimit): "
      + (verdict == .inconclusive ? doubt : verdict.rawValue)
  }

  /// Why the gate failed.
  var failure: String { "\(name.title) \(failurePredicate)" }

  /// The same without the name of the figure.
  var failurePredicate: String {
    guard value == nil else { return "is \(shownValue), must be \(shownLimit)" }
    let reason =
      switch name {
      case .top1Agreement: "there is no classifier of at least two classes"
      case .decisiveAgreement: "every image is a near tie, or there is no classifier"
      case .floatTop1, .top1Drop: "no image has a label that is a class of the network"
      case .neighborAgreement: "neighbours take at least two images with embeddings"
      case .reference: "an output is not finite"
      case .regression: "the baseline has none of the figures, or no intervals to judge them by"
      default: "no image was compared"
      }
    return "has no value: \(reason)"
  }
}

extension ConfidenceInterval {
  /// Whether the second decimal of percentages means something: with about `preciseImages` images or more.
  var isNarrow: Bool { high - low < 0.6 }

  /// Such as "0.00150 to 0.00350" or "51.0 to 100 %".
  func shown(_ name: GateName) -> String { "\(name.digits(low, self)) to \(name.digits(high, self))\(name.unit)" }

  /// Such as "51.0 to 100", in percent.
  var shownPercents: String {
    "\(percentDigits(low, isPrecise: isNarrow)) to \(percentDigits(high, isPrecise: isNarrow))"
  }
}

extension DecisiveAgreement {
  /// Such as "of 1204 images, 98.9 to 99.8 %; 46 near ties".
  var remark: String {
    var parts = ["of \(images) images"]
    if let top1Interval { parts.append("\(top1Interval.shownPercents) %") }
    return parts.joined(separator: ", ") + "; \(nearTies) near \(nearTies == 1 ? "tie" : "ties")"
  }
}

extension FidelityFigures.WorstImage {
  /// The drift, the name, and the defect of the outputs, if any.
  var line: String {
    "\(shownDrift(drift))  \(printable(name))" + (defect.map { "  (\(printable($0)))" } ?? "")
  }
}

/// Such as "0.00505"; "-" for a drift that does not exist.
func shownDrift(_ drift: Double?) -> String { drift.map(significant) ?? missingValue }

/// Such as "26.1 MB": units are powers of 1000.
func shownBytes(_ bytes: Int) -> String {
  let units = ["bytes", "kB", "MB", "GB"]
  var value = Double(bytes)
  var unit = 0
  while value >= 1000, unit + 1 < units.count {
    value /= 1000
    unit += 1
  }
  return fixed(value, decimals: unit == 0 || value >= 100 ? 0 : 1) + " " + units[unit]
}

extension FidelityReport {
  /// The estimated time of inference; nil for a report without an estimate.
  var inferenceSentence: String? {
    guard let cost = inference else { return nil }
    var reasons: [String] = []
    if cost.wideLayers > 0 { reasons.append("\(cost.wideLayers) layers read 16-bit inputs") }
    if cost.floatLayers > 0 { reasons.append("\(cost.floatLayers) layers compute in float") }
    guard !reasons.isEmpty else {
      return "plain int8, about \(fixed(cost.milliseconds, decimals: 1)) ms per image on one core"
    }
    return
      "about \(fixed(cost.slowdown, decimals: 2)) times as long as plain int8, "
      + "\(fixed(cost.milliseconds, decimals: 1)) instead of \(fixed(cost.plainMilliseconds, decimals: 1)) ms "
      + "per image on one core: " + reasons.joined(separator: ", ")
  }
}

extension FidelityReport {
  /// How images became inputs, such as "64 px, rect, bicubic"; `nil` where the report compares stored outputs, or
  /// covers several sizes, which say so themselves.
  var imagesSentence: String? {
    guard sizes.isEmpty, case .int(let size)? = settings["size"], case .string(let crop)? = settings["crop"] else {
      return nil
    }
    var parts = ["\(size) px", crop]
    if case .string(let filter)? = settings["resize"] { parts.append(filter) }
    if case .number(let ratio)? = settings["crop_ratio"] { parts.append("crop ratio \(ratio)") }
    if case .bool(true)? = settings["exif_orientation"] { parts.append("turned upright") }
    return parts.joined(separator: ", ")
  }
}
