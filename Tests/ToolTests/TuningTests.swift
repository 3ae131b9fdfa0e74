import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// The choice of the GeM exponent for the bundled network.
@Suite struct TuningTests {
  private static let options = ["--size", "64", "--image-count", "24", "--copies", "2"]

  private struct Report: Decodable {
    struct Point: Decodable {
      let exponent: Double
      let map: Double
      let crossEntropy: Double?
      let top1: Double?

      private enum CodingKeys: String, CodingKey {
        case exponent, map, top1
        case crossEntropy = "cross_entropy"
      }
    }

    let schema: String
    let exponent: Double
    let option: String
    let curve: [Point]
    let warnings: [String]
  }

  private static func report(_ text: String) throws -> Report {
    try JSONDecoder().decode(Report.self, from: Data(text.utf8))
  }

  @Test func curveAndOption() throws {
    let scratch = try Scratch()
    let (json, html) = (scratch.path("tune.json"), scratch.path("tune.html"))
    let outcome = try Tool.run(
      ["tune", Tool.checkpoint, "--images", Tool.photographs, "--report", json, "--report", html] + Self.options)
    #expect(outcome.status == 0, "\(outcome.errors)")
    let text = try String(contentsOfFile: json, encoding: .utf8)
    let report = try Self.report(text)
    #expect(report.schema == "quern.tune/1")
    #expect(report.curve.count == 15 && report.curve.contains { $0.exponent == 3 })
    #expect(report.curve.map(\.exponent) == report.curve.map(\.exponent).sorted())
    // Wrong positives would be found by chance, in about 5 %.
    #expect(report.curve.allSatisfy { (60..<100).contains($0.map) && $0.crossEntropy == nil && $0.top1 == nil })
    #expect(Set(report.curve.map(\.map)).count > 3)
    let last = try #require(outcome.output.split(separator: "\n").last)
    #expect(last == "use \(report.option)" && last.hasPrefix("use --size 64:"))
    let page = try String(contentsOfFile: html, encoding: .utf8)
    #expect(XMLParser(data: Data(page.utf8)).parse())
    #expect(page.split(separator: "class=\"chart\"").count == 2)
    for threads in ["1", "3"] {
      let again = try Tool.run(
        ["tune", Tool.checkpoint, "--images", Tool.photographs, "--json", "--threads", threads] + Self.options)
      #expect(again.output == text)
    }
  }

  /// Folders of the classifier's classes: accuracy is that of 'quern evaluate' with each exponent.
  @Test func accuracyIsThatOfEvaluate() throws {
    let scratch = try Scratch()
    let photographs = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter {
      $0.hasSuffix(".jpg")
    }.sorted()
    for index in 0..<50 {
      let folder = scratch.url("images/class\(index + 100)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        at: URL(fileURLWithPath: Tool.photographs).appendingPathComponent(photographs[index]),
        to: folder.appendingPathComponent("a.jpg"))
    }
    let arguments = ["tune", Tool.checkpoint, "--images", scratch.path("images"), "--size", "64", "--json", "--by"]
    let tuned = try Tool.run(arguments + ["classes", "--exponents", "1,3,8", "--copies", "1"])
    #expect(tuned.status == 0, "\(tuned.errors)")
    for point in try Self.report(tuned.output).curve {
      let evaluated = try Tool.run([
        "evaluate", Tool.checkpoint, "--set", "folders", "--data", scratch.path("images"), "--json", "--size",
        "64:\(point.exponent)",
      ])
      let object = try JSONSerialization.jsonObject(with: Data(evaluated.output.utf8)) as? [String: Any]
      let model = try #require((object?["models"] as? [[String: Any]])?.first)
      let expected = try #require(model["top1"] as? Double)
      #expect(abs(try #require(point.top1) - expected) < 1e-9, "p = \(point.exponent)")
      #expect(try #require(point.crossEntropy) > 0)
    }
    let unlabelled = try Tool.run(
      ["tune", Tool.checkpoint, "--images", Tool.photographs, "--by", "classes"] + Self.options)
    #expect(unlabelled.status == 65 && unlabelled.errors.contains("cannot be chosen by classes"))
  }

  /// Copies of a file would find one another whatever the exponent.
  @Test func repeatedImagesAreLeftOut() throws {
    let scratch = try Scratch()
    let photographs = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter {
      $0.hasSuffix(".jpg")
    }.sorted().prefix(6)
    for folder in ["once", "twice"] {
      try FileManager.default.createDirectory(at: scratch.url(folder), withIntermediateDirectories: true)
      for name in photographs {
        let data = try Data(contentsOf: URL(fileURLWithPath: Tool.photographs).appendingPathComponent(name))
        _ = try scratch.write(data, to: "\(folder)/\(name)")
        if folder == "twice" { _ = try scratch.write(data, to: "\(folder)/\(name)-again.jpg") }
      }
    }
    let outcomes = try ["once", "twice"].map {
      try Tool.run(["tune", Tool.checkpoint, "--images", scratch.path($0), "--size", "64", "--json"])
    }
    let maps = try outcomes.map { try Self.report($0.output).curve.map(\.map) }
    #expect(maps[0] == maps[1])
    #expect(outcomes[1].output.contains("6 images") && outcomes[1].output.contains("are left out"))
  }

  @Test func conversionsChooseTheExponent() throws {
    let scratch = try Scratch()
    let (first, second) = (scratch.path("a.quern"), scratch.path("b.quern"))
    let conversion = [
      "--calibration", Tool.photographs, "--calibration-count", "24", "--repetitions", "1", "--effort", "fast",
      "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0", "--json",
    ]
    // Nobody pools by such an exponent, so that any other is certain to be better.
    let automatic = try Tool.run(
      ["convert", Tool.checkpoint, "--size", "64:auto", "--pooling-exponent", "0.2", "-o", first] + conversion)
    #expect(automatic.status == 0, "\(automatic.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(automatic.output.utf8)) as? [String: Any]
    let settings = try #require(object?["settings"] as? [String: Any])
    let tuned = try #require((settings["tuned_exponents"] as? [[String: Any]])?.first)
    let exponent = try #require(tuned["pooling_exponent"] as? Double)
    #expect(exponent >= 1 && tuned["network_exponent"] as? Double == 0.2)
    #expect((object?["notes"] as? [String])?.contains { $0.hasPrefix("at 64 px, p = ") } == true)
    let given = try Tool.run(["convert", Tool.checkpoint, "--size", "64:\(exponent)", "-o", second] + conversion)
    #expect(given.status == 0, "\(given.errors)")
    let contents = try [first, second].map { path in
      try Tool.run(["inspect", path]).output.split(separator: "\n").first { $0.hasPrefix("content") }
    }
    #expect(contents[0] != nil && contents[0] == contents[1])
  }

  @Test(arguments: [
    (["--size", "32:3"], 64, "without an exponent"), (["--exponents", "1,0"], 64, "--exponents"),
    (["--exponents", "2,2"], 64, "--exponents"), (["--copies", "0"], 64, "--copies"),
    (["--augmentation", "none"], 64, "--augmentation none"), (["--report", "x.md"], 64, ".html"),
    (["--size", "32:auto"], 64, "convert and plan"), (["--images", "/nonexistent"], 66, "/nonexistent"),
  ])
  func wrongOptionsAreRefused(extra: [String], status: Int32, message: String) throws {
    let images = extra.contains("--images") ? [] : ["--images", Tool.photographs]
    let outcome = try Tool.run(["tune", Tool.checkpoint] + images + extra)
    #expect(outcome.status == status && outcome.errors.contains(message), "\(outcome.errors)")
  }

  @Test func otherModelsAreRefused() throws {
    let packages = Tool.root.appendingPathComponent("fixtures/packages").path
    let name = try #require(
      try FileManager.default.contentsOfDirectory(atPath: packages).sorted().first { $0.hasSuffix(".quern") })
    let package = try Tool.run(["tune", "\(packages)/\(name)", "--images", Tool.photographs] + Self.options)
    #expect(package.status == 65 && package.errors.contains("is a package"), "\(package.errors)")
    let verified = try Tool.run([
      "verify", "\(packages)/\(name)", "--reference", Tool.checkpoint, "--images", Tool.photographs, "--size",
      "32:auto",
    ])
    #expect(verified.status == 64 && verified.errors.contains("convert and plan"), "\(verified.errors)")
  }
}
