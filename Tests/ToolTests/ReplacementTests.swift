import Foundation
import Testing

/// Which existing files an output replaces: those of its kind, by their content.
extension OutputTests {
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
