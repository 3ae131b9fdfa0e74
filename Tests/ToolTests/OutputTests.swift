import Foundation
import Testing

/// Nothing that a command reads is ever written to, and nothing of another kind is replaced.
@Suite struct OutputTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// What the message must name.
    let mentions: [String]
    var status: Int32 = 64
    /// The arguments, given a scratch folder that holds `model.pth` and `photos`.
    let arguments: @Sendable (Scratch) throws -> [String]
  }

  static func convert(_ scratch: Scratch, _ output: String, _ extra: [String] = []) -> [String] {
    [
      "convert", scratch.path("model.pth"), "--calibration", scratch.path("photos"), "--size", "64", "-o", output,
    ] + extra
  }

  private static func externalModel(_ scratch: Scratch) throws -> String {
    for name in ["tiny-external.onnx", "tiny-external.weights"] {
      try FileManager.default.copyItem(
        at: Tool.root.appendingPathComponent("fixtures/onnx/\(name)"), to: scratch.url(name))
    }
    return scratch.path("tiny-external.onnx")
  }

  static func link(_ scratch: Scratch, _ name: String, to target: String) throws -> String {
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path(name), withDestinationPath: scratch.path(target))
    return scratch.path(name)
  }

  private static func hardLink(_ scratch: Scratch, _ name: String, to target: String) throws -> String {
    try FileManager.default.linkItem(atPath: scratch.path(target), toPath: scratch.path(name))
    return scratch.path(name)
  }

  static let inputs: [Case] = [
    Case(testDescription: "convert onto the checkpoint", mentions: ["-o", "model.pth"]) {
      convert($0, $0.path("model.pth"))
    },
    Case(testDescription: "convert onto the checkpoint by another path", mentions: ["-o", "model.pth"]) {
      convert($0, $0.path("photos/../model.pth"))
    },
    Case(testDescription: "convert onto a symbolic link to the checkpoint", mentions: ["-o", "a.quern", "model.pth"]) {
      convert($0, try link($0, "a.quern", to: "model.pth"))
    },
    Case(testDescription: "convert onto a hard link of the checkpoint", mentions: ["-o", "a.quern", "model.pth"]) {
      convert($0, try hardLink($0, "a.quern", to: "model.pth"))
    },
    Case(testDescription: "convert onto a calibration image", mentions: ["-o", "cat-00.jpg"]) {
      convert($0, $0.path("photos/cat-00.jpg"))
    },
    Case(testDescription: "convert onto a verification image", mentions: ["-o", "v.jpg"]) {
      try FileManager.default.createDirectory(at: $0.url("others"), withIntermediateDirectories: true)
      try FileManager.default.copyItem(at: $0.url("photos/cat-01.jpg"), to: $0.url("others/v.jpg"))
      return convert($0, $0.path("others/v.jpg"), ["--verify-images", $0.path("others")])
    },
    Case(testDescription: "a report onto the checkpoint", mentions: ["--report", "r.json", "model.pth"]) {
      convert($0, $0.path("a.quern"), ["--report", try link($0, "r.json", to: "model.pth")])
    },
    Case(testDescription: "a report onto an image", mentions: ["--report", "r.xml", "cat-00.jpg"]) {
      convert($0, $0.path("a.quern"), ["--report", try hardLink($0, "r.xml", to: "photos/cat-00.jpg")])
    },
    Case(testDescription: "embed onto an image", mentions: ["-o", "cat-00.jpg"]) {
      ["embed", $0.path("model.pth"), $0.path("photos/cat-00.jpg"), "-o", $0.path("photos/cat-00.jpg")]
    },
    Case(testDescription: "embed onto an image of a folder", mentions: ["-o", "e.safetensors", "cat-00.jpg"]) {
      [
        "embed", $0.path("model.pth"), $0.path("photos"), "-o",
        try hardLink($0, "e.safetensors", to: "photos/cat-00.jpg"),
      ]
    },
    Case(testDescription: "embed onto the model", mentions: ["-o", "model.pth"]) {
      ["embed", $0.path("model.pth"), $0.path("photos"), "-o", $0.path("model.pth")]
    },
    Case(testDescription: "export onto the model", mentions: ["-o", "model.pth"]) {
      ["export", "--float", $0.path("model.pth"), "-o", $0.path("model.pth")]
    },
    Case(testDescription: "analyze onto the checkpoint", mentions: ["-o", "a.html", "model.pth"]) {
      [
        "analyze", $0.path("model.pth"), "--calibration", $0.path("photos"), "-o",
        try hardLink($0, "a.html", to: "model.pth"),
      ]
    },
    Case(testDescription: "verify's report onto an image", mentions: ["--report", "r.md", "cat-01.jpg"]) {
      [
        "verify", $0.path("none.quern"), "--reference", $0.path("model.pth"), "--images", $0.path("photos"), "--report",
        try link($0, "r.md", to: "photos/cat-01.jpg"),
      ]
    },
    Case(testDescription: "embed onto external data", mentions: ["-o", "tiny-external.weights"]) {
      let model = try externalModel($0)
      return [
        "embed", model, $0.path("photos"), "--size", "32", "-o",
        try link($0, "e.safetensors", to: "tiny-external.weights"),
      ]
    },
    Case(testDescription: "a report onto external data", mentions: ["--report", "tiny-external.weights"]) {
      let model = try externalModel($0)
      return [
        "convert", model, "--calibration", $0.path("photos"), "--size", "32", "-o", $0.path("a.quern"), "--report",
        try link($0, "r.json", to: "tiny-external.weights"),
      ]
    },
    Case(testDescription: "a report onto the index of shards", mentions: ["--report", "model.safetensors.index.json"]) {
      let index = try $0.write(Data("{}".utf8), to: "model.safetensors.index.json")
      return [
        "verify", $0.path("none.quern"), "--reference", index, "--images", $0.path("photos"), "--report", index,
      ]
    },
    Case(testDescription: "a report onto test data of an ONNX model", mentions: ["--report", "r.json", "input_0.pb"]) {
      let model = try externalModel($0)
      try FileManager.default.createDirectory(at: $0.url("test_data_set_0"), withIntermediateDirectories: true)
      _ = try $0.write(Data("precious".utf8), to: "test_data_set_0/input_0.pb")
      return [
        "convert", model, "--calibration", $0.path("photos"), "--size", "32", "-o", $0.path("a.quern"), "--report",
        try hardLink($0, "r.json", to: "test_data_set_0/input_0.pb"),
      ]
    },
  ]

  /// The file of `--config` is an input of every command.
  static let configurations: [Case] = [
    Case(testDescription: "embed onto the configuration", mentions: ["-o", "c.npy"]) {
      let file = try $0.write(Data("[embed]\nsize = [64]\n".utf8), to: "c.npy")
      return ["embed", $0.path("model.pth"), $0.path("photos"), "--config", file, "-o", file]
    },
    Case(testDescription: "a plan onto the configuration", mentions: ["-o", "c.json"]) {
      let file = try $0.write(Data("[plan]\nsize = [64]\n".utf8), to: "c.json")
      return ["plan", $0.path("model.pth"), "--calibration", $0.path("photos"), "--config=" + file, "-o", file]
    },
    Case(testDescription: "verify's report onto the configuration", mentions: ["--report", "c.json"]) {
      let file = try $0.write(Data("[verify]\nquiet = true\n".utf8), to: "c.json")
      return [
        "verify", $0.path("none.quern"), "--reference", $0.path("model.pth"), "--images", $0.path("photos"), "--config",
        file, "--report", file,
      ]
    },
    Case(testDescription: "a program onto a hard link of the configuration", mentions: ["-o", "g.py", "c.toml"]) {
      let file = try $0.write(Data("[golden]\ncount = 8\n".utf8), to: "c.toml")
      return ["golden", "--config", file, "-o", try hardLink($0, "g.py", to: "c.toml")]
    },
  ]

  /// The files next to embeddings that name their images.
  static let companions: [Case] = [
    Case(testDescription: "a comparison onto the names of the outputs", mentions: ["--report", "a.npy.json"]) {
      try compare($0, "a.npy", "b.npy", report: "a.npy.json")
    },
    Case(testDescription: "a comparison onto the names of the reference", mentions: ["--report", "b.fbin.json"]) {
      try compare($0, "a.npy", "b.fbin", report: "b.fbin.json")
    },
    Case(testDescription: "a comparison onto the names of an array without .npy", mentions: ["--report", "a.bin.json"])
    {
      try compare($0, "a.bin", "b.npy", report: "a.bin.json")
    },
    Case(testDescription: "an evaluation onto the names of embeddings", mentions: ["--report", "e.fvecs.json"]) {
      for name in ["e.fvecs", "e.fvecs.json"] { _ = try $0.write(Data("precious".utf8), to: name) }
      return evaluate($0, ["--embeddings", $0.path("e.fvecs"), "--report", $0.path("e.fvecs.json")])
    },
    Case(testDescription: "an evaluation onto the names of distractors", mentions: ["--report", "d.npy.json"]) {
      for name in ["d.npy", "d.npy.json"] { _ = try $0.write(Data("precious".utf8), to: name) }
      return evaluate($0, ["--distractors", $0.path("d.npy"), "--report", $0.path("d.npy.json")])
    },
  ]

  private static func compare(
    _ scratch: Scratch, _ outputs: String, _ reference: String, report: String
  ) throws -> [String] {
    for name in [outputs, reference] { _ = try scratch.write(Data([0x93] + Array("NUMPY".utf8)), to: name) }
    _ = try scratch.write(Data("precious".utf8), to: report)
    return ["compare", scratch.path(outputs), scratch.path(reference), "--report", scratch.path(report)]
  }

  static func evaluate(_ scratch: Scratch, _ extra: [String]) -> [String] {
    ["evaluate", scratch.path("model.pth"), "--set", "folders", "--data", scratch.path("photos"), "--size", "64"]
      + extra
  }

  /// The files of `--resume`, which no option names.
  static let stages: [Case] = [
    Case(testDescription: "a report onto a stage", mentions: ["--report", "--resume", "plan.json", "twice"]) {
      convert($0, $0.path("a.quern"), ["--resume", try stageFolder($0), "--report", $0.path("stages/plan.json")])
    },
    Case(testDescription: "a stage onto a plan", mentions: ["--resume", "plan.json"]) {
      let folder = try stageFolder($0)
      let plan = try $0.write(Data("{}".utf8), to: "stages/plan.json")
      return convert($0, $0.path("a.quern"), ["--resume", folder, "--plan", plan])
    },
    Case(testDescription: "a stage that is a hard link of the checkpoint", mentions: ["--resume", "model.pth"]) {
      let folder = try stageFolder($0)
      _ = try hardLink($0, "stages/levels.safetensors", to: "model.pth")
      return convert($0, $0.path("a.quern"), ["--resume", folder])
    },
  ]

  private static func stageFolder(_ scratch: Scratch) throws -> String {
    try FileManager.default.createDirectory(at: scratch.url("stages"), withIntermediateDirectories: true)
    return scratch.path("stages")
  }

  static let formats: [Case] = [
    Case(testDescription: "a package named .onnx", mentions: [".onnx", ".quern"]) { convert($0, $0.path("a.onnx")) },
    Case(testDescription: "a package named .pth", mentions: [".pth", ".quern"]) { convert($0, $0.path("a.pth")) },
    Case(testDescription: "a package named .json", mentions: [".json", ".quern"]) { convert($0, $0.path("a.json")) },
    Case(testDescription: "embeddings named .parquet", mentions: [".parquet", ".safetensors"]) {
      ["embed", $0.path("model.pth"), $0.path("photos"), "-o", $0.path("a.parquet")]
    },
    Case(testDescription: "fbin embeddings named .npy", mentions: [".npy", ".fbin"]) {
      ["embed", $0.path("model.pth"), $0.path("photos"), "--format", "fbin", "-o", $0.path("a.npy")]
    },
    Case(testDescription: "names of embeddings over a file of another kind", mentions: ["-o", "a.npy.json"]) {
      _ = try $0.write(Data(#"{"files": []}"#.utf8), to: "a.npy.json")
      return ["embed", $0.path("model.pth"), $0.path("photos"), "-o", $0.path("a.npy")]
    },
    Case(testDescription: "names of embeddings over an image", mentions: ["-o", "a.fvecs.json", "cat-00.jpg"]) {
      _ = try hardLink($0, "a.fvecs.json", to: "photos/cat-00.jpg")
      return ["embed", $0.path("model.pth"), $0.path("photos"), "-o", $0.path("a.fvecs")]
    },
    Case(testDescription: "embeddings named .quern", mentions: [".quern", ".safetensors"]) {
      ["embed", $0.path("model.pth"), $0.path("photos"), "-o", $0.path("a.quern")]
    },
    Case(testDescription: "an ONNX model named .quern", mentions: [".quern", ".onnx"]) {
      ["export", "--float", $0.path("model.pth"), "-o", $0.path("a.quern")]
    },
    Case(testDescription: "a package over a file of another kind", mentions: ["weights", "not a Quern package"]) {
      convert($0, try $0.write(Data("precious".utf8), to: "weights"))
    },
    Case(testDescription: "a package over a link to another kind", mentions: ["a.quern", ".npy"]) {
      _ = try $0.write(Data("precious".utf8), to: "data.npy")
      return convert($0, try link($0, "a.quern", to: "data.npy"))
    },
    Case(testDescription: "a report over a link to another kind", mentions: ["r.json", "data.npy"]) {
      _ = try $0.write(Data("precious".utf8), to: "data.npy")
      return convert($0, $0.path("a.quern"), ["--report", try link($0, "r.json", to: "data.npy")])
    },
    Case(testDescription: "one report twice", mentions: ["--report", "r.json", "twice"]) {
      convert($0, $0.path("a.quern"), ["--report", $0.path("r.json"), "--report", $0.path("./r.json")])
    },
    Case(testDescription: "a report and a link to it", mentions: ["--report", "b.json", "r.json"]) {
      _ = try $0.write(Data("{}".utf8), to: "r.json")
      return convert(
        $0, $0.path("a.quern"), ["--report", $0.path("r.json"), "--report", try link($0, "b.json", to: "r.json")])
    },
    Case(testDescription: "an analysis twice", mentions: ["-o", "a.json"]) {
      [
        "analyze", $0.path("model.pth"), "--calibration", $0.path("photos"), "-o", $0.path("a.json"), "--report",
        $0.path("a.json"),
      ]
    },
    Case(testDescription: "a report in a missing folder", mentions: ["nowhere"], status: 73) {
      convert($0, $0.path("a.quern"), ["--report", $0.path("nowhere/r.json")])
    },
    Case(testDescription: "verify's report in a missing folder", mentions: ["nowhere"], status: 73) {
      [
        "verify", $0.path("none.quern"), "--reference", $0.path("model.pth"), "--images", $0.path("photos"), "--report",
        $0.path("nowhere/r.json"),
      ]
    },
    Case(testDescription: "embeddings in a missing folder", mentions: ["nowhere"], status: 73) {
      ["embed", $0.path("none.quern"), $0.path("photos"), "-o", $0.path("nowhere/e.safetensors")]
    },
    Case(testDescription: "an ONNX model in a missing folder", mentions: ["nowhere"], status: 73) {
      ["export", $0.path("model.pth"), "--float", "-o", $0.path("nowhere/m.onnx")]
    },
  ]

  @Test(arguments: inputs + configurations + companions + stages + formats + foreign + foreignReports)
  func isRefusedAndHarmsNothing(_ test: Case) throws {
    let scratch = try Self.scratch()
    let arguments = try test.arguments(scratch)
    let before = try Self.contents(scratch)
    let outcome = try Tool.run(arguments)
    #expect(outcome.status == test.status, "\(outcome.errors)")
    #expect(outcome.output.isEmpty)
    for word in test.mentions { #expect(outcome.errors.contains(word), "\(outcome.errors)") }
    #expect(try Self.contents(scratch) == before)
  }

  /// Also the file that no option names.
  @Test func theConfigurationOfTheWorkingDirectoryIsNotReplaced() throws {
    let scratch = try Self.scratch()
    let text = Data("[embed]\nsize = [64]\n".utf8)
    _ = try scratch.write(text, to: "quern.toml")
    _ = try Self.link(scratch, "e.npy", to: "quern.toml")
    let outcome = try Tool.shell("\"$@\"", ["embed", "model.pth", "photos", "-o", "e.npy"], in: scratch)
    #expect(outcome.status == 64 && outcome.errors.contains("-o e.npy would replace quern.toml"), "\(outcome)")
    #expect(try Data(contentsOf: scratch.url("quern.toml")) == text)
  }

  /// A folder with a checkpoint and two pictures.
  static func scratch() throws -> Scratch {
    let scratch = try Scratch()
    try FileManager.default.copyItem(atPath: Tool.checkpoint, toPath: scratch.path("model.pth"))
    try FileManager.default.createDirectory(at: scratch.url("photos"), withIntermediateDirectories: true)
    for name in ["cat-00.jpg", "cat-01.jpg"] {
      try FileManager.default.copyItem(
        atPath: "\(Tool.photographs)/\(name)", toPath: scratch.path("photos/\(name)"))
    }
    return scratch
  }

  /// Everything in a folder, hidden files too.
  static func contents(_ scratch: Scratch) throws -> [String: Data] {
    var result: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: scratch.folder.path) {
      result[name] = FileManager.default.contents(atPath: scratch.path(name)) ?? Data()
    }
    return result
  }
}
