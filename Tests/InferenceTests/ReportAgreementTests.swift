import Fidelity
import FidelitySamples
import Files
import Foundation
import Inference
import PackageFormat
import Testing

/// The tool and libquern read the report in a package alike.
@Suite struct ReportAgreementTests {
  private static let side = 224

  private static func comparisons(
    _ count: Int, reference: (Int) -> [Float], quantized: ((Int) -> [Float])? = nil, label: (Int) -> Int? = { _ in nil }
  ) throws -> [ImageComparison] {
    try (0..<count).map { index in
      try image(
        "\(index).jpg", drift: 0.0001 * Double(index), reference: reference(index),
        quantized: quantized?(index) ?? reference(index), label: label(index))
    }
  }

  private static func report(
    searched neighbors: NeighborFigures?, _ comparisons: [ImageComparison], _ gates: Gates
  ) throws -> FidelityReport {
    var report = try Sample.report(comparisons, gates: gates)
    report.figures.neighbors = neighbors
    report.gates = gates.results(for: report.figures)
    return report
  }

  private static func stopped(drift: Double, count: Int) throws -> FidelityReport {
    let decided = try Sample.decided(drift: drift, count: count)
    var report = try Sample.report([])
    report.figures = try #require(decided)
    report.gates = try Gates().results(for: report.figures)
    return report
  }

  private static func searched(count: Int, nearTies: Int, distance: Double?) throws -> FidelityReport {
    let queries = (0..<count).map { index in
      NeighborQuery(agreesInFloat: index > 0, agreesInInt8: index > 1, isNearTie: index < nearTies, classes: nil)
    }
    return try report(
      searched: NeighborFigures(queries, copies: 2, medianDistance: distance), comparisons(count, reference: varied),
      Gates(minNeighborAgreement: 50))
  }

  private static func ofSizes() throws -> FidelityReport {
    let sizes = try [64, 96].map { size in
      let images = try comparisons(60, reference: varied)
      return SizeFidelity(
        size: size, crop: "rect", poolingExponent: nil, figures: figures(of: images),
        gates: try Gates(maxMeanDrift: size == 64 ? 0.01 : 0.001))
    }
    var report = FidelityReport(
      first: sizes[0], further: [sizes[1]], package: nil, reference: try Sample.passing().reference)
    report.toolVersion = "1.2.3"
    return report
  }

  private static func nonFinite() throws -> FidelityReport {
    let broken = try ImageComparison(
      name: "nan.jpg", referenceEmbedding: [1, 0], quantizedEmbedding: [.nan, 0], referenceLogits: varied(0),
      quantizedLogits: varied(0))
    return try Sample.report(comparisons(20, reference: varied) + [broken])
  }

  private static func checked(embedding: Double) throws -> FidelityReport {
    var report = try Sample.passing()
    report.referenceCheck = Sample.check(embedding: embedding)
    return report
  }

  enum Kind: CaseIterable {
    case passing, failing, searched, sizes, unclassified, decided, decidedToFail, one, empty, required, nearTies
    case nearTiesOfSearches, oneAnswer, alike, nonFinite, checked, unlike, stoppedByCheck, labelled, same
  }

  private static func report(of kind: Kind) throws -> FidelityReport {
    switch kind {
    case .passing: try Sample.passing()
    case .failing: try Sample.failing()
    case .searched: try Sample.searched()
    case .sizes: try ofSizes()
    case .unclassified: try Sample.report(comparisons(40, reference: { _ in [] }))
    case .decided: try stopped(drift: 0.002, count: 120)
    case .decidedToFail: try stopped(drift: 0.06, count: 40)
    case .one: try Sample.report(comparisons(1, reference: varied))
    case .empty: try Sample.report([])
    case .required:
      try Sample.report(
        comparisons(40, reference: { _ in [] }),
        gates: Gates(
          requiresAgreement: true, minDecisiveAgreement: 90, requiresTop1Drop: true, minFloatTop1: 50,
          minNeighborAgreement: 90))
    case .nearTies:
      try Sample.report(
        comparisons(40, reference: { _ in [Float](repeating: 1, count: 6) }), gates: Gates(minDecisiveAgreement: 90))
    case .nearTiesOfSearches: try searched(count: 30, nearTies: 30, distance: nil)
    case .oneAnswer: try Sample.report(comparisons(40, reference: { _ in varied(0) }))
    case .alike: try searched(count: 30, nearTies: 3, distance: 0.004)
    case .nonFinite: try nonFinite()
    case .checked: try checked(embedding: 3.1e-7)
    case .unlike: try checked(embedding: 0.5)
    case .stoppedByCheck:
      FidelityReport(stoppedBy: Sample.check(embedding: 0.5), reference: try Sample.passing().reference)
    case .labelled:
      try Sample.report(
        comparisons(200, reference: varied, quantized: { varied($0 % 50 == 0 ? $0 + 1 : $0) }, label: { $0 % 6 }))
    case .same: try Sample.report((0..<50).map { try image("\($0).jpg", drift: 0) })
    }
  }

  private static func json(_ report: FidelityReport) throws -> String {
    String(decoding: try JSONEncoder().encode(report), as: UTF8.self)
  }

  private static func stored(_ json: String, of report: FidelityReport) throws -> StoredFidelity {
    let source = String(decoding: try JSONEncoder().encode(report.reference), as: UTF8.self)
    return try StoredFidelity(
      metadata: #"{"source": \#(source), "calibration": {}, "fidelity": \#(json)}"#, contentHash: SHA256.hash([1]))
  }

  private static func values(_ figures: FidelityFigures) -> [(name: String, value: Double?)] {
    let (drift, neighbors) = (figures.drift, figures.neighbors)
    return [
      ("drift.mean", drift.mean), ("drift.std", drift.deviation), ("drift.p50", drift.p50), ("drift.p95", drift.p95),
      ("drift.p99", drift.p99), ("drift.max", drift.max), ("agreement.top1", figures.agreement.top1),
      ("agreement.top5", figures.agreement.top5), ("decisive_agreement.top1", figures.decisiveAgreement?.top1),
      ("float.top1", figures.float.top1), ("float.top5", figures.float.top5), ("int8.top1", figures.int8.top1),
      ("int8.top5", figures.int8.top5), ("top1_drop", figures.top1Drop), ("chance", figures.chance),
      ("neighbours.median_distance", neighbors?.medianDistance),
      ("neighbours.int8_in_float.top1", neighbors?.int8InFloat.top1),
      ("neighbours.int8_in_float.decisive_top1", neighbors?.int8InFloat.decisive),
      ("neighbours.int8_in_int8.top1", neighbors?.int8InInt8.top1),
      ("neighbours.int8_in_int8.decisive_top1", neighbors?.int8InInt8.decisive),
    ]
  }

  @Test(arguments: Kind.allCases)
  func honestReportsAreReadWithTheSameOutcome(kind: Kind) throws {
    let report = try Self.report(of: kind).deterministicPart
    let json = try Self.json(report)
    let read = try JSONDocument(Data(json.utf8)).decode(FidelityReport.self)
    let stored = try Self.stored(json, of: report)
    #expect(read.verdict == report.verdict && stored.verdict?.rawValue == report.verdict.rawValue)
    for part in read.parts {
      let figures = try #require(stored.figures(side: part.size?.size ?? Self.side))
      #expect(figures.passed == part.passed && figures.images == part.figures.images)
      #expect(figures.labelledImages == part.figures.labelledImages)
      for (name, value) in Self.values(part.figures) { #expect(figures[name] == value, "\(name)") }
    }
  }

  private static func expectRefused(_ json: String, of report: FidelityReport, _ reason: String) throws {
    let error = #expect(throws: PackageError.self, "\(reason)") { try stored(json, of: report) }
    guard case .invalidReport(let problem)? = error else {
      Issue.record("\(reason): \(String(describing: error))")
      return
    }
    #expect(problem.contains(reason), "\(problem)")
  }

  @Test(arguments: IntervalEdit.all)
  func intervalsThatAreNotThoseOfTheirFiguresAreRefused(edit: IntervalEdit) throws {
    let report = try edit.original.report().deterministicPart
    let json = try edited(try Self.json(report), edit.path, edit.new)
    try Self.expectRefused(json, of: report, edit.reason)
    #expect(throws: DecodingError.self) { try JSONDocument(Data(json.utf8)).decode(FidelityReport.self) }
  }

  /// What depends on a file or on an earlier report is no part of a package.
  @Test func baselinesAndSizesOfFilesAreRefused() throws {
    let (report, earlier) = try (Sample.passing(), Sample.failing())
    var limited = report.deterministicPart
    limited.setPackage(.init(path: "a.quern", bytes: 10, sha256: "00"), maxBytes: 5)
    var compared = report.deterministicPart
    compared.baseline = BaselineComparison(report, since: earlier, path: "old.json", sha256: "00")
    for (report, reason) in [(limited, "the gate 'package_bytes'"), (compared, "'baseline'")] {
      try Self.expectRefused(try Self.json(report), of: report, reason)
      let problem = report.problemInPackage
      #expect(problem?.contains(reason) == true)
    }
    #expect(report.deterministicPart.problemInPackage == nil)
  }
}
