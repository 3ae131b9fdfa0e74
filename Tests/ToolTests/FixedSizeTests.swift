import Foundation
import Testing

/// ONNX models whose input has a size.
@Suite struct FixedSizeTests {
  private static func model(_ name: String) -> String {
    Tool.root.appendingPathComponent("fixtures/onnx/\(name).onnx").path
  }

  /// 24 by 24 pixels.
  private static let square = model("kinds/plain-classifier")
  /// 48 by 32.
  private static let oblong = model("tiny-opset17")
  private static let free = model("tiny-dynamic")

  private static let warning = "fixed at 24x24"

  private static func json(_ arguments: [String]) throws -> (report: [String: Any], errors: String) {
    let outcome = try Tool.run(arguments + ["--json"])
    let report = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return (try #require(report, "\(outcome.errors)"), outcome.errors)
  }

  private static func setting(_ report: [String: Any]) throws -> Int? {
    try #require(report["settings"] as? [String: Any])["size"] as? Int
  }

  /// Arguments for a model and a scratch folder of everything that takes --size.
  static let commands: [(name: String, arguments: @Sendable (String, Scratch) -> [String])] = [
    ("convert", { ["convert", $0, "--calibration", Tool.photographs, "-o", $1.path("p.quern"), "--effort", "fast"] }),
    ("analyze", { model, _ in ["analyze", model, "--calibration", Tool.photographs, "--isolated-layers", "0"] }),
    ("embed", { ["embed", $0, Tool.photographs + "/cat-00.jpg", "-o", $1.path("e.safetensors")] }),
    ("classify", { model, _ in ["classify", model, Tool.photographs + "/cat-00.jpg"] }),
    ("bench", { model, _ in ["bench", model, "--runs", "1"] }),
    ("export", { ["export", "--float", $0, "-o", $1.path("m.onnx")] }),
  ]

  @Test func theFixedSizeIsTheDefault() throws {
    let scratch = try Scratch()
    for (name, arguments) in Self.commands {
      let outcome = try Tool.run(arguments(Self.square, scratch))
      #expect(outcome.status == 0 && !outcome.errors.contains(Self.warning), "\(name): \(outcome.errors)")
    }
    let inspected = try Self.json(["inspect", scratch.path("p.quern")]).report
    #expect(inspected["size"] as? Int == 24 && inspected["crop"] as? String == "square")
    #expect(try Self.json(["bench", Self.square, "--runs", "1"]).report["size"] as? Int == 24)
    #expect(try Self.json(["bench", Self.free, "--runs", "1"]).report["size"] as? Int == 224)
    let analysis = try Self.json(
      ["analyze", Self.square, "--calibration", Tool.photographs, "--isolated-layers", "0"])
    #expect(try Self.setting(analysis.report) == 24)
    // What embed does without a size is what it does with that.
    let (first, second) = (scratch.path("a.safetensors"), scratch.path("b.safetensors"))
    #expect(try Tool.run(["embed", Self.square, Tool.photographs, "-o", first]).status == 0)
    #expect(try Tool.run(["embed", Self.square, Tool.photographs, "--size", "24", "-o", second]).status == 0)
    #expect(try Data(contentsOf: URL(fileURLWithPath: first)) == Data(contentsOf: URL(fileURLWithPath: second)))
  }

  @Test func anotherSizeIsWarnedOf() throws {
    let scratch = try Scratch()
    for (name, arguments) in Self.commands {
      let outcome = try Tool.run(arguments(Self.square, scratch) + ["--size", "48"])
      #expect(outcome.status == 0 && outcome.errors.contains(Self.warning), "\(name): \(outcome.errors)")
    }
    let (report, errors) = try Self.json([
      "verify", scratch.path("p.quern"), "--reference", Self.square, "--images", Tool.photographs, "--min-agreement",
      "0",
    ])
    #expect(errors.contains(Self.warning))
    #expect((report["warnings"] as? [String])?.contains { $0.contains(Self.warning) } == true)
    let rect = try Tool.run(["bench", Self.square, "--runs", "1", "--crop", "rect"])
    #expect(rect.status == 0 && rect.errors.contains(Self.warning), "\(rect.errors)")
  }

  /// No size of square images is that of an oblong input: one must be chosen.
  @Test func oblongInputsNeedASize() throws {
    let scratch = try Scratch()
    for (name, arguments) in Self.commands {
      let outcome = try Tool.run(arguments(Self.oblong, scratch))
      #expect(outcome.status == 64, "\(name): \(outcome.errors)")
      #expect(outcome.errors.contains("48x32") && outcome.errors.contains("--size"), "\(name): \(outcome.errors)")
      let chosen = try Tool.run(arguments(Self.oblong, scratch) + ["--size", "32"])
      #expect(chosen.status == 0 && chosen.errors.contains("48x32"), "\(name): \(chosen.errors)")
    }
  }
}
