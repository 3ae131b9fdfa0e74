import Foundation
import Testing

/// Images that a camera turned.
@Suite struct OrientationTests {
  private static let turned = Tool.root.appendingPathComponent("fixtures/images/orientation-6.jpg").path

  private static func embed(_ output: String, _ extra: [String] = []) throws -> String {
    let outcome = try Tool.run(
      ["embed", Tool.checkpoint, turned, "-o", output, "--size", "64", "--crop", "rect"] + extra)
    #expect(outcome.status == 0, "\(outcome.errors)")
    return outcome.errors
  }

  /// They are used as stored, with a note that says so, or turned; outputs say which, and a comparison tells them apart.
  @Test func orientationIsIgnoredWithANoteOrApplied() throws {
    let scratch = try Scratch()
    let (stored, upright) = (scratch.path("stored.safetensors"), scratch.path("upright.safetensors"))
    let text = try Self.embed(stored)
    #expect(text.contains("orientation-6.jpg has an EXIF orientation, and is used as stored"), "\(text)")
    #expect(text.contains("--exif-orientation"))
    #expect(try !Self.embed(stored, ["--quiet"]).contains("EXIF"))
    #expect(try !Self.embed(upright, ["--exif-orientation"]).contains("EXIF"))
    let compared = try Tool.run(["compare", stored, upright, "--json"])
    #expect(compared.output.contains("exif_orientation false and true"), "\(compared.output)")
  }

  /// A golden file of turned images is compared with turned images only, and the reverse.
  @Test(arguments: [true, false])
  func goldenFilesStateIt(isTurned: Bool) throws {
    let option = isTurned ? ["--exif-orientation"] : []
    let program = try Tool.run(["golden", Tool.checkpoint] + option)
    #expect(program.output.contains("ImageOps.exif_transpose") == isTurned, "\(program.output)")
    #expect(program.output.contains("\"exif_orientation\": \"\(isTurned)\""))
    let scratch = try Scratch()
    let golden = try scratch.write(
      try GoldenWriter.file(
        name: "embedding", values: [Float](repeating: 0.5, count: 512), width: 512,
        hashes: [String(repeating: "a", count: 64)],
        metadata: ["exif_orientation": "\(isTurned)"]),
      to: "golden.safetensors")
    let arguments = [
      "convert", Tool.checkpoint, "--calibration", Tool.photographs, "--size", "64", "--golden", golden, "-o",
      scratch.path("a.quern"),
    ]
    let refused = try Tool.run(arguments + (isTurned ? [] : ["--exif-orientation"]))
    #expect(refused.status == 64 && refused.errors.contains("--exif-orientation"), "\(refused.errors)")
    // None of its images is there.
    let missing = try Tool.run(arguments + option)
    #expect(missing.status == 66, "\(missing.errors)")
  }
}
