import Fidelity
import FidelitySamples
import Foundation
import FoundationXML
import Reports
import Testing

/// What is written for people and machines, from made-up figures with hostile names.
@Suite struct AnalysisRenderingTests {
  static let hostile = "<script>\"&'</script>\u{1B}[2J\u{0}.jpg"

  static func analysis(drifts: [Double]) throws -> LossAnalysis {
    let comparisons = try drifts.map { drift in
      // The cosine of the angle between the two is 1 - drift.
      let cosine = Float(1 - drift)
      return try ImageComparison(
        name: hostile, referenceEmbedding: [1, 0],
        quantizedEmbedding: [cosine, (1 - cosine * cosine).squareRoot()])
    }
    var layer = LayerLoss(
      name: hostile, kind: "convolution", arithmetic: "int8", format: "uint8", reason: hostile, bytes: 12)
    (layer.scale, layer.zeroPoint, layer.range, layer.observed) = (0.5, 3, -1.5...126, -2...130)
    (layer.cumulativeNoise, layer.roundingNoise, layer.clippingNoise, layer.weightNoise) = (0.01, 0.001, 0, 0.002)
    let exact = LayerLoss(
      name: "maxpool", kind: "max_pooling", arithmetic: "int8", format: "uint8", reason: "", bytes: 0)
    let figures = figures(of: comparisons)
    layer.levels = LevelHistogram([-127, -3, 0, 0, 0, 1, 7, 8, 127])
    (layer.activationDrift, layer.roundingDrift, layer.clippingDrift) = (3e-6, 2.5e-6, 0.5e-6)
    layer.weightDrift = 1e-6
    var analysis = LossAnalysis(
      reference: .init(path: "/secret/place", sha256: "ab", format: "pytorch-zip", architecture: hostile),
      settings: ["size": 64], figures: figures, drifts: drifts,
      confidence: try Gates().results(for: figures).filter { $0.interval != nil },
      calibration: CalibrationQuality(images: 3, verifiedOn: hostile), layers: [exact, layer], layerImages: 2,
      isolatedImages: 1, warnings: [hostile])
    analysis.tensors = [
      StoredTensor(
        layer: "maxpool", role: "bias", elementType: "int32", shape: "2", bytes: 8, storedBytes: 8, copies: 1),
      StoredTensor(
        layer: hostile, role: "weight", elementType: "int8", shape: "3x3", bytes: 1000, storedBytes: 900, copies: 0),
    ]
    analysis.pictures = [Picture(name: hostile, width: 2, height: 1, png: [1, 2, 3])]
    return analysis
  }

  @Test(arguments: [[], [0], [0.1, 0.2, 0.4], [0.25, 0.25]])
  func pageIsWellFormedAndLoadsNothing(_ drifts: [Double]) throws {
    let page = try Self.analysis(drifts: drifts).html()
    let parser = XMLParser(data: Data(page.utf8))
    #expect(parser.parse(), "\(String(describing: parser.parserError)) at line \(parser.lineNumber)")
    // Pictures are in the page itself.
    #expect(page.contains("src=\"data:image/png;base64,AQID\""))
    try PageTests.expectSelfContained(page)
    for word in ["/secret", "\u{1B}", "<script>\"", "=\"nan", "=\"inf"] {
      #expect(!page.lowercased().contains(word), "\(word)")
    }
  }

  @Test func worstLayerComesFirst() throws {
    let analysis = try Self.analysis(drifts: [0.1])
    #expect(analysis.layersByLoss.map(\.kind) == ["convolution", "max_pooling"])
    #expect(!analysis.text().contains("\u{1B}") && !analysis.text().contains("\u{0}"))
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(try analysis.json().utf8)) as? [String: Any])
    #expect(json["schema"] as? String == "quern.analysis/1")
    let layers = try #require(json["layers"] as? [[String: Any]])
    let decibels = try #require(layers[1]["sqnr_db"] as? [String: Any])
    // -10 log10 of 0.01 and of 0.001 + 0.002; no noise has no ratio.
    #expect(abs(try #require(decibels["cumulative"] as? Double) - 20) < 1e-9)
    #expect(abs(try #require(decibels["own"] as? Double) - 25.2287874528) < 1e-9)
    #expect(decibels["activation_clipping"] is NSNull)
    #expect(layers[0]["scale"] is NSNull)
  }

  @Test func levelsAreCounted() throws {
    let levels = LevelHistogram((-127...127).map { Int8($0) } + [0, 0])
    #expect(levels.counts.count == 32 && levels.counts.reduce(0, +) == 257)
    // From -128 on in steps of eight, and -128 is no level.
    #expect(levels.counts.first == 7 && levels.counts[15] == 8 && levels.counts[16] == 10 && levels.counts.last == 8)
    #expect(LevelHistogram([5, 5, 5]).entropy == 0)
    #expect(abs(LevelHistogram([1, 1, 2, 3]).entropy - 1.5) < 1e-12)
    #expect(LevelHistogram([Int8]()).entropy == 0)
  }

  @Test func textFitsAHundredColumns() throws {
    var analysis = try Self.analysis(drifts: [0.1, 0.2])
    let name = "cell_stem_0.comb_iter_1_left.separable_2.pointwise_conv2d"
    analysis.layers[1].name = name
    analysis.layers[1].format = "uint8 with remainders"
    analysis.tensors[1].layer = name
    analysis.warnings = []
    let lines = analysis.text().split(separator: "\n", omittingEmptySubsequences: false)
    let tables = try #require(lines.firstIndex { $0.contains("Signal-to-noise ratio") })
    for line in lines[tables...] { #expect(line.count <= 100, "\(line)") }
    // Words are cut, numbers are not.
    #expect(lines.contains { $0.hasPrefix("  cel_ste_0.com_ite_1_lef.sep_2.poi_con2d ") })
    // Isolated drift in millionths: all, weights, output, rounding, clipping.
    #expect(lines.contains { $0.contains("4.00     1.00    3.00      2.50      0.50") })
    // The tensor that takes most space comes first.
    let sizes = try #require(lines.firstIndex { $0.contains("Bytes: 2 tensors of 1.0 kB, stored in 908 bytes") })
    #expect(lines[sizes + 3].contains("900 bytes") && lines[sizes + 4].contains("and 1 more"))
  }

  @Test func jsonHoldsLevelsSizesAndTheSplitOfDrift() throws {
    let analysis = try Self.analysis(drifts: [0.1])
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(try analysis.json().utf8)) as? [String: Any])
    let layers = try #require(json["layers"] as? [[String: Any]])
    let levels = try #require(layers[1]["weight_levels"] as? [String: Any])
    #expect((levels["counts"] as? [Int])?.reduce(0, +) == 9 && levels["first"] as? Int == -128)
    #expect(layers[0]["weight_levels"] is NSNull)
    let drift = try #require(layers[1]["isolated_drift"] as? [String: Any])
    #expect(drift["activation_rounding"] as? Double == 2.5e-6 && drift["activation_clipping"] as? Double == 0.5e-6)
    #expect(json["bytes"] as? Int == 1008 && json["stored_bytes"] as? Int == 908)
    let tensors = try #require(json["tensors"] as? [[String: Any]])
    #expect(tensors.map { $0["stored_bytes"] as? Int } == [8, 900])
  }

  @Test func histogramHoldsEveryImage() throws {
    var random = SeededGenerator(state: 9)
    let drifts = (0..<500).map { _ in Double.random(in: 0..<0.3, using: &random) }
    let histogram = try Self.analysis(drifts: drifts).driftHistogram
    #expect(histogram.counts.reduce(0, +) == 500)
    let step = histogram.step
    #expect(histogram.counts[0] == drifts.count { $0 < step })
  }

  @Test func formatsFollowNames() throws {
    #expect(try AnalysisFormat(path: "a/b.HTML") == .html)
    #expect(throws: ReportError.analysisFormat(path: "b.md")) { try AnalysisFormat(path: "b.md") }
  }
}
