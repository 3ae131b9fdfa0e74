import Fidelity
import FidelitySamples
import Reports
import Testing

/// Reports that were edited after they were measured.
@Suite struct ContradictionTests {
  private static func expectRefused(_ report: FidelityReport, _ path: String, _ new: String?, _ reason: String) throws {
    let json = try edited(try report.json(), path, new)
    let error = #expect(throws: ReportError.self, "\(path)") { try FidelityReport(reading: json, from: "a.json") }
    #expect(error?.description.contains(reason) == true, "\(path): \(String(describing: error))")
  }

  /// A value of a report that passes, what replaces it, and a part of the reason.
  private static let edits: [(String, String?, String)] = [
    ("drift.mean", "-3", "drift.mean is -3, which is not from 0 to 2"),
    ("drift.mean", "0.5", "outside of its interval"),
    ("drift.mean", "null", "interval and no value"),
    ("drift.max", "3", "drift.max is 3"),
    ("drift.max", "0.5", "not the drift of the worst image"),
    ("drift.p50", "0.0099", "quantiles of drift fall"),
    ("drift.std", "-1", "drift.std is -1"),
    ("drift.mean_interval.low", "-0.1", "has an interval from -0.1"),
    ("drift.mean_interval.high", "0.0051", "does not have the interval of its figure"),
    ("gates.0.value", "0.001", "the gate 'mean_drift' has the value 0.001, and its figure is"),
    ("gates.0.interval", "null", "does not have the interval of its figure"),
    ("gates.0.limit", "3", "has the limit 3"),
    ("gates.0.interval_method", "\"confidence_sequence\"", "of a verification that stopped"),
    ("gates.1", nil, "it has no gate 'max_drift'"),
    ("gates.1.name", "\"mean_drift\"", "'mean_drift' twice"),
    ("gates", "[]", "it has no gate 'mean_drift'"),
    ("gates.0.passed", "false", "not that of value and limit"),
    ("images", "-5", "it states -5 images"),
    ("images", "10", "decisive_agreement.images is 100"),
    ("labelled_images", "101", "labelled_images is 101"),
    ("non_finite_images", "1", "no gate 'non_finite_images'"),
    ("agreement.top1", "1e300", "agreement.top1 is 1e+300"),
    ("agreement.top5", "99", "greater than agreement.top5"),
    ("top1_drop", "1", "not the difference of float and int8"),
    ("chance", "101", "chance is 101"),
    ("worst_images.1.drift", "2.5", "worst image is 2.5"),
    ("worst_images.1.drift", "0", "in the order of drift"),
    ("verification.images", "-1", "a set has -1 images"),
    ("verification.overlap", "76", "overlap is 76"),
    ("verification.compared", "76", "verification.compared is 76"),
    ("verification.compared", "50", "the number of images at no size"),
    ("verification.duplicates", "-1", "duplicates is -1"),
    ("calibration.duplicates", "301", "duplicates is 301"),
    ("package.bytes", "-1", "has -1 bytes"),
    ("passed", "false", "not that of the gates"),
  ]

  @Test(arguments: edits)
  func figuresThatContradictEachOtherAreRefused(path: String, new: String?, reason: String) throws {
    try Self.expectRefused(try Sample.passing(), path, new, reason)
  }

  @Test(arguments: IntervalEdit.all)
  func intervalsThatAreNotThoseOfTheirFiguresAreRefused(edit: IntervalEdit) throws {
    try Self.expectRefused(try edit.original.report(), edit.path, edit.new, edit.reason)
  }

  @Test(arguments: [
    ("top1_changes.lost", "2", "not that of top1_changes"), ("top1_changes.gained", "9223372036854775807", "gained is"),
    ("float.top1", "75", "not the difference"),
    ("gates.3.value", "30", "the gate 'top1_drop' has the value 30"),
  ])
  func accuraciesAreChecked(path: String, new: String, reason: String) throws {
    try Self.expectRefused(try Sample.failing(), path, new, reason)
  }

  @Test(arguments: [
    ("neighbours.images", "101", "neighbours.images is 101"), ("neighbours.near_ties", "-1", "near_ties is -1"),
    ("neighbours.copies", "101", "copies is 101"), ("neighbours.classes.queries", "-1", "queries is -1"),
    ("neighbours.classes.float_in_float.map", "101", "map is 101"),
    ("neighbours.int8_in_int8.top1", "50", "int8_in_int8.top1 is 50, which is outside"),
    ("neighbours.median_distance", "0.1", "median_distance is 0.1"),
  ])
  func neighboursAreChecked(path: String, new: String, reason: String) throws {
    try Self.expectRefused(try Sample.searched(), path, new, reason)
  }

  @Test(arguments: [
    ("reference_check.images", "0", "passed without images"), ("reference_check.images", "-1", "negative number"),
    ("reference_check.embedding_max", "-1", "negative number"),
  ])
  func checksAgainstTheFrameworkAreChecked(path: String, new: String, reason: String) throws {
    var report = try Sample.passing()
    report.referenceCheck = Sample.check(embedding: 3.1e-7)
    try Self.expectRefused(report, path, new, reason)
  }

  /// A size is named where there are several.
  @Test func everySizeIsChecked() throws {
    let sizes = try [64, 96].map { size in
      SizeFidelity(
        size: size, crop: "rect", poolingExponent: nil, figures: try Sample.passing().figures, gates: try Gates())
    }
    var report = FidelityReport(
      first: sizes[0], further: [sizes[1]], package: nil, reference: try Sample.passing().reference)
    try Self.expectRefused(report, "sizes.1.drift.mean", "-1", "at 96 px: drift.mean is -1")
    try Self.expectRefused(report, "drift.mean", "-1", "figures are not those of the report")
    report.setPackage(.init(path: "a.quern", bytes: 10, sha256: "00"), maxBytes: 20)
    let gate = #"{"name": "package_bytes", "value": 10, "limit": 20, "passed": true}"#
    try Self.expectRefused(report, "sizes.1.gates.0", gate, "a size has the gate 'package_bytes'")
    try Self.expectRefused(report, "gates.0", gate, "the gate 'package_bytes' twice")
  }

  /// Intervals are those of reports that say which version wrote them; earlier ones had none.
  @Test func reportsWithoutIntervalsAreOfEarlierVersions() throws {
    var report = try Sample.searched()
    report.toolVersion = nil
    let json = try edited(try report.json(), "neighbours.int8_in_float.top1_interval", "null")
    let read = try FidelityReport(reading: json, from: "a.json")
    #expect(read.figures.neighbors?.int8InFloat.top1Interval == nil)
  }

  /// Earlier versions let a baseline without intervals pass.
  @Test func earlierComparisonsWithABaselineAreRead() throws {
    var report = try Sample.passing()
    report.baseline = BaselineComparison(report, since: report, path: "old.json", sha256: "00")
    #expect(report.passed)
    let json = try edited(try report.json(), "baseline.changes.0.interval", "null")
    let read = try FidelityReport(reading: json, from: "a.json")
    #expect(!read.passed && read.verdict == .fail)
  }

  @Test func keysThatAreThereTwiceAreRefused() throws {
    let json = try Sample.passing().json()
    let altered = json.replacing("\"drift\" : {\n    \"max\"", with: "\"drift\" : {\n    \"mean\" : 0.9,\n    \"max\"")
    #expect(altered != json)
    #expect(throws: ReportError.self) { try FidelityReport(reading: altered, from: "a.json") }
  }
}
