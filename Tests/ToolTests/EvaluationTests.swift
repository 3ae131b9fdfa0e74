import Foundation
import Testing

/// Sets in their real layouts, and what the command makes of them.
@Suite struct EvaluationTests {
  private static let sets = Tool.root.appendingPathComponent("fixtures/retrieval").path

  private static func evaluate(_ arguments: [String]) throws -> (
    status: Int32, report: [String: Any], models: [[String: Any]], errors: String
  ) {
    let outcome = try Tool.run(["evaluate", "--json", "--size", "32", "--crop", "rect"] + arguments)
    let report = try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (outcome.status, report ?? [:], report?["models"] as? [[String: Any]] ?? [], outcome.errors)
  }

  struct Layout: Sendable {
    let arguments: [String]
    let images, queries, withoutPositives: Int
  }

  @Test(arguments: [
    Layout(arguments: ["--set", "holidays", "--data", "holidays"], images: 7, queries: 3, withoutPositives: 0),
    Layout(arguments: ["--set", "ukbench", "--data", "ukbench"], images: 8, queries: 8, withoutPositives: 0),
    Layout(arguments: ["--set", "copydays", "--data", "copydays"], images: 3, queries: 6, withoutPositives: 0),
    Layout(
      arguments: ["--set", "revisited", "--data", "revisited", "--ground-truth", "revisited/gnd_roxford5k.pkl"],
      images: 6, queries: 3, withoutPositives: 1),
    Layout(arguments: ["--set", "folders", "--data", "imagenet/folders"], images: 4, queries: 4, withoutPositives: 0),
    Layout(
      arguments: ["--set", "imagenet", "--data", "imagenet/flat", "--labels", "imagenet/indices.txt"], images: 4,
      queries: 0, withoutPositives: 0),
  ])
  func layouts(_ layout: Layout) throws {
    let files = Set(["--data", "--ground-truth", "--labels"])
    let arguments = layout.arguments.indices.map { index in
      index > 0 && files.contains(layout.arguments[index - 1])
        ? Self.sets + "/" + layout.arguments[index] : layout.arguments[index]
    }
    let (status, report, models, errors) = try Self.evaluate([Tool.checkpoint] + arguments)
    try #require(status == 0, "\(errors)")
    #expect(report["schema"] as? String == "quern.evaluation/1")
    #expect(report["images"] as? Int == layout.images && report["queries"] as? Int == layout.queries)
    #expect(report["queries_without_positives"] as? Int == layout.withoutPositives)
    let model = try #require(models.first)
    #expect(model["precision"] as? String == "float32")
    #expect((model["map"] is NSNull) == (layout.queries == 0))
  }

  /// The image that lies on its side is turned upright, which changes its embedding.
  @Test func rotationsAreUsed() throws {
    let holidays = ["--set", "holidays", "--data", Self.sets + "/holidays/jpg"]
    let without = try Self.evaluate([Tool.checkpoint] + holidays)
    let with = try Self.evaluate(
      [Tool.checkpoint] + holidays + ["--rotations", Self.sets + "/holidays/holidays-rotate.yaml"])
    #expect(without.status == 0 && with.status == 0)
    #expect("\(without.report["notes"] ?? "")".contains("not turned upright"))
    #expect("\(with.report["notes"] ?? "")".contains("1 of 7 images are turned upright"))
  }

  @Test func pickleAndJSONGiveTheSameFigures() throws {
    let revisited = Self.sets + "/revisited"
    let reports = try ["gnd_roxford5k.pkl", "gnd_rparis6k.pkl", "gnd_roxford5k.json"].map { name in
      try Self.evaluate(
        [Tool.checkpoint, "--set", "revisited", "--data", revisited, "--ground-truth", "\(revisited)/\(name)"])
    }
    let figures = try reports.map { try #require($0.models.first?["protocols"] as? NSDictionary) }
    #expect(figures[0] == figures[1] && figures[1] == figures[2])
    #expect(Set(figures[0].allKeys.compactMap { $0 as? String }) == ["easy", "medium", "hard"])
  }

  /// Stored embeddings give the figures of the model that computed them, for any number of threads.
  @Test func storedEmbeddingsGiveTheSameFigures() throws {
    let scratch = try Scratch()
    let stored = scratch.path("stored.safetensors")
    let data = Self.sets + "/ukbench"
    let embedded = try Tool.run([
      "embed", Tool.checkpoint, data, "-o", stored, "--quiet", "--size", "32", "--crop", "rect",
    ])
    #expect(embedded.status == 0, "\(embedded.errors)")
    let computed = try Self.evaluate([Tool.checkpoint, "--set", "ukbench", "--data", data, "--threads", "1"])
    let read = try Self.evaluate(["--set", "ukbench", "--embeddings", stored, "--threads", "3"])
    for key in ["map", "map_standard", "recall_at_1", "four_recall_at_4", "map_interval", "dimension"] {
      #expect(
        try #require(computed.models[0][key] as? NSObject) == #require(read.models[0][key] as? NSObject), "\(key)")
    }
    let both = try Self.evaluate(
      [Tool.checkpoint, "--set", "ukbench", "--data", data, "--embeddings", stored, "--max-map-drop", "0"])
    #expect(both.status == 0 && both.models.count == 2, "\(both.errors)")
    let comparison = try #require(both.models[1]["comparison"] as? [String: Any])
    #expect(comparison["unchanged"] as? Int == 8 && comparison["map_drop"] as? Double == 0)
  }

  /// A model that finds less fails the gate, and reports show what changed.
  @Test func aDropFailsItsGate() throws {
    let scratch = try Scratch()
    let stored = scratch.path("stored.safetensors")
    let data = Self.sets + "/copydays"
    // The embeddings of a folder in which two originals have each other's names.
    let swapped = scratch.path("swapped")
    try FileManager.default.copyItem(atPath: data, toPath: swapped)
    for (from, to) in [("200000", "200100"), ("200100", "200000")] {
      try FileManager.default.removeItem(atPath: "\(swapped)/\(to).jpg")
      try FileManager.default.copyItem(atPath: "\(data)/\(from).jpg", toPath: "\(swapped)/\(to).jpg")
    }
    let other = try Tool.run([
      "embed", Tool.checkpoint, swapped, "-o", stored, "--quiet", "--size", "32", "--crop", "rect",
    ])
    #expect(other.status == 0, "\(other.errors)")
    let reports = ["html", "json", "md", "xml"].map { scratch.path("report.\($0)") }
    let (status, report, models, errors) = try Self.evaluate(
      [Tool.checkpoint, "--set", "copydays", "--data", data, "--embeddings", stored, "--max-map-drop", "0"]
        + reports.flatMap { ["--report", $0] })
    let comparison = try #require(models.last?["comparison"] as? [String: Any], "\(errors)")
    try #require((comparison["map_drop"] as? Double ?? 0) > 0, "choose other embeddings: \(comparison)")
    #expect(status == 1)
    let gate = try #require((report["gates"] as? [[String: Any]])?.first)
    #expect(gate["name"] as? String == "map_drop" && gate["passed"] as? Bool == false)
    let texts = try reports.map { try String(contentsOfFile: $0, encoding: .utf8) }
    #expect(texts[0].contains("data:image/png;base64,") && texts[0].contains("class=\"miss\""))
    #expect(
      texts[1]
        == (try Tool.run(
          [
            "evaluate", "--json", "--size", "32", "--crop", "rect", Tool.checkpoint, "--set", "copydays", "--data",
            data,
          ]
            + ["--embeddings", stored, "--max-map-drop", "0"])).output)
    #expect(texts[2].contains("**fail**"))
    #expect(texts[3].contains("<failure") && texts[3].contains("failures=\"1\""))
  }

  @Test(arguments: [
    (["--set", "holidays", "--data", Tool.photographs], 65, "NUMBER.jpg"),
    (["--set", "revisited", "--data", Tool.photographs], 64, "--ground-truth"),
    (["--set", "folders", "--data", Tool.photographs], 65, "subfolder"),
    (["--set", "imagenet", "--data", Self.sets + "/imagenet/folders"], 65, "50 classes"),
    (["--set", "folders", "--data", "/nonexistent"], 66, "nonexistent"),
    (["--set", "folders"], 64, "--data"),
    (["--set", "ukbench", "--data", Tool.photographs, "--labels", "x"], 64, "--labels"),
    (["--set", "ukbench", "--data", Tool.photographs, "--max-map-drop", "1"], 64, "at least two"),
  ])
  func whatDoesNotFitIsRefused(arguments: [String], status: Int, word: String) throws {
    let outcome = try Self.evaluate([Tool.checkpoint] + arguments)
    #expect(outcome.status == Int32(status), "\(outcome.errors)")
    #expect(outcome.errors.contains(word), "\(outcome.errors)")
  }

  @Test func brokenImagesAreLeftOutOnRequest() throws {
    let scratch = try Scratch()
    for (folder, names) in [("set/a", ["1", "2", "3"]), ("set/b", ["1", "2"]), ("alone/c", ["1"])] {
      try FileManager.default.createDirectory(at: scratch.url(folder), withIntermediateDirectories: true)
      for name in names {
        try FileManager.default.copyItem(
          atPath: Tool.photographs + "/cat-0\(name).jpg", toPath: scratch.path("\(folder)/\(name).jpg"))
      }
    }
    _ = try scratch.write(Data("no image".utf8), to: "set/a/2.jpg")
    let arguments = [Tool.checkpoint, "--set", "folders", "--data", scratch.path("set")]
    #expect(try Self.evaluate(arguments).status == 65)
    let single = try Self.evaluate([Tool.checkpoint, "--set", "folders", "--data", scratch.path("alone")])
    #expect(single.status == 65 && single.errors.contains("no query has a positive"), "\(single.errors)")
    let (status, report, _, errors) = try Self.evaluate(arguments + ["--skip-bad-images"])
    #expect(status == 0, "\(errors)")
    #expect(report["images"] as? Int == 4 && (report["skipped_images"] as? [Any])?.count == 1)
  }

  /// Distractors come after the set's images, from a folder or from stored embeddings.
  @Test func distractorsLowerRanks() throws {
    let scratch = try Scratch()
    let stored = scratch.path("distractors.safetensors")
    let embedded = try Tool.run([
      "embed", Tool.checkpoint, Tool.photographs, "-o", stored, "--quiet", "--size", "32", "--crop", "rect",
    ])
    #expect(embedded.status == 0, "\(embedded.errors)")
    let arguments = [Tool.checkpoint, "--set", "copydays", "--data", Self.sets + "/copydays"]
    let alone = try Self.evaluate(arguments)
    let reports = try [Tool.photographs, stored].map { try Self.evaluate(arguments + ["--distractors", $0]) }
    for report in reports {
      try #require(report.status == 0, "\(report.errors)")
      #expect(report.report["distractors"] as? Int == 96 && report.report["images"] as? Int == 3)
      let (with, without) = (report.models[0]["map"] as? Double, alone.models[0]["map"] as? Double)
      #expect(try #require(with) < #require(without))
    }
    #expect(reports[0].models[0] as NSDictionary == reports[1].models[0] as NSDictionary)
    #expect(try Self.evaluate(arguments + ["--distractors", stored, "--distractors", stored]).status == 64)
  }
}
