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

  private static func convert(_ scratch: Scratch, _ output: String, _ extra: [String] = []) -> [String] {
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

  private static func link(_ scratch: Scratch, _ name: String, to target: String) throws -> String {
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

  private static func evaluate(_ scratch: Scratch, _ extra: [String]) -> [String] {
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

  /// Files of the user's with the extension of the output, none of which the tool wrote.
  static let foreign: [Case] = [
    Case(testDescription: "a package over text", mentions: ["-o", "a.quern", "not a Quern package", "remove it"]) {
      convert($0, try $0.write(Data("precious".utf8), to: "a.quern"))
    },
    Case(testDescription: "embeddings over a checkpoint", mentions: ["-o", "trained.safetensors", "not a"]) {
      embed($0, try copy($0, "fixtures/onnx/tiny.safetensors", to: "trained.safetensors"))
    },
    Case(testDescription: "embeddings over a golden file", mentions: ["-o", "golden.safetensors"]) {
      embed($0, try copy($0, "fixtures/golden/demo.safetensors", to: "golden.safetensors"))
    },
    Case(testDescription: "embeddings over text", mentions: ["-o", "e.npy", "not embeddings"]) {
      embed($0, try $0.write(Data("precious".utf8), to: "e.npy"))
    },
    Case(testDescription: "embeddings over other numbers", mentions: ["-o", "e.fbin", "not embeddings"]) {
      // Two rows of two numbers.
      let numbers: [UInt8] = [2, 0, 0, 0, 2, 0, 0, 0] + [UInt8](repeating: 0x40, count: 16)
      return embed($0, try $0.write(Data(numbers), to: "e.fbin"))
    },
    Case(testDescription: "embeddings over a file of another kind", mentions: ["-o", "e", "not embeddings"]) {
      embed($0, try $0.write(Data("precious".utf8), to: "e"), ["--format", "fvecs"])
    },
    Case(testDescription: "a whitened checkpoint over another", mentions: ["-o", "w.safetensors", "whitened"]) {
      [
        "whiten", $0.path("model.pth"), "--images", $0.path("photos"), "-o",
        try copy($0, "fixtures/onnx/tiny.safetensors", to: "w.safetensors"),
      ]
    },
    Case(testDescription: "a plan over a project", mentions: ["-o", "package.json", "not a quantisation plan"]) {
      let project = try $0.write(Data(#"{"name": "app", "plan": "quern.plan/1"}"#.utf8), to: "package.json")
      return ["plan", $0.path("model.pth"), "--calibration", $0.path("photos"), "-o", project]
    },
    Case(testDescription: "a plan over a report", mentions: ["-o", "r.json", "not a quantisation plan"]) {
      let report = try copy($0, "fixtures/fidelity/passing-deterministic.json", to: "r.json")
      return ["plan", $0.path("model.pth"), "--calibration", $0.path("photos"), "-o", report]
    },
    Case(testDescription: "a program over another", mentions: ["-o", "setup.py", "not a program of 'quern golden'"]) {
      ["golden", "-o", try $0.write(Data("from setuptools import setup\n".utf8), to: "setup.py")]
    },
    Case(testDescription: "an ONNX model over another", mentions: ["-o", "m.onnx", "not an ONNX model"]) {
      let other = try copy($0, "fixtures/onnx/tiny-avgpool2d.onnx", to: "m.onnx")
      return ["export", "--float", $0.path("model.pth"), "-o", other]
    },
    Case(testDescription: "a Debian package over text", mentions: ["-o", "w.deb", "not a Debian package"]) {
      deb($0.path("a.quern"), try $0.write(Data("no archive".utf8), to: "w.deb"))
    },
    Case(testDescription: "a Debian package over an archive", mentions: ["-o", "w.deb", "not a Debian package"]) {
      let archive = "!<arch>\nlibrary.o/      0           0     0     100644  4         `\nELF."
      return deb($0.path("a.quern"), try $0.write(Data(archive.utf8), to: "w.deb"))
    },
    Case(testDescription: "a patch over text", mentions: ["-o", "u.qpatch", "not a patch"]) {
      let patch = try $0.write(Data("--- a\n+++ b\n".utf8), to: "u.qpatch")
      return ["patch", "make", $0.path("a.quern"), $0.path("b.quern"), "-o", patch]
    },
    Case(testDescription: "a signature over another", mentions: ["sign implies", "a.quern.sig", "not a signature"]) {
      _ = try $0.write(Data([0x89, 0x02, 0x33]) + Data("of a colleague".utf8), to: "a.quern.sig")
      return ["sign", $0.path("a.quern"), "--key", key]
    },
    Case(testDescription: "a signature over a bundle", mentions: ["-o", "s.sig", "not a signature"]) {
      let bundle = #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","messageSignature":{}}"#
      return ["sign", $0.path("a.quern"), "--key", key, "-o", try $0.write(Data(bundle.utf8), to: "s.sig")]
    },
    Case(testDescription: "a conversion's signature over another", mentions: ["--sign-key implies", "a.quern.sig"]) {
      _ = try $0.write(Data("-----BEGIN PGP SIGNATURE-----\n".utf8), to: "a.quern.sig")
      return convert($0, $0.path("a.quern"), ["--sign-key", key])
    },
    Case(testDescription: "a page over another", mentions: ["--html", "index.html", "not a report"]) {
      let text = "<!DOCTYPE html>\n<html lang=\"en\"><title>Mine</title></html>"
      let page = try $0.write(Data(text.utf8), to: "index.html")
      return ["search", $0.path("model.pth"), $0.path("photos"), "--query", $0.path("photos"), "--html", page]
    },
    Case(testDescription: "an analysis over notes", mentions: ["-o", "notes.txt", "not a report"]) {
      let notes = try $0.write(Data("reference: see below\n".utf8), to: "notes.txt")
      return ["analyze", $0.path("model.pth"), "--calibration", $0.path("photos"), "-o", notes]
    },
    Case(testDescription: "an evaluation over a program", mentions: ["--report", "e.json", "not a report"]) {
      evaluate($0, ["--report", try $0.write(Data("[1, 2]".utf8), to: "e.json")])
    },
  ]

  /// Reports over files that people keep next to them, by the name and the text.
  static let foreignReports: [Case] = [
    ("README.md", "# Mine\n\n### ✅ All good\n"), ("NOTES.md", "### ✅ All good\n\nNothing to do.\n"),
    ("r.json", #"{"name": "app"}"#), ("r.json", #"{"schema": "quern.plan/1"}"#),
    ("r.json", #"{"data": {"schema": "quern.fidelity/1"}}"#), ("r.json", "no JSON"),
    ("r.xml", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"app\" tests=\"1\"/>\n"),
    ("r.html", "<html>"), ("a.cdx.json", #"{"bomFormat": "CycloneDX", "metadata": {"component": {}}}"#),
    ("a.intoto.json", #"{"predicate": {"buildDefinition": {"buildType": "https://example.org/build"}}}"#),
  ].map { (name: String, text: String) in
    Case(testDescription: "a report over \(name): \(text.prefix(20))", mentions: ["--report", name, "not a report"]) {
      convert($0, $0.path("a.quern"), ["--report", try $0.write(Data(text.utf8), to: name)])
    }
  }

  private static let key = Tool.root.appendingPathComponent("fixtures/signatures/p256.pem").path

  private static func embed(_ scratch: Scratch, _ output: String, _ extra: [String] = []) -> [String] {
    ["embed", scratch.path("model.pth"), scratch.path("photos"), "--size", "64", "-o", output] + extra
  }

  private static func deb(_ package: String, _ output: String) -> [String] {
    [
      "deb", package, "--name", "quern-weights-a", "--version", "1", "--maintainer", "A <a@example.org>", "--license",
      "MIT", "-o", output,
    ]
  }

  private static func copy(_ scratch: Scratch, _ file: String, to name: String) throws -> String {
    try FileManager.default.copyItem(at: Tool.root.appendingPathComponent(file), to: scratch.url(name))
    return scratch.path(name)
  }

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
  private static func scratch() throws -> Scratch {
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
  private static func contents(_ scratch: Scratch) throws -> [String: Data] {
    var result: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: scratch.folder.path) {
      result[name] = FileManager.default.contents(atPath: scratch.path(name)) ?? Data()
    }
    return result
  }

  /// What is of the same kind is replaced, whatever links lead to it; the link stays.
  @Test func whatIsOfTheSameKindIsReplaced() throws {
    let scratch = try Self.scratch()
    let embed = ["embed", scratch.path("model.pth"), scratch.path("photos"), "--size", "64", "-o"]
    for name in ["e.safetensors", "e", "E.SAFETENSORS", "e.npy", "e.fbin"] {
      #expect(try Tool.run(embed + [scratch.path(name)]).status == 0)
      #expect(try Tool.run(embed + [scratch.path(name)]).status == 0, "\(name) is replaced by its like")
    }
    // Where neither the name nor a mark says what is there.
    for _ in 0..<2 { #expect(try Tool.run(embed + [scratch.path("rows"), "--format", "fvecs"]).status == 0) }
    let link = try Self.link(scratch, "latest.safetensors", to: "v1.safetensors")
    let one = ["embed", scratch.path("model.pth"), scratch.path("photos/cat-00.jpg"), "--size", "64", "-o"]
    #expect(try Tool.run(one + [scratch.path("v1.safetensors")]).status == 0)
    #expect(try Tool.run(embed + [link]).status == 0)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: link) == scratch.path("v1.safetensors"))
    #expect(
      try Data(contentsOf: scratch.url("v1.safetensors")) == Data(contentsOf: scratch.url("e.safetensors")))
    // As mktemp leaves it.
    #expect(try Tool.run(embed + [scratch.write(Data(), to: "empty")]).status == 0)
    #expect(try Tool.run(embed + ["/dev/null"]).status == 0)
    // The shell has opened the file, which is written to and not replaced.
    let piped = try Tool.shell(
      "echo '# of the shell' > g.py && \"$@\" >> g.py", ["golden", "-o", "/dev/stdout"], in: scratch)
    #expect(piped.status == 0, "\(piped.errors)")
    let program = try String(contentsOfFile: scratch.path("g.py"), encoding: .utf8)
    #expect(program.hasPrefix("# of the shell\n# Writes what"))
  }

  /// Every command replaces its own outputs, those of earlier versions, too.
  @Test func whatIsOurOwnIsReplaced() throws {
    let scratch = try Self.scratch()
    let (model, photos, package) = (scratch.path("model.pth"), scratch.path("photos"), scratch.path("p.quern"))
    let gates = ["--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0", "--max-top1-drop", "100"]
    let conversion = [model, "--calibration", photos, "--size", "64", "--effort", "fast"] + gates
    let reports = ["r.json", "r.md", "r.xml", "r.html", "r.intoto.json", "r.cdx.json"]
    let fixtures = Tool.root.appendingPathComponent("fixtures/packages").path
    let efforts = ["compare-efforts", model, "--calibration", photos, "--size", "32", "--efforts", "fast"] + gates
    let commands: [[String]] = [
      ["convert"] + conversion + ["-o", package, "--sign-key", Self.key]
        + reports.flatMap { ["--report", scratch.path($0)] },
      ["sign", package, "--key", Self.key],
      ["plan"] + conversion + ["-o", scratch.path("plan.json")],
      ["export", package, "-o", scratch.path("m.onnx")],
      ["golden", model, "-o", scratch.path("g.py")],
      [
        "whiten", model, "--images", Tool.photographs, "--size", "32", "--no-evaluation", "-o",
        scratch.path("w.safetensors"), "--report", scratch.path("w.md"),
      ],
      [
        "analyze", model, "--calibration", Tool.photographs, "--calibration-count", "8", "--repetitions", "1", "--size",
        "32", "--effort", "fast", "--isolated-layers", "0", "-o", scratch.path("a.txt"), "-o", scratch.path("a.html"),
        "-o", scratch.path("a.json"),
      ],
      ["search", package, photos, "--query", photos + "/cat-00.jpg", "--html", scratch.path("s.html")],
      ["diff", scratch.path("r.json"), scratch.path("r.json"), "-o", scratch.path("d.html")],
      [
        "patch", "make", fixtures + "/version-1.0.quern", fixtures + "/worked-example.quern", "-o",
        scratch.path("u.qpatch"),
      ],
      Self.deb(package, scratch.path("w.deb")),
      efforts + ["--runs", "1", "-o", scratch.path("c.html"), "-o", scratch.path("c.json")],
    ]
    func run(_ arguments: [String]) throws {
      let outcome = try Tool.run(arguments + ["--quiet"])
      #expect(outcome.status == 0, "\(arguments): \(outcome.errors)")
    }
    for command in commands { try run(command) }
    // Earlier versions put no marks into reports.
    for (name, mark) in [
      ("r.md", "<!-- Written by quern -->\n\n"), ("w.md", "<!-- Written by quern -->\n\n"),
      ("r.html", "<meta name=\"generator\" content=\"quern\"/>\n"),
    ] {
      let text = try String(contentsOfFile: scratch.path(name), encoding: .utf8)
      #expect(text.contains(mark), "\(name)")
      _ = try scratch.write(Data(text.replacing(mark, with: "").utf8), to: name)
    }
    for command in commands { try run(command) }
    // A report replaces one of any command.
    try run(efforts + ["--runs", "1", "-o", scratch.path("r.html"), "-o", scratch.path("r.json")])
  }

  /// Numbers and names of two runs are told from those of one.
  @Test func namesOfAnotherRunAreRefused() throws {
    let scratch = try Self.scratch()
    func embed(_ image: String, _ name: String) throws {
      let arguments = ["embed", scratch.path("model.pth"), scratch.path("photos/\(image)"), "--size", "64", "-o"]
      let outcome = try Tool.run(arguments + [scratch.path(name)])
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
    try embed("cat-00.jpg", "a.npy")
    try embed("cat-01.jpg", "b.npy")
    let compare = ["compare", scratch.path("a.npy"), scratch.path("a.npy")]
    #expect(try Tool.run(compare).status == 0)
    let names = try Data(contentsOf: scratch.url("b.npy.json"))
    _ = try scratch.write(names, to: "a.npy.json")
    let refused = try Tool.run(compare)
    #expect(refused.status == 65, "\(refused.errors)")
    for word in ["a.npy.json", "numbers_sha256", "quern embed"] {
      #expect(refused.errors.contains(word), "\(refused.errors)")
    }
    // As earlier versions wrote names.
    let lines = String(decoding: names, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    let earlier = lines.filter { !$0.contains("numbers_sha256") }.joined(separator: "\n")
    #expect(earlier.utf8.count < names.count)
    _ = try scratch.write(Data(earlier.utf8), to: "a.npy.json")
    #expect(try Tool.run(compare).status == 0)
    // Embedding again makes a pair.
    _ = try scratch.write(names, to: "a.npy.json")
    try embed("cat-00.jpg", "a.npy")
    #expect(try Tool.run(compare).status == 0)
  }
}
