import Fidelity

/// What the renderings for people have in common: words, numbers, and names that cannot harm a terminal.

extension FidelityReport {
  /// Such as "PASS" and "4 of 4 gates", "INCONCLUSIVE" and "4 of 4 gates kept, verified on its calibration images", or "FAIL" and
  /// "1 of 8 gates failed, at 500 px".
  var headline: (word: String, detail: String) {
    if isStopped {
      return (verdict.word, "the float network does not match its framework; nothing else was measured")
    }
    guard figures.images > 0 else { return (verdict.word, "no image was compared") }
    let gates = allGates
    let remarks = doubts.map { ", \($0)" }.joined()
    guard !passed else {
      return (verdict.word, "\(gates.count) of \(gates.count) gates\(remarks.isEmpty ? "" : " kept")\(remarks)")
    }
    let failed = gates.count { !$0.passed }
    let failingSizes = parts.compactMap { $0.passed ? nil : $0.size?.title }
    let place = failingSizes.isEmpty ? "" : ", at \(failingSizes.joined(separator: " and "))"
    return (verdict.word, "\(failed) of \(gates.count) gates failed\(place)\(remarks)")
  }

  /// Why a verification stopped before the last image, and what that leaves open; nil where it did not.
  func stopSentence(_ part: ReportPart) -> String? {
    guard let stop = part.figures.stop else { return nil }
    let reason = part.passed ? "every gate is decided" : "a gate is decided to fail"
    guard let share = stop.shareAboveMaxDriftUpper, let gate = part.gates.first(where: { $0.name == .maxDrift }) else {
      return reason
    }
    let percent = fixed((share * 1e4).rounded(.up) / 100, decimals: 2)
    return "\(reason); with 95 % confidence at most \(percent) % of images drift by more than \(shortest(gate.limit))"
  }

  /// Such as "300 compared, 300 labelled, 2 skipped".
  func imageCounts(_ figures: FidelityFigures) -> String {
    var counts = ["\(figures.images) compared" + (figures.stop.map { " of \($0.imagesAtHand) at hand" } ?? "")]
    if figures.labelledImages > 0 { counts.append("\(figures.labelledImages) labelled") }
    if !skippedImages.isEmpty { counts.append("\(skippedImages.count) skipped") }
    return counts.joined(separator: ", ")
  }
}

extension GateResult.Verdict {
  /// In capitals, as a headline has it.
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
  /// Such as "photos, 60 images not calibrated on".
  var title: String {
    let kind: String =
      switch overlap {
      case nil: ""
      case 0?: " not calibrated on"
      case let overlap? where overlap >= set.images: ", those of calibration"
      case let overlap?: ", \(overlap) of them calibrated on"
      }
    return set.title + kind
  }
}

extension GateName {
  /// Which of the images a figure is of.
  fileprivate var countedImages: String {
    switch self {
    case .top1Drop, .floatTop1: "labelled images"
    case .clearAgreement: "images that are no coin toss"
    case .reference, .meanDrift, .maxDrift, .top1Agreement, .nonFiniteImages, .packageBytes: "images"
    }
  }

  fileprivate var decimals: Int {
    switch self {
    case .meanDrift, .maxDrift: driftDecimals
    case .reference: 3
    case .top1Agreement, .clearAgreement, .top1Drop, .floatTop1: percentDecimals
    case .nonFiniteImages, .packageBytes: 0
    }
  }
}

extension GateResult {
  /// The value, with as many digits as it takes to tell it from the limit.
  var shownValue: String {
    guard let value else { return missingValue }
    let rounded = fixed(value, decimals: name.decimals)
    let looksLikeLimit = value != limit && rounded == fixed(limit, decimals: name.decimals)
    return (looksLikeLimit ? shortest(value) : rounded) + name.unit
  }

  /// Such as "<= 0.01" or ">= 95 %".
  var shownLimit: String {
    (name.isMinimum ? ">= " : "<= ") + shortest(limit) + name.unit
  }

  /// Such as "0.001500 to 0.003500" or "51.01 to 100.00 %"; empty without an interval.
  var shownInterval: String {
    interval.map {
      "\(fixed($0.low, decimals: name.decimals)) to \(fixed($0.high, decimals: name.decimals))\(name.unit)"
    } ?? ""
  }

  /// Such as "inconclusive: needs n >= 73 images"; empty for a gate that these images decide.
  var doubt: String {
    guard verdict == .inconclusive else { return "" }
    if intervalMethod == .confidenceSequence { return "inconclusive: not decided when verification stopped" }
    return "inconclusive: "
      + (neededImages.map { "needs n >= \($0) \(name.countedImages)" }
        ?? "too close to the limit for any number of images")
  }

  /// What the figure is worth, in a sentence; nil without an interval.
  var confidenceSentence: String? {
    guard interval != nil else { return nil }
    let method = intervalMethod == .confidenceSequence ? " (confidence sequence)" : ""
    return "\(name.title) \(shownValue), with 95 % confidence \(shownInterval)\(method), limit \(shownLimit): "
      + (verdict == .inconclusive ? doubt : verdict.rawValue)
  }

  /// What is wrong, in a sentence.
  var failure: String {
    guard value == nil else { return "\(name.title) is \(shownValue), must be \(shownLimit)" }
    let reason =
      switch name {
      case .clearAgreement: "every image is a coin toss"
      case .floatTop1: "no image has a label that is a class of the network"
      case .reference: "an output is not finite"
      default: "no image was compared"
      }
    return "\(name.title) has no value: \(reason)"
  }
}

extension ClearAgreement {
  /// Such as "of 1204 images, 98.90 to 99.80 %; 46 coin tosses".
  var remark: String {
    var parts = ["of \(images) images"]
    if let top1Interval {
      parts.append(
        "\(fixed(top1Interval.low, decimals: percentDecimals)) to "
          + "\(fixed(top1Interval.high, decimals: percentDecimals)) %")
    }
    return parts.joined(separator: ", ") + "; \(coinTosses) coin \(coinTosses == 1 ? "toss" : "tosses")"
  }
}

private let driftDecimals = 6
private let percentDecimals = 2

extension FidelityFigures.WorstImage {
  /// The drift, the name, and what was wrong with the outputs.
  var line: String {
    "\(shownDrift(drift))  \(printable(name))" + (defect.map { "  (\(printable($0)))" } ?? "")
  }
}

func shownDrift(_ drift: Double?) -> String {
  drift.map { fixed($0, decimals: driftDecimals) } ?? missingValue
}

/// Such as "26.1 MB": powers of 1000, three digits or more.
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
  /// What inference costs, in a sentence; nil where that is not told.
  var inferenceSentence: String? {
    guard let cost = inference else { return nil }
    var reasons: [String] = []
    if cost.wideLayers > 0 { reasons.append("\(cost.wideLayers) layers read 16-bit inputs") }
    if cost.floatLayers > 0 { reasons.append("\(cost.floatLayers) layers compute in float") }
    guard !reasons.isEmpty else {
      return "plain int8, about \(fixed(cost.milliseconds, decimals: 1)) ms an image and core"
    }
    return
      "about \(fixed(cost.slowdown, decimals: 2)) times plain int8, \(fixed(cost.milliseconds, decimals: 1)) instead of "
      + "\(fixed(cost.plainMilliseconds, decimals: 1)) ms an image and core: " + reasons.joined(separator: ", ")
  }
}
