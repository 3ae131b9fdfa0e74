import Foundation
import Testing

/// Embeddings at several sizes in one pass.
@Suite struct EmbeddingSizesTests {
  private static func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  /// The file of each size has the bytes of a run at that size alone.
  @Test(arguments: ["safetensors", "npy", "fbin", "fvecs"])
  func eachSizeIsThatOfARunAlone(format: String) throws {
    let scratch = try Scratch()
    let images = [Tool.photographs + "/cat-00.jpg", Tool.photographs + "/admiral-00.jpg"]
    let sizes = ["64", "96:4", "33:1.5"]
    let all = try Tool.run(
      ["embed", Tool.checkpoint] + images + ["-o", scratch.path("all.\(format)"), "--json", "--threads", "3"]
        + sizes.flatMap { ["--size", $0] })
    #expect(all.status == 0, "\(all.errors)")
    let object = try JSONSerialization.jsonObject(with: Data(all.output.utf8)) as? [String: Any]
    let outputs = try #require(object?["outputs"] as? [[String: Any]])
    #expect(outputs.map { $0["size"] as? Int } == [64, 96, 33])
    #expect(outputs.map { $0["output"] as? String } == [64, 96, 33].map { scratch.path("all-\($0).\(format)") })
    #expect(outputs.allSatisfy { ($0["names"] as? String != nil) == (format != "safetensors") })
    for (size, output) in zip(sizes, outputs) {
      let alone = scratch.path("alone.\(format)")
      let outcome = try Tool.run(["embed", Tool.checkpoint] + images + ["-o", alone, "--size", size])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let written = try #require(output["output"] as? String)
      #expect(try Self.bytes(written) == Self.bytes(alone), "\(size)")
      if let names = output["names"] as? String {
        #expect(try Self.bytes(names) == Self.bytes(alone + ".json"), "\(size)")
      }
    }
    #expect(!FileManager.default.fileExists(atPath: scratch.path("all.\(format)")))
  }

  /// An image that is broken is left out at all sizes, so that rows of equal numbers are of equal images.
  @Test func brokenImagesAreLeftOutAtAllSizes() throws {
    let scratch = try Scratch()
    let photograph = try Self.bytes(Tool.photographs + "/cat-00.jpg")
    for name in ["a.jpg", "c.jpg"] { _ = try scratch.write(photograph, to: name) }
    _ = try scratch.write(photograph.prefix(2000), to: "b.jpg")
    let arguments = [
      "embed", Tool.checkpoint, scratch.folder.path, "-o", scratch.path("e.npy"), "--size", "32", "--size", "64",
    ]
    let refused = try Tool.run(arguments)
    #expect(refused.status == 65 && refused.errors.contains("b.jpg"))
    let outcome = try Tool.run(arguments + ["--skip-bad-images", "--json"])
    #expect(outcome.status == 0 && outcome.output.contains("\"images\" : 2"), "\(outcome.errors)\(outcome.output)")
    for size in [32, 64] {
      let names = try String(contentsOfFile: scratch.path("e-\(size).npy.json"), encoding: .utf8)
      #expect(names.contains("a.jpg") && names.contains("c.jpg") && !names.contains("b.jpg"))
    }
  }

  /// The metadata of a safetensors file.
  private static func metadata(_ path: String) throws -> [String: String] {
    let file = try bytes(path)
    let count = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = try JSONSerialization.jsonObject(with: file.dropFirst(8).prefix(count)) as? [String: Any]
    return try #require(header?["__metadata__"] as? [String: String])
  }

  /// Images of the same name in several folders are told apart; those of one folder are named without it.
  @Test func imagesOfSeveralFoldersHaveDifferentNames() throws {
    let scratch = try Scratch()
    let photograph = try Self.bytes(Tool.photographs + "/cat-00.jpg")
    for folder in ["x", "y"] {
      try FileManager.default.createDirectory(at: scratch.url(folder), withIntermediateDirectories: true)
      _ = try scratch.write(photograph, to: "\(folder)/a.jpg")
    }
    func names(_ paths: [String]) throws -> [String] {
      let output = scratch.path("e.safetensors")
      let outcome = try Tool.run(["embed", Tool.checkpoint] + paths + ["-o", output, "--size", "32"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let metadata = try Self.metadata(output)
      #expect(metadata["model"] == "multigrain_r50w16_tiny50.pth" && metadata["content_hash"] == nil)
      return try JSONDecoder().decode([String].self, from: Data(try #require(metadata["files"]).utf8))
    }
    let (x, y) = (scratch.path("x"), scratch.path("y"))
    #expect(try names([x]) == ["a.jpg"])
    #expect(try names([x, y + "/"]) == [x + "/a.jpg", y + "/a.jpg"])
    #expect(try names([x, y + "/a.jpg"]) == [x + "/a.jpg", y + "/a.jpg"])
  }
}
