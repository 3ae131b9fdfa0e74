import Fidelity
import FidelitySamples
import Foundation
import Reports
import Testing

/// What is known of the images that were compared, and what follows from it.
@Suite struct ComparedImagesTests {
  private static func set(_ images: Int, duplicates: Int? = nil) -> ImageSet {
    ImageSet(name: "photos", images: images, sha256: "00", duplicates: duplicates)
  }

  private static func verified(
    _ available: Int, compared: Int? = nil, overlap: Int?, duplicates: Int? = nil
  ) -> VerificationSet {
    VerificationSet(
      origin: .folder, set: set(available, duplicates: duplicates), compared: compared,
      overlapping: overlap.map { (0..<$0).map { "\($0).jpg" } })
  }

  /// Of 100 images, a twentieth is 5, however many others were available.
  @Test(
    arguments: [
      (5, nil, .pass), (6, nil, .inconclusive), (100, nil, .inconclusive), (0, 5, .pass), (0, 6, .inconclusive),
    ] as [(Int, Int?, GateResult.Verdict)])
  func onlyImagesThatWereComparedCount(overlap: Int, duplicates: Int?, verdict: GateResult.Verdict) throws {
    var report = try Sample.passing()
    report.verification = Self.verified(1000, compared: 100, overlap: overlap, duplicates: duplicates)
    #expect(report.figures.images == 100 && report.passed && report.verdict == verdict)
    let said = overlap > 0 ? "\(overlap) of the 100 compared calibrated on" : "photos, 1000 images not calibrated on"
    let ofCalibration =
      overlap == 100 ? "the verification images are the calibration images" : "\(overlap) of 100 verification images"
    let warning = duplicates.map { "\($0) of 100 verification images have the pixels" } ?? ofCalibration
    for text in [report.text(), report.markdown(), report.html()] {
      #expect(text.contains(said), "\(text)")
      #expect(text.contains(warning), "\(text)")
    }
    #expect(report.junit().contains(#"<property name="verification.compared" value="100"/>"#))
    let object = try #require(JSONSerialization.jsonObject(with: Data(report.json().utf8)) as? [String: Any])
    let described = try #require(object["verification"] as? [String: Any])
    #expect(described["images"] as? Int == 1000 && described["compared"] as? Int == 100)
    #expect(try FidelityReport(json: report.json()) == report)
  }

  /// The number of images is said only where it differs from that of the set, and something is counted among them.
  @Test func whatFollowsFromTheSetIsNotSaid() throws {
    #expect(Self.verified(1000, compared: 100, overlap: 0).compared == nil)
    #expect(Self.verified(1000, compared: 100, overlap: nil).compared == nil)
    #expect(Self.verified(100, compared: 100, overlap: 6).compared == nil)
    #expect(Self.verified(100, overlap: 6).comparedImages == 100)
    #expect(Self.verified(1000, compared: 100, overlap: 6).comparedImages == 100)
  }

  /// Every size has a share of its own.
  @Test func theMostDoubtfulSizeCounts() {
    let sets = [
      Self.verified(1000, overlap: 60), Self.verified(1000, compared: 62, overlap: 48),
      Self.verified(1000, compared: 100, overlap: 48),
    ]
    #expect(VerificationSet.mostDoubtful(sets) == sets[1])
    #expect(VerificationSet.mostDoubtful([sets[0]]) == sets[0])
    let equal = [
      Self.verified(10, overlap: 0), Self.verified(20, overlap: 0), Self.verified(30, overlap: 0, duplicates: 1),
    ]
    #expect(VerificationSet.mostDoubtful(Array(equal.prefix(2))) == equal[0])
    #expect(VerificationSet.mostDoubtful(equal) == equal[2])
  }

  /// Files that cannot be decoded were not available.
  @Test func brokenFilesWereNotAvailable() throws {
    var comparison = SequentialComparison(gates: try Gates(), availableImages: 1250, expectsLabels: false)
    for index in 1...120 {
      comparison.add(
        [try image("\(index).jpg", drift: 0.001, reference: varied(index), quantized: varied(index))])
    }
    let decided = comparison.decidedFigures()
    let figures = try #require(decided)
    let size = SizeFidelity(size: 64, crop: "rect", poolingExponent: nil, figures: figures, gates: try Gates())
    let other = SizeFidelity(size: 96, crop: "rect", poolingExponent: nil, figures: figures, gates: try Gates())
    var report = FidelityReport(
      first: size, further: [other], package: nil, reference: try Sample.passing().reference)
    report.setVerification(Self.verified(250, compared: 120, overlap: 0))
    #expect(report.text().contains("120 compared of 250 available") && !report.text().contains("1250"))
    #expect(try FidelityReport(json: report.json()) == report)
  }

  /// A package keeps the hashes of its calibration images, or nothing is known of those that it was verified on.
  @Test func whatIsNotKnownIsDoubted() throws {
    var report = try Sample.passing()
    report.verification = Self.verified(100, overlap: nil)
    let doubt = "not known which images were calibrated on"
    #expect(report.verdict == .inconclusive && report.doubts == [doubt])
    for text in [report.text(), report.markdown(), report.html(), report.junit(), try report.json()] {
      #expect(text.contains("cannot be told"), "\(text)")
    }
    #expect(!report.text().contains("not calibrated on"))
    // A package that does not name its images, on either side.
    report.calibration = nil
    report.contentHash = "9abc"
    #expect(report.doubts == [doubt])
    (report.contentHash, report.reference.contentHash) = (nil, "9abc")
    #expect(report.doubts == [doubt])
    #expect(try FidelityReport(json: report.json()) == report)
    // Two checkpoints, of which none was calibrated.
    report.reference.contentHash = nil
    #expect(report.verdict == .pass && report.allWarnings.isEmpty)
  }

  @Test func figuresOfAnotherPackageAreDoubted() throws {
    var report = try Sample.passing()
    let problem = "the figures that the package states are not of this package: they name others"
    report.foreignFigures = [problem]
    #expect(report.verdict == .inconclusive && report.doubts == ["a package states figures that are not its own"])
    #expect(report.allWarnings == [problem])
    for text in [report.text(), report.markdown(), report.html(), report.junit(), try report.json()] {
      #expect(text.contains(problem), "\(text)")
    }
    #expect(try FidelityReport(json: report.json()) == report)
    report.isStrict = true
    #expect(!report.isAccepted)
  }

  /// Earlier versions passed what is doubted now, and their reports are read.
  @Test func earlierVerdictsAreRead() throws {
    var report = try Sample.passing()
    report.verification = Self.verified(100, overlap: nil)
    let earlier = try report.json().replacing(
      "\"verdict\" : \"inconclusive\",\n  \"verification\"", with: "\"verdict\" : \"pass\",\n  \"verification\"")
    #expect(try earlier != report.json())
    #expect(try FidelityReport(json: earlier) == report && FidelityReport(json: earlier).verdict == .inconclusive)
  }

  /// Weights that were rounded with other images than those that a plan was calibrated on depend on both.
  @Test func provenanceNamesAllImages() throws {
    var report = try Sample.passing()
    var build = PackageBuild(planSHA256: "12", embeddingDimension: 2, classCount: 6)
    build.roundingImages = ImageSet(name: "others", images: 40, sha256: String(repeating: "e", count: 64))
    report.build = build
    for format in [ReportFormat.provenance, .billOfMaterials] {
      let text = try report.rendered(as: format)
      #expect(text.contains("others") && text.contains(String(repeating: "e", count: 64)), "\(text)")
    }
    #expect(try report.rendered(as: .provenance).contains("rounding images"))
  }
}
