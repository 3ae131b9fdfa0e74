import Fidelity
import FidelitySamples
import Foundation
import Reports
import Testing

/// What is concluded from gates, images and the float network together.
@Suite struct ReportVerdictTests {
  private static func set(_ images: Int) -> ImageSet { ImageSet(name: "photos", images: images, sha256: "00") }

  private static func verified(_ images: Int, overlap: Int?, _ origin: VerificationSet.Origin = .folder)
    -> VerificationSet
  {
    VerificationSet(
      origin: origin, set: set(images), overlapping: overlap.map { (0..<$0).map { "\($0).jpg" } })
  }

  @Test func aReportPassesWhereEveryGateIsClear() throws {
    let report = try Sample.passing()
    #expect(report.verdict == .pass && report.passed && report.isAccepted)
    #expect(report.allWarnings.isEmpty)
    #expect(report.text().hasPrefix("PASS  3 of 3 gates\n"))
  }

  /// What was tried already is not advised.
  @Test func adviceKnowsTheEffort() throws {
    var report = try Sample.failing()
    #expect(report.text().contains("Try `--effort thorough`"))
    report.settings["effort"] = .string("thorough")
    #expect(!report.text().contains("--effort thorough") && report.text().contains("`quern analyze`"))
  }

  @Test func costsStandNextToThoseOfFloat() throws {
    var report = try Sample.passing()
    #expect(!report.text().contains("% of float"))
    report.inference = InferenceCost(
      milliseconds: 0.52, plainMilliseconds: 0.5, floatMilliseconds: 1.94, floatBytes: 6_000_000, wideLayers: 0,
      floatLayers: 0)
    report.setPackage(.init(path: "a.quern", bytes: 1_500_000, sha256: "00"), maxBytes: nil)
    for text in [report.text(), report.markdown(), report.html()] {
      for cell in ["6.0 MB", "1.5 MB", "25.0", "1.9", "0.5", "0.00505"] { #expect(text.contains(cell), "\(cell)") }
    }
    let again = try FidelityReport(reading: report.json(), from: "a.json")
    #expect(again.inference == report.inference)
  }

  @Test func anOpenGateLeavesTheVerdictOpen() throws {
    let report = try Sample.report(
      (1...8).map { try image("\($0)", drift: 0.001, reference: varied($0), quantized: varied($0)) })
    #expect(report.passed && report.verdict == .inconclusive)
    #expect(report.text().hasPrefix("INCONCLUSIVE  3 of 3 gates passed, 1 gate inconclusive\n"))
  }

  /// A twentieth of the images may be those of calibration.
  @Test(
    arguments: [
      (0, .pass), (5, .pass), (6, .inconclusive), (100, .inconclusive), (nil, .inconclusive),
    ] as [(Int?, GateResult.Verdict)])
  func imagesThatWereCalibratedOnProveLittle(overlap: Int?, verdict: GateResult.Verdict) throws {
    var report = try Sample.passing()
    report.verification = Self.verified(100, overlap: overlap)
    #expect(report.passed && report.verdict == verdict)
    #expect(report.allWarnings.isEmpty == (overlap == 0))
    let object = try #require(JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
    #expect(object["verdict"] as? String == verdict.rawValue && object["passed"] as? Bool == true)
    let described = try #require(object["verification"] as? [String: Any])
    #expect(described["overlap"] as? Int == overlap && described["set"] as? String == "folder")
    #expect((object["warnings"] as? [String])?.count == report.allWarnings.count)
    for text in [report.text(), report.markdown(), report.junit()] {
      for warning in report.allWarnings { #expect(text.contains(warning.prefix(40))) }
    }
    #expect(try FidelityReport(json: report.json()) == report)
  }

  /// A twentieth of the images may repeat others, by their pixels or to the float network.
  @Test(
    arguments: [
      (0, .pass), (5, .pass), (6, .inconclusive), (99, .inconclusive),
    ] as [(count: Int, verdict: GateResult.Verdict)], [true, false])
  func imagesThatRepeatOthersProveLittle(_ copies: (count: Int, verdict: GateResult.Verdict), ofPixels: Bool) throws {
    var report = try Sample.passing()
    report.verification = Self.verified(100, overlap: 0)
    if ofPixels {
      report.verification?.set.duplicates = copies.count > 0 ? copies.count : nil
    } else {
      let query = NeighborQuery(agreesInFloat: true, agreesInInt8: true, isNearTie: false, classes: nil)
      report.figures.neighbors = NeighborFigures([NeighborQuery](repeating: query, count: 100), copies: copies.count)
    }
    #expect(report.passed && report.verdict == copies.verdict)
    #expect(report.allWarnings.count == (copies.count > 0 ? 1 : 0))
    let doubt = "\(copies.count) of 100 images repeat others"
    for text in [report.text(), report.markdown(), report.html(), report.junit()] {
      #expect(text.contains(doubt) == (copies.verdict == .inconclusive))
      for warning in report.allWarnings { #expect(text.contains(warning.prefix(40))) }
    }
    #expect(try report.json().contains("\"verdict\" : \"\(copies.verdict.rawValue)\",\n  \"verification\""))
    #expect(try FidelityReport(json: report.json()) == report)
    report.isStrict = true
    #expect(report.isAccepted == (copies.verdict == .pass))
  }

  /// What equal pixels explain is said once.
  @Test func equalPixelsAndEmbeddingsAreOneDoubt() throws {
    var report = try Sample.passing()
    report.verification = Self.verified(100, overlap: 0)
    report.verification?.set.duplicates = 40
    let query = NeighborQuery(agreesInFloat: true, agreesInInt8: true, isNearTie: false, classes: nil)
    report.figures.neighbors = NeighborFigures([NeighborQuery](repeating: query, count: 100), copies: 40)
    #expect(report.doubts == ["40 of 100 images repeat others"] && report.allWarnings.count == 1)
    report.figures.neighbors = NeighborFigures([NeighborQuery](repeating: query, count: 100), copies: 50)
    #expect(report.doubts == ["50 of 100 images repeat others"] && report.allWarnings.count == 2)
  }

  /// The same file, or packages that compute the same.
  @Test(arguments: [true, false])
  func whatIsComparedWithItselfProvesNothing(isFile: Bool) throws {
    var report = try Sample.passing()
    if isFile {
      report.package?.sha256 = report.reference.sha256
    } else {
      (report.contentHash, report.reference.contentHash) = ("9abc", "9abc")
    }
    #expect(report.passed && report.verdict == .inconclusive && report.comparesItself)
    #expect(report.text().hasPrefix("INCONCLUSIVE  3 of 3 gates passed, compared with itself\n"))
    for text in [report.text(), report.markdown(), report.html(), report.junit(), try report.json()] {
      #expect(text.contains("the figures prove nothing"))
    }
    #expect(try FidelityReport(json: report.json()) == report)
    report.isStrict = true
    #expect(!report.isAccepted)
    report.contentHash = nil
    report.package?.sha256 = "00"
    #expect(report.verdict == .pass && !report.comparesItself)
  }

  /// Outputs that are the same, one class for all images, and embeddings that are alike.
  @Test func whatDoesNotTellImagesApartIsSaidInEveryFormat() throws {
    let same = logits([0, 1, 2, 3, 4, 5])
    var report = try Sample.report(
      (0..<100).map { try image("\($0)", drift: 0, reference: same, quantized: same) })
    let query = NeighborQuery(agreesInFloat: true, agreesInInt8: true, isNearTie: false, classes: nil)
    report.figures.neighbors = NeighborFigures([NeighborQuery](repeating: query, count: 100), medianDistance: 0.002)
    #expect(report.passed && report.verdict == .inconclusive)
    #expect(report.doubts.count == 3 && report.allWarnings.count == 3)
    for text in try [report.text(), report.markdown(), report.html(), report.junit(), report.json()] {
      for warning in ["have the same outputs", "the same class", "a median of 0.002"] {
        #expect(text.contains(warning), "\(warning)")
      }
    }
    let json = try report.json()
    for key in ["\"identical_outputs\" : true", "\"one_answer\" : true", "\"median_distance\" : 0.002"] {
      #expect(json.contains(key))
    }
    #expect(try FidelityReport(json: json) == report)
    let passing = try Sample.passing().json()
    for key in ["identical_outputs", "one_answer", "median_distance"] { #expect(!passing.contains(key)) }
  }

  /// Earlier versions doubted neither, and their reports are read.
  @Test func earlierVerdictsAreReadAndDoubted() throws {
    var report = try Sample.passing()
    report.verification = Self.verified(100, overlap: 0)
    report.verification?.set.duplicates = 99
    report.package?.sha256 = report.reference.sha256
    let earlier = try report.json().replacing(
      "\"verdict\" : \"inconclusive\",\n  \"verification\"", with: "\"verdict\" : \"pass\",\n  \"verification\"")
    #expect(try earlier != report.json())
    #expect(try FidelityReport(json: earlier) == report && FidelityReport(json: earlier).verdict == .inconclusive)
  }

  @Test func aFailedGateFailsWhateverElseIsInDoubt() throws {
    var report = try Sample.failing()
    report.verification = Self.verified(5, overlap: 5, .calibration)
    #expect(report.verdict == .fail && !report.isAccepted)
    #expect(report.text().hasPrefix("FAIL"))
  }

  @Test func strictReportsAcceptNoOpenVerdict() throws {
    var report = try Sample.passing()
    report.isStrict = true
    #expect(report.isAccepted)
    report.verification = Self.verified(100, overlap: 100, .calibration)
    #expect(report.passed && !report.isAccepted)
    #expect(report.junit().contains("tests=\"4\" failures=\"1\" errors=\"0\" skipped=\"0\""))
    #expect(try FidelityReport(json: report.json()) == report)
    report.isStrict = false
    #expect(report.isAccepted)
    #expect(report.junit().contains("tests=\"4\" failures=\"0\" errors=\"0\" skipped=\"1\""))
    #expect(report.junit().contains("<skipped message=\"inconclusive: verified on its calibration images\"/>"))
  }

  @Test func aVerdictThatTheImagesContradictIsRefused() throws {
    var report = try Sample.passing()
    report.verification = Self.verified(100, overlap: 100)
    let altered = try report.json().replacingOccurrences(
      of: "\"verdict\" : \"inconclusive\",\n  \"verification\"", with: "\"verdict\" : \"pass\",\n  \"verification\"")
    #expect(try altered != report.json())
    #expect(throws: DecodingError.self) { try FidelityReport(json: altered) }
  }

  /// Packages hold reports of the versions that made them.
  @Test func reportsOfEarlierVersionsAreRead() throws {
    var object = try #require(
      JSONSerialization.jsonObject(with: Data(try Sample.passing().json().utf8)) as? [String: Any])
    for key in [
      "verdict", "warnings", "assumptions", "tool_version", "calibration", "verification", "chance", "near_chance",
    ] { object[key] = nil }
    let data = try JSONSerialization.data(withJSONObject: object)
    let report = try FidelityReport(json: String(decoding: data, as: UTF8.self))
    #expect(report.verdict == .pass && report.assumptions.isEmpty && report.allWarnings.isEmpty)
    #expect(report.verification == nil && report.toolVersion == nil)
  }
}

/// Float networks that guess.
@Suite struct ChanceTests {
  /// Images of six classes in turn, of which the network finds the first of each hundred.
  private static func figures(right: Int, of images: Int, answering: (Int) -> Int) throws -> FidelityFigures {
    try FidelitySamples.figures(
      of: (0..<images).map { index in
        let label = index % 6
        let answer = index < right ? label : answering(label)
        let ranked = logits([answer] + (0..<6).filter { $0 != answer })
        return try image("\(index)", drift: 0, reference: ranked, quantized: ranked, label: label)
      })
  }

  @Test(arguments: [
    // Right answers of 600, where others are the next class: 16.7 % is chance, and 25 % is a kappa of 0.1.
    (100, true), (110, true), (130, false), (200, false), (600, false),
  ])
  func nearChanceIsByKappa(right: Int, isNear: Bool) throws {
    let figures = try Self.figures(right: right, of: 600) { ($0 + 1) % 6 }
    #expect(abs(try #require(figures.chance) - 100 / 6) < 0.1)
    #expect(figures.isNearChance == isNear, "\(String(describing: figures.float))")
    #expect((figures.chanceWarning?.hasPrefix("THE FLOAT NETWORK ITSELF IS NEAR CHANCE") ?? false) == isNear)
  }

  /// Always the same answer is right as often as that class is there.
  @Test func aConstantAnswerIsChance() throws {
    let labels = [Int](repeating: 0, count: 90) + [Int](repeating: 1, count: 10)
    let answer = logits([0, 1, 2, 3, 4, 5])
    let figures = try FidelitySamples.figures(
      of: labels.enumerated().map {
        try image("\($0.offset)", drift: 0, reference: answer, quantized: answer, label: $0.element)
      })
    #expect(figures.float.top1 == 90 && figures.chance == 90 && figures.isNearChance)
  }

  /// Of one class alone nothing can be told but by the number of classes.
  @Test func labelsOfOneClassAreNoReasonForDoubt() throws {
    let answer = logits([0, 1, 2, 3, 4, 5])
    let figures = try FidelitySamples.figures(
      of: (0..<20).map { try image("\($0)", drift: 0, reference: answer, quantized: answer, label: 0) })
    #expect(try abs(#require(figures.chance) - 100 / 6) < 1e-9)
    #expect(!figures.isNearChance)
  }

  @Test func fewImagesAreSaidToBeFew() throws {
    let figures = try Self.figures(right: 2, of: 6) { ($0 + 1) % 6 }
    #expect(figures.isNearChance)
    #expect(figures.chanceWarning?.hasPrefix("the float network cannot be told from chance") == true)
  }

  @Test func withoutLabelsThereIsNoChance() throws {
    let same = logits([0, 1, 2, 3, 4, 5])
    let figures = try FidelitySamples.figures(of: [image("a", drift: 0, reference: same, quantized: same)])
    #expect(figures.chance == nil && !figures.isNearChance && figures.chanceWarning == nil)
  }

  @Test func theVerdictOfAFaithfulPackageOfAGuessingNetworkIsOpen() throws {
    let guesses = try (0..<600).map { index in
      let ranked = logits([(index + 1) % 6] + (0..<6).filter { $0 != (index + 1) % 6 })
      return try image("\(index)", drift: 0, reference: ranked, quantized: ranked, label: index % 6)
    }
    let report = try Sample.report(guesses)
    #expect(report.passed && report.verdict == .inconclusive)
    for text in try [report.text(), report.markdown(), report.junit(), report.json()] {
      #expect(text.contains("THE FLOAT NETWORK ITSELF IS NEAR CHANCE"))
    }
    #expect(try FidelityReport(json: report.json()) == report)
  }
}
