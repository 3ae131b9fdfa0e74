import ReportRules

/// Why a report cannot be that of a measurement.
struct ReportContradiction: Error {
  let reason: String
}

extension FidelityReport {
  /// Checks what holds of every report of a measurement: figures are in their ranges, intervals are around them, and
  /// gates have the values of their figures.
  ///
  /// A report says most figures twice, by themselves and as values of gates. Where the two differ, what a reader is
  /// told would depend on which of them is shown.
  func checkConsistency() throws(ReportContradiction) {
    // The file is the same at every size.
    try require(
      !sizes.contains { $0.gates.contains { $0.name == .packageBytes } }, "a size has the gate 'package_bytes'")
    for part in parts {
      do throws(ReportContradiction) {
        try part.figures.checkValues()
        try part.figures.checkIntervals(areRequired: toolVersion != nil)
        try part.checkGates()
      } catch {
        throw ReportContradiction(reason: (part.size.map { "at \($0.title): " } ?? "") + error.reason)
      }
    }
    let sizeGates = gates.filter { $0.name == .packageBytes }
    try require(sizeGates.count <= 1, "it has the gate 'package_bytes' twice")
    if let package {
      try require(package.bytes >= 0, "the package has \(package.bytes) bytes")
      for gate in sizeGates {
        try require(
          gate.value == Double(package.bytes), "the gate 'package_bytes' does not have the value of the package")
      }
    }
    try referenceCheck?.checkValues()
    for set in [calibration, verification?.set].compactMap(\.self) {
      try require(set.images >= 0, "a set has \(set.images) images")
      try requireCount("duplicates", set.duplicates, of: set.images)
    }
    guard let verification else { return }
    if let compared = verification.compared {
      try requireCount("verification.compared", compared, of: verification.set.images)
      try require(
        parts.contains { $0.figures.images == compared },
        "verification.compared is \(compared), the number of images at no size")
    }
    try requireCount("overlap", verification.overlap, of: verification.comparedImages)
    try requireCount("duplicates", verification.set.duplicates, of: verification.comparedImages)
  }
}

extension FidelityReport {
  /// Why this cannot be the report in a package, which has neither a baseline nor a gate on the size of the file
  /// (`deterministicPart`); `nil` where it can. libquern refuses the same.
  package var problemInPackage: String? {
    if baseline != nil { return "it has 'baseline', which the report in a package has not" }
    guard gates.contains(where: { $0.name == .packageBytes }) else { return nil }
    return "it has the gate 'package_bytes', which the report in a package has not"
  }
}

extension ReportPart {
  fileprivate func checkGates() throws(ReportContradiction) {
    var names: Set<GateName> = []
    for gate in gates {
      let name = gate.name.rawValue
      try require(names.insert(gate.name).inserted, "it has the gate '\(name)' twice")
      try require(gate.name.limits.contains(gate.limit), "the gate '\(name)' has the limit \(shortest(gate.limit))")
      try require((gate.neededImages ?? 1) > 0, "the gate '\(name)' needs \(gate.neededImages ?? 0) images")
      guard let figure = figures.figure(of: gate.name) else { continue }
      try require(
        gate.value == figure.value,
        "the gate '\(name)' has the value \(shown(gate.value)), and its figure is \(shown(figure.value))")
      if let interval = gate.interval, gate.intervalMethod == .confidenceSequence {
        try require(figures.stop != nil, "the gate '\(name)' has an interval of a verification that stopped")
        // As it is the intersection of the intervals after each image, it need not contain the last figure.
        try requireInterval("the gate '\(name)'", interval, in: gate.name.figures)
      } else {
        try require(
          gate.intervalMethod == nil && gate.interval == (figures.stop == nil ? figure.interval : nil),
          "the gate '\(name)' does not have the interval of its figure")
      }
    }
    let always = GateName.always(
      images: figures.images, hasAgreement: figures.agreement.top1 != nil, hasDrop: figures.top1Drop != nil,
      nonFiniteImages: figures.nonFiniteImages)
    for name in always where !names.contains(name) {
      throw ReportContradiction(reason: "it has no gate '\(name.rawValue)'")
    }
  }
}

extension FidelityFigures {
  /// The figure that a gate limits, and its usual interval; `nil` for gates of something else.
  fileprivate func figure(of gate: GateName) -> (value: Double?, interval: ConfidenceInterval?)? {
    switch gate {
    case .meanDrift:
      // As a gate, the mean of a single image may be anything.
      let unknown = images == 1 ? ConfidenceInterval(low: 0, high: worstDrift) : nil
      return (drift.mean, drift.meanInterval ?? unknown)
    case .maxDrift: return (drift.max, nil)
    case .top1Agreement: return (agreement.top1, agreement.top1Interval)
    case .decisiveAgreement: return (decisiveAgreement?.top1, decisiveAgreement?.top1Interval)
    case .top1Drop: return (top1Drop, top1DropInterval)
    case .floatTop1: return (float.top1, float.top1Interval)
    case .neighborAgreement:
      let agreement = neighbors?.lowerAgreement
      return (agreement?.top1, agreement?.top1Interval)
    case .nonFiniteImages: return (Double(nonFiniteImages), nil)
    case .reference, .regression, .packageBytes: return nil
    }
  }

  fileprivate func checkValues() throws(ReportContradiction) {
    try require(images >= 0, "it states \(images) images")
    try requireCount("labelled_images", labelledImages, of: images)
    try requireCount("non_finite_images", nonFiniteImages, of: images)
    try drift.checkValues(images: images)
    try agreement.checkValues("agreement")
    try float.checkValues("float")
    try int8.checkValues("int8")
    try requireValue("chance", chance, in: percent)
    if let decisiveAgreement {
      try requireCount("decisive_agreement.images", decisiveAgreement.images, of: images)
      try requireCount(
        "decisive_agreement.near_ties", decisiveAgreement.nearTies, of: images - decisiveAgreement.images)
      try requireValue(
        "decisive_agreement.top1", decisiveAgreement.top1, in: percent, decisiveAgreement.top1Interval)
    }
    try checkDrop()
    if let neighbors {
      try requireCount("neighbours.images", neighbors.images, of: images)
      try neighbors.checkValues()
    }
    try checkWorstImages()
    if let stop {
      try requireCount("images", images, of: stop.availableImages)
      try requireValue("share_above_max_drift_upper", stop.shareAboveMaxDriftUpper, in: 0...1)
    }
  }

  private func checkDrop() throws(ReportContradiction) {
    try requireValue("top1_drop", top1Drop, in: ReportLimits.drops, top1DropInterval)
    if let top1Drop {
      let difference = float.top1.flatMap { float in int8.top1.map { float - $0 } }
      try require(
        difference.map { abs($0 - top1Drop) < ReportLimits.percentRounding } ?? false,
        "top1_drop is not the difference of float and int8")
    }
    guard let changes = top1Changes else { return }
    try requireCount("top1_changes.lost", changes.lost, of: labelledImages)
    try requireCount("top1_changes.gained", changes.gained, of: labelledImages - changes.lost)
    if let top1Drop, labelledImages > 0 {
      let drop = 100 * Double(changes.lost - changes.gained) / Double(labelledImages)
      try require(abs(drop - top1Drop) < ReportLimits.percentRounding, "top1_drop is not that of top1_changes")
    }
  }

  private func checkWorstImages() throws(ReportContradiction) {
    try require(worstImages.count <= images, "it has more worst images than images")
    for image in worstImages { try requireValue("the drift of a worst image", image.drift, in: ReportLimits.drifts) }
    if let worst = worstImages.first {
      try require(worst.drift == drift.max, "drift.max is not the drift of the worst image")
    }
    for (image, next) in zip(worstImages, worstImages.dropFirst()) {
      try require(image.drift >= next.drift, "the worst images are not in the order of drift")
    }
  }
}

extension DriftSummary {
  fileprivate func checkValues(images: Int) throws(ReportContradiction) {
    let range = ReportLimits.drifts
    try requireValue("drift.mean", mean, in: range, meanInterval)
    try requireValue("drift.std", deviation, in: range)
    let rising = [("p50", p50), ("p95", p95), ("p99", p99), ("max", max)]
    for (name, value) in rising { try requireValue("drift.\(name)", value, in: range) }
    guard images > 0 else { return }
    guard let mean, let greatest = max else { throw ReportContradiction(reason: "it has images and no drift") }
    try require(mean <= greatest * (1 + ReportLimits.rounding), "drift.mean is greater than drift.max")
    let values = rising.compactMap { $0.1 }
    for (value, next) in zip(values, values.dropFirst()) {
      try require(value <= next * (1 + ReportLimits.rounding), "the quantiles of drift fall")
    }
  }
}

extension TopPercentages {
  fileprivate func checkValues(_ name: String) throws(ReportContradiction) {
    try requireValue("\(name).top1", top1, in: percent, top1Interval)
    try requireValue("\(name).top5", top5, in: percent)
    if let top1, let top5 { try require(top1 <= top5, "\(name).top1 is greater than \(name).top5") }
  }
}

extension NeighborFigures {
  fileprivate func checkValues() throws(ReportContradiction) {
    try requireCount("neighbours.near_ties", nearTies, of: images)
    try requireCount("neighbours.copies", copies, of: images)
    try requireValue("neighbours.median_distance", medianDistance, in: 0...Self.smallDistance)
    for (name, agreement) in [("int8_in_float", int8InFloat), ("int8_in_int8", int8InInt8)] {
      try requireValue("neighbours.\(name).top1", agreement.top1, in: percent, agreement.top1Interval)
      try requireValue(
        "neighbours.\(name).decisive_top1", agreement.decisive, in: percent, agreement.decisiveInterval)
    }
    guard let classes else { return }
    try requireCount("neighbours.classes.queries", classes.queries, of: images)
    for figures in [classes.floatInFloat, classes.int8InFloat, classes.int8InInt8] {
      try requireValue("recall_at_1", figures.recallAt1, in: percent, figures.recallAt1Interval)
      try requireValue("map", figures.map, in: percent, figures.mapInterval)
    }
  }
}

extension ReferenceCheck {
  fileprivate func checkValues() throws(ReportContradiction) {
    try require(images >= 0 && missingImages >= 0, "reference_check has a negative number of images")
    try require(images > 0 || !passed, "reference_check passed without images")
    let numbers: [Double?] = [
      differences.embedding, differences.logits, onInput?.embedding, onInput?.logits, tolerances.embedding,
      tolerances.logits,
    ]
    try require(numbers.compactMap(\.self).allSatisfy { $0 >= 0 }, "reference_check has a negative number")
  }
}

private let percent = ReportLimits.percentages

private func shown(_ value: Double?) -> String { value.map(shortest) ?? "null" }

private func require(_ holds: Bool, _ reason: @autoclosure () -> String) throws(ReportContradiction) {
  if !holds { throw ReportContradiction(reason: reason()) }
}

/// Checks that a count, if there is one, is from 0 to `total`.
private func requireCount(_ name: String, _ count: Int?, of total: Int) throws(ReportContradiction) {
  guard let count else { return }
  try require(count >= 0 && count <= total, "\(name) is \(count), which is not from 0 to \(total)")
}

/// Checks that a figure, if there is one, is in its range, and its interval around it.
private func requireValue(
  _ name: String, _ value: Double?, in range: ClosedRange<Double>, _ interval: ConfidenceInterval? = nil
) throws(ReportContradiction) {
  if let value {
    try require(
      range.isNear(value),
      "\(name) is \(shortest(value)), which is not from \(shortest(range.lowerBound)) to \(shortest(range.upperBound))")
  }
  guard let interval else { return }
  try requireInterval(name, interval, in: range)
  guard let value else { throw ReportContradiction(reason: "\(name) has an interval and no value") }
  try require(interval.ends.contains(value), "\(name) is \(shortest(value)), which is outside of its interval")
}

private func requireInterval(
  _ name: String, _ interval: ConfidenceInterval, in range: ClosedRange<Double>
) throws(ReportContradiction) {
  try require(
    interval.low <= interval.high && range.isNear(interval.low) && range.isNear(interval.high),
    "\(name) has an interval from \(shortest(interval.low)) to \(shortest(interval.high))")
}
