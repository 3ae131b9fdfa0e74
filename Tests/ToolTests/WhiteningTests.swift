import Foundation
import Testing

/// Whitening of the bundled network, and what cannot be whitened.
@Suite struct WhiteningTests {
  private static let options = ["--size", "32", "--quiet"]
  /// The figures of whitened embeddings have tests of their own.
  private static let unmeasured = ["--no-evaluation"]
  private static let conversion =
    options + [
      "--calibration", Tool.photographs, "--calibration-count", "16", "--repetitions", "1", "--effort", "fast",
      "--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0",
    ]

  private static func content(_ package: String) throws -> Substring? {
    try Tool.run(["inspect", package]).output.split(separator: "\n").first { $0.hasPrefix("content") }
  }

  @Test(arguments: [[], ["--dimensions", "20"], ["--logits-output", "none"]])
  func conversionsWhitenAsWhitenDoes(extra: [String]) throws {
    let scratch = try Scratch()
    let (whitened, first, second) = (
      scratch.path("whitened.safetensors"), scratch.path("a.quern"), scratch.path("b.quern")
    )
    let whitening = try Tool.run(
      ["whiten", Tool.checkpoint, "--images", Tool.photographs, "-o", whitened] + Self.options + Self.unmeasured + extra
    )
    #expect(whitening.status == 0, "\(whitening.errors)")
    #expect(whitening.output.contains("fewer images than dimensions") == !extra.contains("--dimensions"))
    let outcomes = [
      try Tool.run(["convert", Tool.checkpoint, "--whiten", Tool.photographs, "-o", first] + Self.conversion + extra),
      try Tool.run(["convert", whitened, "-o", second] + Self.conversion),
    ]
    for outcome in outcomes { #expect(outcome.status == 0, "\(outcome.errors)") }
    let content = try #require(try Self.content(first))
    #expect(content == (try Self.content(second)))

    let (plan, third) = (scratch.path("plan.json"), scratch.path("c.quern"))
    let whiten = ["--whiten", Tool.photographs] + extra
    let planned = try Tool.run(["plan", Tool.checkpoint, "-o", plan] + Self.conversion + whiten)
    #expect(planned.status == 0, "\(planned.errors)")
    let carriedOut = try Tool.run(
      ["convert", Tool.checkpoint, "--plan", plan, "-o", third] + Self.conversion + whiten)
    #expect(carriedOut.status == 0, "\(carriedOut.errors)")
    #expect(content == (try Self.content(third)))

    let gates = ["--max-mean-drift", "2", "--max-drift", "2", "--min-agreement", "0"]
    let verify = ["verify", first, "--images", Tool.photographs, "--reference"]
    let verified = try Tool.run(verify + [whitened] + gates)
    #expect(verified.status == 0 && !verified.output.contains("is not the checkpoint"), "\(verified.output)")
    let other = try Tool.run(verify + [Tool.checkpoint] + gates)
    #expect(other.status == 64 && other.errors.contains("whitened in its conversion"), "\(other.errors)")
  }

  @Test func bytesDependOnNothingElse() throws {
    let scratch = try Scratch()
    let results = try ["1", "2", "3"].map { threads in
      let output = scratch.path("\(threads).safetensors")
      let arguments = ["whiten", Tool.checkpoint, "--images", Tool.photographs, "-o", output, "--threads", threads]
      #expect(try Tool.run(arguments + Self.options + Self.unmeasured).status == 0)
      return try Data(contentsOf: URL(fileURLWithPath: output))
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }

  @Test(arguments: [
    (["--dimensions", "514"], 64, "have 513"), (["--dimensions", "0"], 64, "--dimensions"),
    (["--variance-floor", "2"], 64, "--variance-floor"),
    (["--no-classifier", "--logits-output", "none"], 64, "cannot be combined"),
    (["-o", "other.pth"], 64, ".safetensors"), (["--images", "/nonexistent"], 66, "/nonexistent"),
  ])
  func wrongOptionsAreRefused(extra: [String], status: Int32, message: String) throws {
    let scratch = try Scratch()
    var arguments = ["whiten", Tool.checkpoint] + Self.options + extra
    if !extra.contains("-o") { arguments += ["-o", scratch.path("x.safetensors")] }
    if !extra.contains("--images") { arguments += ["--images", Tool.photographs] }
    let outcome = try Tool.run(arguments)
    #expect(outcome.status == status && outcome.errors.contains(message), "\(outcome.errors)")
    #expect(!FileManager.default.fileExists(atPath: scratch.path("x.safetensors")))
  }

  @Test(arguments: [
    ("fixtures/onnx/tiny-classifier.onnx", "is an ONNX model"), ("fixtures/packages", "is a package"),
  ])
  func otherModelsAreRefused(path: String, message: String) throws {
    let scratch = try Scratch()
    var model = Tool.root.appendingPathComponent(path)
    if path.hasSuffix("packages") {
      let names = try FileManager.default.contentsOfDirectory(atPath: model.path).sorted()
      model.appendPathComponent(try #require(names.first { $0.hasSuffix(".quern") }))
    }
    let outcome = try Tool.run(
      ["whiten", model.path, "--images", Tool.photographs, "-o", scratch.path("x.safetensors")] + Self.options)
    #expect(outcome.status == 65 && outcome.errors.contains(message), "\(outcome.errors)")
  }
}
