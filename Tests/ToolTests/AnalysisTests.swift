import Foundation
import FoundationXML
import Testing

/// The account of what quantisation loses, on the bundled network and photographs.
@Suite struct AnalysisTests {
  private static func analyze(_ extra: [String]) throws -> Tool.Outcome {
    try Tool.run(
      [
        "analyze", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "32", "--size", "64",
        "--crop", "rect", "--repetitions", "1", "--json",
      ] + extra)
  }

  private static func object(_ outcome: Tool.Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  private static func decibels(_ analysis: [String: Any], _ kind: String) throws -> [String: Double] {
    let layers = try #require(analysis["layers"] as? [[String: Any]])
    var result: [String: Double] = [:]
    for layer in layers {
      let name = try #require(layer["name"] as? String)
      result[name] = (layer["sqnr_db"] as? [String: Any])?[kind] as? Double
    }
    return result
  }

  @Test func accountsForEveryLayer() throws {
    let scratch = try Scratch()
    let (page, copy, text) = (scratch.path("a.html"), scratch.path("b.HTML"), scratch.path("a.txt"))
    let outcome = try Self.analyze(["--isolated-layers", "3", "-o", page, "--report", copy, "--report", text])
    let analysis = try Self.object(outcome)
    // Nothing but what was assumed is said off a terminal.
    #expect(outcome.errors.split(separator: "\n").allSatisfy { $0.hasPrefix("assuming: ") }, "\(outcome.errors)")
    #expect(analysis["schema"] as? String == "quern.analysis/1")
    #expect(analysis["layer_images"] as? Int == 32)
    #expect(analysis["tool_version"] as? String == "0.1.0")
    let measured = try #require(analysis["verification_set"] as? [String: Any])
    #expect(measured["images"] as? Int == 64 && measured["overlap"] as? Int == 0)
    #expect((measured["sha256"] as? String)?.count == 64)
    let layers = try #require(analysis["layers"] as? [[String: Any]])
    // A ResNet-50: 53 convolutions, the classifier, maximum pooling, GeM and the norm.
    #expect(layers.count == 57)
    let cumulative = try Self.decibels(analysis, "cumulative")
    #expect(cumulative.count == 57)
    for (name, value) in cumulative { #expect((15...80).contains(value), "\(name): \(value)") }
    // The first layer reads exact pixels, so that what arrives there is what it loses itself.
    let own = try Self.decibels(analysis, "own")
    #expect(abs(try #require(cumulative["conv1"]) - (try #require(own["conv1"]))) < 1)
    // Every weighted layer loses by its weights; pooling keeps its input's levels and loses nothing.
    #expect(try Self.decibels(analysis, "weight_rounding").count == 54)
    #expect(own["maxpool"] == nil)
    let isolated = layers.compactMap { ($0["isolated_drift"] as? [String: Any])?["weights"] as? Double }
    #expect(isolated.count == 3 && isolated.allSatisfy { $0 > 0 && $0 < 0.01 }, "\(isolated)")
    for layer in layers {
      guard let levels = layer["weight_levels"] as? [String: Any] else { continue }
      let counts = try #require(levels["counts"] as? [Int])
      let entropy = try #require(levels["entropy_bits"] as? Double)
      #expect(counts.count == 32 && counts.reduce(0, +) > 0 && entropy > 0 && entropy <= 8)
    }
    #expect(layers.count { $0["weight_levels"] is [String: Any] } == 54)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: page))
    let parser = XMLParser(data: bytes)
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == bytes)
    #expect(String(decoding: bytes, as: UTF8.self).components(separatedBy: "data:image/png;base64,iVBOR").count == 7)
    let lines = try String(contentsOfFile: text, encoding: .utf8).split(separator: "\n")
    #expect(lines.contains { $0.contains("layer4.2.conv2") })
    for line in lines where !line.hasPrefix("  warning") && !line.hasPrefix("  assumed") {
      #expect(line.count <= 100, "\(line)")
    }
  }

  /// What analysis says of sizes is what a conversion with the same options writes.
  @Test func sizesAreThoseOfThePackage() throws {
    let options = ["--rounding", "nearest"]
    let analysis = try Self.object(try Self.analyze(options + ["--isolated-layers", "0"]))
    let scratch = try Scratch()
    let package = scratch.path("demo.quern")
    let converted = try Tool.run(
      [
        "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--calibration-count", "32", "--size", "64",
        "--crop", "rect", "--repetitions", "1", "-o", package,
        "--min-agreement", "0",
      ] + options)
    #expect(converted.status == 0, "\(converted.errors)")
    let inspected = try Self.object(try Tool.run(["inspect", package, "--json"]))
    let layers = try #require(inspected["layers"] as? [[String: Any]])
    let tensors = try #require(analysis["tensors"] as? [[String: Any]])
    for key in ["bytes", "stored_bytes"] {
      let expected = layers.reduce(0) { $0 + ($1[key] as? Int ?? 0) }
      let found = tensors.reduce(0) { $0 + ($1[key] as? Int ?? 0) * (1 + ($1["copies"] as? Int ?? 0)) }
      #expect(found == expected && found > 0, "\(key)")
    }
  }

  /// Drift due to an output is that of its rounding and its clipping, which hardly depend on each other.
  @Test func driftIsSplit() throws {
    let analysis = try Self.object(
      try Self.analyze(["--isolated-layers", "6", "--rounding", "nearest", "--range", "percentile:85"]))
    let layers = try #require(analysis["layers"] as? [[String: Any]])
    var measured = 0
    for layer in layers {
      guard let drift = layer["isolated_drift"] as? [String: Any], let all = drift["activation"] as? Double,
        layer["format"] as? String == "uint8"
      else { continue }
      let rounding = try #require(drift["activation_rounding"] as? Double)
      let clipping = try #require(drift["activation_clipping"] as? Double)
      #expect(clipping > rounding && rounding > 0)
      #expect(abs(rounding + clipping - all) < 0.25 * all, "\(rounding), \(clipping), \(all)")
      measured += 1
    }
    #expect(measured > 0)
  }

  @Test func sameInputsGiveTheSameBytes() throws {
    let options = ["--isolated-layers", "2", "--rounding", "nearest"]
    let one = try Self.analyze(options + ["--threads", "1"])
    let three = try Self.analyze(options + ["--threads", "3"])
    #expect(one.status == 0)
    #expect(one.output == three.output)
  }

  @Test func coarserLevelsLoseMore() throws {
    let options = ["--isolated-layers", "0", "--rounding", "nearest", "--max-slowdown", "1", "--range"]
    let fine = try Self.object(try Self.analyze(options + ["mse"]))
    // The largest 15 % of the values are cut off.
    let coarse = try Self.object(try Self.analyze(options + ["percentile:85"]))
    let layers = try #require(coarse["layers"] as? [[String: Any]])
    let plain = layers.filter { $0["format"] as? String == "uint8" }.compactMap { $0["name"] as? String }
    for kind in ["cumulative", "activation_clipping"] {
      let (a, b) = (try Self.decibels(fine, kind), try Self.decibels(coarse, kind))
      var compared = 0
      for (name, value) in b {
        // What is only added keeps its whole range by any method; what is not clipped has no ratio.
        guard let fineValue = a[name], kind == "cumulative" || plain.contains(name) else { continue }
        #expect(value <= fineValue, "\(kind) of \(name): \(value), \(fineValue)")
        if value < fineValue { compared += 1 }
      }
      #expect(compared > 5, "\(kind)")
    }
    func drift(_ analysis: [String: Any]) -> Double { (analysis["drift"] as? [String: Any])?["mean"] as? Double ?? 0 }
    #expect(drift(coarse) > drift(fine))
  }

  @Test func overlapIsFoundByContent() throws {
    let scratch = try Scratch()
    let others = scratch.url("others")
    try FileManager.default.createDirectory(at: others, withIntermediateDirectories: true)
    let names = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter { $0.hasSuffix(".jpg") }
      .sorted()
    // Of the first pictures every third is calibrated on; renamed, they are still the same.
    for (index, name) in names.prefix(12).enumerated() {
      try FileManager.default.copyItem(
        atPath: Tool.photographs + "/" + name, toPath: others.appendingPathComponent("\(index + 10).jpg").path)
    }
    let outcome = try Self.analyze(
      ["--isolated-layers", "0", "--rounding", "nearest", "--verify-images", others.path])
    let analysis = try Self.object(outcome)
    let calibration = try #require(analysis["calibration"] as? [String: Any])
    #expect(calibration["overlap"] as? [String] == ["10.jpg", "13.jpg", "16.jpg", "19.jpg"])
    #expect(outcome.errors.contains("4 of 12 verification images"))
    #expect((analysis["warnings"] as? [String])?.isEmpty == false)
  }

  @Test func unknownFormatIsRefused() throws {
    let outcome = try Self.analyze(["-o", "analysis.md"])
    #expect(outcome.status == 64)
    #expect(outcome.errors.contains(".html"))
  }
}
