import PackageFormat
import ReportRules

/// A figure of a stored report with its limit (formats/report.md).
struct StoredGate: Hashable {
  /// The figure; the raw value is its name in reports.
  enum Name: String {
    case reference, regression
    case meanDrift = "mean_drift"
    case maxDrift = "max_drift"
    case top1Agreement = "top1_agreement"
    case decisiveAgreement = "decisive_agreement"
    case top1Drop = "top1_drop"
    case floatTop1 = "float_top1"
    case neighborAgreement = "neighbour_agreement"
    case nonFiniteImages = "non_finite_images"
    case packageBytes = "package_bytes"

    /// Whether the limit is the lowest value that passes; otherwise it is the highest.
    fileprivate var isMinimum: Bool {
      switch self {
      case .top1Agreement, .decisiveAgreement, .floatTop1, .neighborAgreement: true
      default: false
      }
    }

    /// The valid limits.
    fileprivate var limits: ClosedRange<Double> {
      switch self {
      case .meanDrift, .maxDrift: ReportLimits.drifts
      case .top1Agreement, .decisiveAgreement, .top1Drop, .floatTop1, .neighborAgreement: ReportLimits.percentages
      case .nonFiniteImages: 0...0
      case .reference, .regression, .packageBytes: 0...Double.greatestFiniteMagnitude
      }
    }

    /// The values that the figure can have.
    var figures: ClosedRange<Double> {
      switch self {
      case .top1Drop: ReportLimits.drops
      case .nonFiniteImages: 0...Double.greatestFiniteMagnitude
      default: limits
      }
    }
  }

  let name: Name
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

  private func passes(_ value: Double) -> Bool { name.isMinimum ? value >= limit : value <= limit }

  /// - Throws: `PackageError.invalidReport`, including for an outcome that is not that of value, interval and limit.
  init(_ object: ReportObject) throws(PackageError) {
    let stated = try object.required("name", try object.text("name"))
    guard let name = Name(rawValue: stated == "clear_agreement" ? Name.decisiveAgreement.rawValue : stated) else {
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
