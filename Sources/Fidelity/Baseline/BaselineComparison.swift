import PrintableText

/// How a report's figures changed since an earlier report.
///
/// A figure regressed if it is worse than the earlier one and the 95 % confidence interval of the change excludes 0.
/// The interval is found from those of both figures (Zou and Donner, "Construction of confidence limits about effect
/// measures: A general approach", Statistics in Medicine 27, 2008, section 2). It treats the two measurements as
/// independent, which is too wide where both are of the same images.
package struct BaselineComparison: Hashable, Sendable, Codable {
  /// How a figure changed.
  package struct Change: Hashable, Sendable, Codable {
    /// The figure.
    package let figure: GateName
    /// The side of the images in pixels; `nil` where the report has only one size.
    package let size: Int?
    /// The earlier value, in the unit of the gate.
    package let baseline: Double
    /// The value now.
    package let value: Double
    /// The 95 % confidence interval of `value - baseline`; `nil` where one of the figures has none.
    package let interval: ConfidenceInterval?

    /// Whether the value is worse by more than chance explains.
    package var regressed: Bool {
      guard let interval else { return false }
      return figure.isMinimum ? interval.high < 0 : interval.low > 0
    }
  }

  /// The earlier report's file, as given on the command line.
  package let path: String
  /// The hash of that file, in hexadecimal.
  package let sha256: String
  /// The hash of the package that the earlier report measured; `nil` where it does not state one.
  package let packageSHA256: String?
  /// The figures that both reports have, in the order of sizes and gates.
  package let changes: [Change]
  /// Why the reports are not quite comparable, in sentences.
  package let notes: [String]

  /// The figures that regressed.
  package var regressions: [Change] { changes.filter(\.regressed) }

  /// Passes if no figure regressed. It has no value and fails without figures that both reports have, and where none
  /// regressed but it cannot be told of all of them, as one of their values has no interval.
  var gate: GateResult {
    let count = regressions.count
    let isDecided = !changes.isEmpty && (count > 0 || changes.allSatisfy { $0.interval != nil })
    return GateResult(.regression, value: isDecided ? Double(count) : nil, limit: 0)
  }

  private enum CodingKeys: String, CodingKey {
    case path, sha256, changes, notes
    case packageSHA256 = "package_sha256"
  }

  /// - Parameters:
  ///   - path: the earlier report's file.
  ///   - sha256: the hash of that file, in hexadecimal.
  package init(_ report: FidelityReport, since baseline: FidelityReport, path: String, sha256: String) {
    self.path = path
    self.sha256 = sha256
    packageSHA256 = baseline.package?.sha256
    var changes: [Change] = []
    var notes = Self.differences(report, baseline)
    for part in report.parts {
      let side = report.side(part)
      guard let earlier = baseline.parts.first(where: { baseline.side($0) == side }) else {
        notes.append("the baseline has no figures at \(side.map { "\($0) px" } ?? "this size")")
        continue
      }
      changes += Self.changes(part, earlier)
    }
    let undecided = changes.filter { $0.interval == nil }.map { change in
      change.figure.title + (change.size.map { " at \($0) px" } ?? "")
    }
    if !undecided.isEmpty {
      notes.append(
        "whether these became worse cannot be told without a confidence interval in both reports, which takes at least "
          + "two images: \(undecided.joined(separator: ", "))")
    }
    self.changes = changes
    self.notes = notes
  }

  private static func changes(_ part: ReportPart, _ earlier: ReportPart) -> [Change] {
    let (now, before) = (part.figures.comparable, earlier.figures.comparable)
    return now.compactMap { figure -> Change? in
      guard let value = figure.value, let old = before.first(where: { $0.name == figure.name }),
        let oldValue = old.value
      else { return nil }
      var interval: ConfidenceInterval?
      if let now = figure.interval, let before = old.interval { interval = change(value, now, since: oldValue, before) }
      return Change(
        figure: figure.name, size: part.size?.size, baseline: oldValue, value: value, interval: interval)
    }
  }

  /// The interval of a difference of two estimates from their intervals.
  static func change(
    _ value: Double, _ interval: ConfidenceInterval, since old: Double, _ oldInterval: ConfidenceInterval
  ) -> ConfidenceInterval {
    func distance(_ a: Double, _ b: Double) -> Double { (a * a + b * b).squareRoot() }
    let difference = value - old
    return ConfidenceInterval(
      low: difference - distance(value - interval.low, oldInterval.high - old),
      high: difference + distance(interval.high - value, old - oldInterval.low))
  }

  private static func differences(_ report: FidelityReport, _ baseline: FidelityReport) -> [String] {
    var notes: [String] = []
    if let now = report.verification?.set, let before = baseline.verification?.set, now.sha256 != before.sha256 {
      notes.append(
        "the baseline compared other images: \(before.images) of \(printable(before.name)), now \(now.images) of "
          + printable(now.name))
    }
    if report.reference.sha256 != baseline.reference.sha256 {
      notes.append(
        "the baseline has another reference: \(printable(baseline.reference.name ?? baseline.reference.sha256))")
    }
    for name in ["crop", "resize", "crop_ratio"] where report.settings[name] != baseline.settings[name] {
      notes.append("the baseline was measured with another value of \(name)")
    }
    return notes
  }
}

extension FidelityReport {
  /// The side of the images of a part, in pixels; `nil` where stored outputs were compared.
  fileprivate func side(_ part: ReportPart) -> Int? {
    if let size = part.size { return size.size }
    guard case .int(let side)? = settings["size"] else { return nil }
    return side
  }
}

extension FidelityFigures {
  /// The figures that have an interval, as gates name them.
  fileprivate var comparable: [(name: GateName, value: Double?, interval: ConfidenceInterval?)] {
    let neighbors = neighbors?.lowerAgreement
    return [
      (.meanDrift, drift.mean, drift.meanInterval),
      (.top1Agreement, agreement.top1, agreement.top1Interval),
      (.decisiveAgreement, decisiveAgreement?.top1, decisiveAgreement?.top1Interval),
      (.top1Drop, top1Drop, top1DropInterval),
      (.floatTop1, float.top1, float.top1Interval),
      (.neighborAgreement, neighbors?.top1, neighbors?.top1Interval),
    ]
  }
}
