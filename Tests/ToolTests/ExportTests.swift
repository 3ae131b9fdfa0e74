import Foundation
import Testing

/// Exports to ONNX, as far as the tool itself is concerned.
@Suite struct ExportTests {
  @Test func jsonDescribesTheFile() throws {
    let scratch = try Scratch()
    let path = scratch.path("demo.onnx")
    let arguments = ["export", "--float", Tool.checkpoint, "--size", "64", "-o", path]
    let outcome = try Tool.run(arguments + ["--json"])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let report = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(Set(report.keys) == ["schema", "output", "bytes", "nodes"])
    #expect(report["schema"] as? String == "quern.export/1")
    #expect(report["output"] as? String == path)
    let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
    #expect(report["bytes"] as? Int == size && size > 0)
    let nodes = try #require(report["nodes"] as? Int)
    #expect(nodes > 0)

    // Without --json the same is a line on stderr, and stdout is empty.
    let text = try Tool.run(arguments)
    #expect(text.status == 0 && text.output.isEmpty, "\(text.output)")
    #expect(text.errors.contains("\(nodes) nodes written to \(path)"), "\(text.errors)")
  }

  @Test func anExportedPackageIsNoSource() throws {
    let scratch = try Scratch()
    let path = scratch.path("package.onnx")
    let package = Tool.root.appendingPathComponent("fixtures/packages/version-1.0-quantised.quern").path
    let export = try Tool.run(["export", package, "-o", path])
    #expect(export.status == 0, "\(export.errors)")
    let outcome = try Tool.run([
      "convert", path, "--verify-images", Tool.photographs, "-o", scratch.path("again.quern"),
    ])
    #expect(outcome.status == 65, "\(outcome.errors)")
    #expect(outcome.errors.contains("use the package, or convert the checkpoint"), "\(outcome.errors)")
  }
}
