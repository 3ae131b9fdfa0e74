import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Mean average precision by the dimensions of whitened embeddings.
@Suite struct WhiteningPrecisionTests {
  private static let options = ["--size", "32"]

  private struct Report: Decodable {
    struct Precision: Decodable {
      struct Interval: Decodable { let low, high: Double }
      struct Point: Decodable {
        let dimensions: Int
        let whitened: Bool
        let map: Double
        let interval: Interval?

        private enum CodingKeys: String, CodingKey {
          case dimensions, whitened, map
          case interval = "map_interval"
        }
      }

      let criterion: String
      let measured: Int
      let learned: Int
      let points: [Point]

      private enum CodingKeys: String, CodingKey {
        case criterion, points
        case measured = "measured_images"
        case learned = "learned_images"
      }
    }

    let schema: String
    let precision: Precision?
    let warnings: [String]
    let notes: [String]
  }

  private static func whiten(_ extra: [String]) throws -> (report: Report, outcome: Tool.Outcome) {
    let outcome = try Tool.run(["whiten", Tool.checkpoint, "--json", "--quiet"] + options + extra)
    try #require(outcome.status == 0, "\(outcome.errors)")
    return (try JSONDecoder().decode(Report.self, from: Data(outcome.output.utf8)), outcome)
  }

  /// Photographs in folders by the first part of their names.
  private static func classFolders(_ scratch: Scratch, _ folder: String, _ range: Range<Int>) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter { $0.hasSuffix(".jpg") }
    for name in names.sorted()[range] {
      let parent = scratch.url(folder).appendingPathComponent(String(name.prefix { $0 != "-" }))
      try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
      try FileManager.default.copyItem(
        at: URL(fileURLWithPath: Tool.photographs).appendingPathComponent(name), to: parent.appendingPathComponent(name)
      )
    }
  }

  private static func map(_ model: String, _ images: String) throws -> Double {
    let outcome = try Tool.run(
      ["evaluate", model, "--set", "folders", "--data", images, "--json", "--quiet"] + options)
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return try #require((object?["models"] as? [[String: Any]])?.first?["map"] as? Double, "\(outcome.errors)")
  }

  /// The figures of classes are those of 'quern evaluate' with the checkpoints that have as many dimensions.
  @Test func classesAreThoseOfEvaluate() throws {
    let scratch = try Scratch()
    try Self.classFolders(scratch, "learned", 0..<60)
    try Self.classFolders(scratch, "measured", 48..<96)
    let measured = ["--images", scratch.path("learned"), "--evaluate-images", scratch.path("measured")]
    let (report, outcome) = try Self.whiten(
      measured + ["-o", scratch.path("all.safetensors"), "--report", scratch.path("r.json")])
    let precision = try #require(report.precision)
    #expect(report.schema == "quern.whiten/1" && precision.criterion == "classes" && precision.measured == 48)
    #expect(precision.points.map(\.dimensions) == [512, 513, 512, 256, 128, 64, 32])
    #expect(precision.points.map(\.whitened) == [false, true, true, true, true, true, true])
    #expect(try String(contentsOfFile: scratch.path("r.json"), encoding: .utf8) == outcome.output)
    // 12 photographs are in both folders.
    #expect(precision.learned == 12)
    #expect(report.warnings.count == 1 && report.warnings[0].hasPrefix("12 of the images"))
    #expect(outcome.errors.contains("flatters"))
    for point in precision.points where [512, 513, 128, 32].contains(point.dimensions) {
      var model = Tool.checkpoint
      if point.whitened {
        model = scratch.path("\(point.dimensions).safetensors")
        let whitened = try Tool.run(
          ["whiten", Tool.checkpoint, "-o", model, "--no-evaluation", "--dimensions", "\(point.dimensions)"]
            + measured.prefix(2) + Self.options)
        #expect(whitened.status == 0 && !whitened.output.contains("mAP"), "\(whitened.errors)")
      }
      #expect(abs(try Self.map(model, scratch.path("measured")) - point.map) < 1e-9, "\(point)")
      let interval = try #require(point.interval)
      #expect(interval.low < point.map && point.map < interval.high)
    }
    let alone = try Self.whiten(
      measured + ["-o", scratch.path("c.safetensors"), "--dimensions", "100", "--threads", "1"])
    #expect(alone.report.precision?.points.map(\.dimensions) == [512, 513, 512, 256, 128, 100, 64, 32])
    let maps = Dictionary(uniqueKeysWithValues: precision.points.dropFirst().map { ($0.dimensions, $0.map) })
    for point in try #require(alone.report.precision).points.dropFirst() where point.dimensions != 100 {
      #expect(maps[point.dimensions] == point.map)
    }
  }

  /// Without class folders, the figures before whitening are those of 'quern tune' with the same exponent.
  @Test func copiesAreThoseOfTune() throws {
    let scratch = try Scratch()
    let (report, _) = try Self.whiten(["--images", Tool.photographs, "-o", scratch.path("w.safetensors")])
    let precision = try #require(report.precision)
    #expect(precision.criterion == "copies" && precision.measured == 96 && precision.learned == 96)
    #expect(report.warnings.count == 1 && report.warnings[0].hasPrefix("mAP is measured on images that whitening"))
    let tuned = try Tool.run(
      ["tune", Tool.checkpoint, "--images", Tool.photographs, "--exponents", "3", "--json", "--quiet"] + Self.options)
    let object = try JSONSerialization.jsonObject(with: Data(tuned.output.utf8)) as? [String: Any]
    let expected = try #require((object?["curve"] as? [[String: Any]])?.first?["map"] as? Double)
    #expect(abs(precision.points[0].map - expected) < 1e-9)
    #expect(Set(precision.points.map(\.map)).count == precision.points.count)
  }

  @Test func reports() throws {
    let scratch = try Scratch()
    try Self.classFolders(scratch, "images", 0..<24)
    let outcome = try Tool.run(
      [
        "whiten", Tool.checkpoint, "--images", Tool.photographs, "--evaluate-images", scratch.path("images"), "--by",
        "copies", "-o", scratch.path("w.safetensors"), "--report", scratch.path("r.html"), "--report",
        scratch.path("r.md"),
      ] + Self.options)
    #expect(outcome.status == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("mAP of copies (trapezoids), images: 24 images at 32 px, square, p = 3"))
    #expect(outcome.output.contains("\n  513         whitened, written"))
    let page = try String(contentsOfFile: scratch.path("r.html"), encoding: .utf8)
    #expect(XMLParser(data: Data(page.utf8)).parse() && page.contains("whitened, written"))
    let markdown = try String(contentsOfFile: scratch.path("r.md"), encoding: .utf8)
    #expect(markdown.contains("| 513 | whitened, written |"))
  }

  @Test(arguments: [
    (["--by", "classes"], 65, "needs images in folders of several classes"),
    (["--no-evaluation", "--by", "copies"], 64, "cannot be combined"),
    (["--report", "r.xml"], 64, ".html, .json, .md"), (["--evaluate-images", "/nonexistent"], 66, "/nonexistent"),
    (["--by", "luck"], 64, "luck"),
  ])
  func wrongOptionsAreRefused(extra: [String], status: Int32, message: String) throws {
    let scratch = try Scratch()
    let outcome = try Tool.run(
      ["whiten", Tool.checkpoint, "--images", Tool.photographs, "-o", scratch.path("x.safetensors")] + Self.options
        + extra)
    #expect(outcome.status == status && outcome.errors.contains(message), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("x.safetensors")))
  }

  /// A repeated image spans no direction of its own: copies of a folder change nothing but a note.
  @Test func repeatedImagesCountOnce() throws {
    let scratch = try Scratch()
    let names = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs).filter { $0.hasSuffix(".jpg") }
    try FileManager.default.createDirectory(at: scratch.url("many"), withIntermediateDirectories: true)
    for name in names.sorted().prefix(12) {
      let data = try Data(contentsOf: URL(fileURLWithPath: Tool.photographs).appendingPathComponent(name))
      // More files than dimensions.
      for copy in 0..<45 { _ = try scratch.write(data, to: "many/\(name)-\(copy).jpg") }
    }
    let (report, _) = try Self.whiten(
      ["--images", scratch.path("many"), "-o", scratch.path("w.safetensors"), "--no-evaluation"])
    #expect(report.notes.contains { $0.contains("as learned from 12 images") }, "\(report.notes)")
    #expect(report.notes.contains { $0.contains("fewer images than dimensions") })
    #expect(report.notes.contains { $0.hasPrefix("528 images to learn from") })
  }
}
