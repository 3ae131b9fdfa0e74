import PackageFormat
import ReportRules

/// A figure of a stored report with its limit (formats/report.md).
struct StoredGate: Hashable {
  let name: GateName
  /// `nil` where it could not be computed.
  let value: Double?
  let interval: IntervalEnds?
  /// Whether the interval is that of a confidence sequence.
  let hasSequence: Bool
  let limit: Double

  /// Whether there is a value and it is within the limit.
  var passed: Bool { value.map(passes) ?? false }

  /// Whether the interval contains the limit.
  var isOpen: Bool { interval.map { passes($0.low) != passed || passes($0.high) != passed } ?? false }

  private func passes(_ value: Double) -> Bool { name.passes(value, limit: limit) }

  /// - Throws: `PackageError.invalidReport`, including for an outcome that is not that of value, interval and limit.
  init(_ object: ReportObject) throws(PackageError) {
    let stated = try object.required("name", try object.text("name"))
    guard let name = GateName(inReport: stated) else {
      throw .invalidReport("it has a gate of an unknown name")
    }
    self.name = name
    value = try object.number("value")
    limit = try object.required("limit", try object.number("limit"))
    interval = try object.interval("interval")
    let method = try object.text("interval_method")
    hasSequence = method != nil
    try require(method ?? "confidence_sequence" == "confidence_sequence", "a gate has an unknown method of intervals")
    try require(name.limits.contains(limit), "the gate '\(name.rawValue)' has the limit \(limit)")
    let needed = try object.count("needed_images")
    try require((needed ?? 1) > 0, "the gate '\(name.rawValue)' needs \(needed ?? 0) images")
    try require(
      try object.required("passed", try object.flag("passed")) == passed,
      "the outcome of the gate '\(name.rawValue)' is not that of value and limit")
    let verdict = isOpen ? "inconclusive" : passed ? "pass" : "fail"
    try require(
      try object.text("verdict") ?? verdict == verdict,
      "the verdict of the gate '\(name.rawValue)' is not that of interval and limit")
  }
}
