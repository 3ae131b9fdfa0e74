import Fidelity
import FidelitySamples
import Foundation
import Reports
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct ReportTests {
  @Test(arguments: [
    ("a.json", ReportFormat.json), ("x.y/summary.MD", .markdown), ("/tmp/junit.xml", .junit), (".json", .json),
    ("a.intoto.json", .provenance), ("a.Intoto.JSON", .provenance), ("a.cdx.json", .billOfMaterials),
    ("aintoto.json", .json), ("a.intoto.json.json", .json), ("a.cdx.json/b.json", .json),
  ])
  func formatIsTheExtension(path: String, format: ReportFormat) throws {
    #expect(try ReportFormat(path: path) == format)
  }

  @Test(arguments: ["", "json", "a.txt", "a.json/report", "a.json.gz", "report."])
  func otherExtensionsAreRefused(path: String) {
    let error = #expect(throws: ReportError.self) { try ReportFormat(path: path) }
    #expect(error?.description.hasSuffix("must end in .json, .md, .xml, .html, .intoto.json, .cdx.json") == true)
  }

  /// Names and texts of any kind, without a time and with one. Validators of others check the documents in
  /// `scripts/differential/compare_signatures.py`.
  @Test(arguments: [nil, 1_767_225_600]) func documentsOnHowAPackageWasMade(time: Int?) throws {
    var report = try Sample.failing()
    #expect(!report.has(.provenance) && !report.has(.billOfMaterials) && report.has(.json))
    var build = PackageBuild(planSHA256: "1234", embeddingDimension: 512, classCount: 6)
    build.licenseText = Sample.nasty
    build.inputs = [.init(role: "plan", path: "plans/\(Sample.nasty.replacing("/", with: "_"))", sha256: "5678")]
    build.time = time
    report.build = build
    report.contentHash = "9abc"
    #expect(report.has(.provenance) && report.has(.billOfMaterials))
    func members(_ format: ReportFormat) throws -> [String: Any] {
      let text = try report.rendered(as: format)
      #expect(text == (try report.rendered(as: format)) && text.hasSuffix("}\n"))
      #expect(text.contains("2026-01-01T00:00:00Z") == (time != nil), "\(format)")
      // JSON escapes what could harm a terminal, apart from marks of direction.
      #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
      return try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }
    let provenance = try members(.provenance)
    let subject = try #require((provenance["subject"] as? [[String: Any]])?.first)
    #expect(subject["name"] as? String == "resnet50.quern")
    #expect((subject["digest"] as? [String: String])?["sha256"] == report.package?.sha256)
    let predicate = try #require(provenance["predicate"] as? [String: Any])
    let definition = try #require(predicate["buildDefinition"] as? [String: Any])
    let roles = (definition["resolvedDependencies"] as? [[String: Any]])?.compactMap {
      ($0["annotations"] as? [String: Any])?["role"] as? String
    }
    #expect(roles == ["checkpoint", "calibration images", "verification images", "plan"])

    let component = try #require((try members(.billOfMaterials)["metadata"] as? [String: Any])?["component"])
    let card = try #require((component as? [String: Any])?["modelCard"] as? [String: Any])
    let metrics = (card["quantitativeAnalysis"] as? [String: Any])?["performanceMetrics"] as? [[String: Any]]
    let drift = try #require(metrics?.first)
    #expect(drift["type"] as? String == "mean drift")
    #expect((drift["value"] as? String).flatMap(Double.init) == report.figures.drift.mean)
    let interval = drift["confidenceInterval"] as? [String: String]
    #expect((interval?["upperBound"]).flatMap(Double.init) == report.figures.drift.meanInterval?.high)
  }

  @Test func failingReportInEveryFormat() throws {
    let report = try Sample.failing()
    #expect(!report.passed)
    try Fixture.expectGolden(report.rendered(as: .json), "failing.json")
    try Fixture.expectGolden(report.rendered(as: .markdown), "failing.md")
    try Fixture.expectGolden(report.rendered(as: .junit), "failing.xml")
    try Fixture.expectGolden(report.text(), "failing.txt")
  }

  @Test func passingReportInEveryFormat() throws {
    let report = try Sample.passing()
    #expect(report.passed)
    try Fixture.expectGolden(report.deterministicPart.rendered(as: .json), "passing-deterministic.json")
    try Fixture.expectGolden(report.rendered(as: .markdown), "passing.md")
    try Fixture.expectGolden(report.rendered(as: .junit), "passing.xml")
    try Fixture.expectGolden(report.text(), "passing.txt")
  }

  /// A float network that was held to its framework: it passed, or all stopped there.
  @Test func checkedReportsInEveryFormat() throws {
    var checked = try Sample.passing()
    checked.referenceCheck = Sample.check(embedding: 3.1e-7)
    #expect(checked.passed)
    try Fixture.expectGolden(checked.deterministicPart.rendered(as: .json), "checked.json")
    try Fixture.expectGolden(checked.text(), "checked.txt")
    try Fixture.expectGolden(checked.rendered(as: .junit), "checked.xml")
    let stopped = FidelityReport(
      stoppedBy: Sample.check(embedding: 0.25, findings: [Sample.nasty]), reference: checked.reference,
      settings: checked.settings)
    #expect(!stopped.passed)
    try Fixture.expectGolden(stopped.rendered(as: .json), "stopped.json")
    try Fixture.expectGolden(stopped.rendered(as: .markdown), "stopped.md")
    try Fixture.expectGolden(stopped.rendered(as: .junit), "stopped.xml")
    try Fixture.expectGolden(stopped.text(), "stopped.txt")
    for report in [checked, stopped] { #expect(try FidelityReport(json: report.json()) == report) }
  }

  /// What is no number is not within any tolerance, and nothing compared is nothing passed.
  @Test(arguments: [
    (1e-5 as Double?, 1e-4 as Double?, true), (1.01e-5, 1e-4, false), (1e-5, 1.01e-4, false), (nil, 1e-4, true),
    (0, nil, true), (nil, nil, false), (.infinity, 0, false), (.nan, 0, false), (0, .nan, false),
  ])
  func referenceGateIsTheWorstDifference(embedding: Double?, logits: Double?, passes: Bool) throws {
    var report = try Sample.passing()
    report.referenceCheck = ReferenceCheck(
      framework: "PyTorch 2.15", images: 2, differences: .init(embedding: embedding, logits: logits),
      tolerances: .init())
    #expect(report.referenceCheck?.passed == passes && report.passed == passes)
    let object = try #require(JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
    let gate = try #require((object["gates"] as? [[String: Any]])?.first)
    #expect(gate["name"] as? String == "reference" && gate["passed"] as? Bool == passes)
    #expect(try FidelityReport(json: report.json()).passed == passes)
  }

  @Test func noImageIsNoCheck() {
    #expect(
      !ReferenceCheck(framework: "", images: 0, differences: .init(embedding: 0, logits: 0), tolerances: .init()).passed
    )
  }

  @Test func everyReportReadsBack() throws {
    for report in try [
      Sample.failing(), Sample.passing(), Sample.report([]), Sample.passing().deterministicPart,
      Sample.report([image("a", drift: 0.5)]),
    ] {
      #expect(try FidelityReport(json: report.json()) == report)
    }
  }

  @Test(arguments: [(999, true), (1000, true), (1001, false)])
  func sizesAreHeldAgainstTheirLimit(bytes: Int, passes: Bool) throws {
    var report = try Sample.passing()
    report.setPackage(.init(path: "a.quern", bytes: bytes, sha256: "00"), maxBytes: 1000)
    #expect(report.gates.last?.name == .packageBytes && report.passed == passes)
    #expect(report.text().contains("package bytes") && report.text().contains("<= 1000"))
    #expect(try FidelityReport(json: report.json()) == report)
    // A package cannot hold its own size.
    #expect(!report.deterministicPart.gates.contains { $0.name == .packageBytes })
    report.setPackage(.init(path: "a.quern", bytes: bytes, sha256: "00"), maxBytes: nil)
    #expect(!report.gates.contains { $0.name == .packageBytes })
  }

  @Test func missingFiguresAndNumbersThatAreNotFiniteAreNull() throws {
    var report = try Sample.report([])
    report.seconds = ["float": .nan]
    report.settings = ["loose": .number(.infinity)]
    let object = try #require(JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
    for (key, fields) in [
      "drift": ["mean", "p50", "p95", "p99", "max", "std", "mean_interval"],
      "agreement": ["top1", "top5", "top1_interval"], "float": ["top1", "top5", "top1_interval"],
      "int8": ["top1", "top5", "top1_interval"], "seconds": ["float"], "settings": ["loose"],
    ] {
      let part = try #require(object[key] as? [String: Any])
      #expect(Set(part.keys) == Set(fields))
      #expect(part.values.allSatisfy { $0 is NSNull })
    }
    #expect(object["top1_drop"] is NSNull)
    #expect(try FidelityReport(json: report.json()).seconds.isEmpty)
  }

  @Test(arguments: [
    ("quern.fidelity/1", "quern.fidelity/2"), ("\"passed\" : false", "\"passed\" : true"), ("max_drift", "min_drift"),
    ("\"images\" : 5", "\"images\" : \"5\""), ("\"verdict\" : \"inconclusive\"", "\"verdict\" : \"fail\""),
  ])
  func alteredReportsAreRefused(part: String, replacement: String) throws {
    let json = try Sample.failing().json()
    let altered = json.replacingOccurrences(of: part, with: replacement)
    #expect(altered != json)
    #expect(throws: DecodingError.self) { try FidelityReport(json: altered) }
  }

  /// Packages hold reports of the versions that made them.
  @Test func reportsWithoutIntervalsAreRead() throws {
    let json = try Sample.failing().json()
    func stripped(_ value: Any) -> Any {
      if let object = value as? [String: Any] {
        let added = [
          "interval", "mean_interval", "top1_interval", "std", "verdict", "needed_images", "top1_changes",
          "top1_drop_interval", "decisive_agreement", "tool_version",
        ]
        return object.filter { !added.contains($0.key) }.mapValues(stripped)
      }
      return (value as? [Any])?.map(stripped) ?? value
    }
    let old = stripped(try JSONSerialization.jsonObject(with: Data(json.utf8)))
    let data = try JSONSerialization.data(withJSONObject: old)
    let report = try FidelityReport(json: String(decoding: data, as: UTF8.self))
    #expect(try !report.passed && report.figures.drift.max == Sample.failing().figures.drift.max)
    #expect(report.gates.allSatisfy { $0.interval == nil && $0.verdict == ($0.passed ? .pass : .fail) })
  }

  @Test func deterministicPartHoldsNothingOfTheMachine() throws {
    let report = try Sample.passing()
    var elsewhere = report
    elsewhere.package = .init(path: "/other", bytes: 1, sha256: "00")
    elsewhere.reference.path = "/other.pth"
    elsewhere.seconds = ["float": 1]
    elsewhere.peakResidentBytes = 1
    #expect(try elsewhere.json() != report.json())
    #expect(try elsewhere.deterministicPart.json() == report.deterministicPart.json())
  }

  @Test func jsonValuesReadBack() throws {
    let value: JSONValue = [
      "null": nil, "bool": true, "int": -7, "number": 0.5, "string": "a/\u{0}\"", "array": [1, [nil]], "object": [:],
      "large": .int(.max), "tiny": .number(.leastNonzeroMagnitude),
    ]
    #expect(try JSONDecoder().decode(JSONValue.self, from: JSONEncoder().encode(value)) == value)
  }

  @Test func whatIsAtItsLimitIsSaidToBe() throws {
    let report = try Sample.report(
      (0..<9).map { try image("\($0)", drift: 0.001, reference: varied($0), quantized: varied($0)) },
      gates: Gates(minAgreement: 100))
    #expect(report.text().contains("inconclusive: too close to the limit for any number of images"))
  }

  @Test func whereAllAreTossesTheGateSaysSo() throws {
    let toss = [Float](repeating: 1, count: 6)
    let report = try Sample.report(
      [image("a", drift: 0, reference: toss, quantized: toss)], gates: Gates(minDecisiveAgreement: 50))
    #expect(try report.rendered(as: .junit).contains("every image is a near tie"))
    #expect(try FidelityReport(json: report.json()) == report)
  }

  @Test(arguments: 1...5 as ClosedRange<UInt64>)
  func reportsDoNotDependOnTheOrderOfImages(seed: UInt64) throws {
    print("seed \(seed)")
    var generator = SeededGenerator(state: seed)
    func vector(_ count: Int) -> [Float] {
      (0..<count).map { _ in .random(in: -1...1, using: &generator) }
    }
    let comparisons = try (0..<200).map { index in
      try ImageComparison(
        // Some names twice, some equal in Unicode but not in bytes.
        name: index % 2 == 0 ? "e\u{301}\(index % 25)" : "é\(index % 25)",
        referenceEmbedding: vector(8),
        quantizedEmbedding: index % 25 == 3 ? [Float](repeating: .nan, count: 8) : vector(8),
        referenceLogits: vector(7), quantizedLogits: vector(7), label: index % 3 == 0 ? nil : index % 7)
    }
    let skipped = comparisons.prefix(5).enumerated().map { index, image in
      FidelityReport.SkippedImage(name: index < 3 ? "twice" : image.name, reason: "\(index)")
    }
    let expected = try Sample.report(comparisons, skipped: skipped).json().utf8
    for threads in 1...4 {
      let shuffled = comparisons.shuffled(using: &generator)
      var total = FidelityAccumulator()
      for thread in 0..<threads {
        var part = FidelityAccumulator()
        for index in stride(from: thread, to: shuffled.count, by: threads) { part.add(shuffled[index]) }
        total.merge(part)
      }
      #expect(total.figures() == figures(of: comparisons))
      let json = try Sample.report(shuffled, skipped: skipped.shuffled(using: &generator)).json().utf8
      // Bytes, because == takes strings for equal that are so in Unicode only.
      #expect(json.elementsEqual(expected))
    }
  }
}

@Suite struct RenderingTests {
  @Test func colourOnlyWhenAskedFor() throws {
    #expect(try !Sample.failing().text().contains("\u{1B}"))
    let colored = try Sample.failing().text(colored: true)
    #expect(colored.hasPrefix("\u{1B}[1;31mFAIL\u{1B}[0m"))
    #expect(try Sample.passing().text(colored: true).hasPrefix("\u{1B}[1;32mPASS\u{1B}[0m"))
    #expect(
      try colored.replacing(#/\u{1B}\[[0-9;]*m/#, with: "") == Sample.failing().text())
  }

  @Test func noNameCanBreakALineOrAnEscapeSequence() throws {
    let report = try Sample.failing()
    for text in try [report.text(), report.rendered(as: .markdown), report.rendered(as: .junit)] {
      let harmful = text.unicodeScalars.filter { scalar in
        scalar != "\n" && [.control, .format, .unassigned].contains(scalar.properties.generalCategory)
      }
      #expect(harmful.isEmpty)
    }
    // Every row of a Markdown table has as many cells as its header.
    for block in try report.rendered(as: .markdown).components(separatedBy: "\n\n").dropFirst() {
      let cells = block.split(separator: "\n").map { $0.replacing("\\|", with: "").count { $0 == "|" } }
      #expect(Set(cells).count == 1)
    }
  }

  @Test func aValueThatFailsNeverLooksLikeItsLimit() throws {
    let comparison = try ImageComparison(
      name: "a", referenceEmbedding: [1, 0], quantizedEmbedding: [0.99, 0.141067359])
    #expect(comparison.drift < 0.01 && comparison.drift > 0.009999999)
    let text = try Sample.report([comparison], gates: Gates(maxDrift: 0.009999999)).text()
    #expect(text.contains("max drift   \(comparison.drift)  <= 0.009999999  FAIL"))
  }

  #if canImport(FoundationXML)
    @Test func junitIsWellFormedAndSaysWhatFailed() throws {
      for report in try [
        Sample.failing(), Sample.passing(), Sample.report([]), Sample.report([image("a", drift: 0.001)]),
      ] {
        let reader = JUnitReader()
        let parser = XMLParser(data: Data(try report.rendered(as: .junit).utf8))
        parser.delegate = reader
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        let isOpen = report.verdict == .inconclusive
        #expect(reader.cases == report.gates.map(\.name.rawValue) + (isOpen ? ["verdict"] : []))
        #expect(reader.failures == report.gates.filter { !$0.passed }.map(\.name.rawValue))
        #expect(reader.suite["tests"] == "\(reader.cases.count)")
        #expect(reader.suite["failures"] == "\(reader.failures.count)")
        if let path = report.reference.path { #expect(reader.properties["reference.path"] == path) }
      }
    }

    private final class JUnitReader: NSObject, XMLParserDelegate {
      var cases: [String] = []
      var failures: [String] = []
      var suite: [String: String] = [:]
      var properties: [String: String] = [:]

      func parser(
        _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
      ) {
        switch element {
        case "testsuite": suite = attributes
        case "testcase": cases.append(attributes["name"] ?? "")
        case "failure": failures.append(cases.last ?? "")
        case "property": properties[attributes["name"] ?? ""] = attributes["value"]
        default: break
        }
      }
    }
  #endif
}
