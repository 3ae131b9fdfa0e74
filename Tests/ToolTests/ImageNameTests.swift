import Foundation
import Testing

/// Images whose names Unicode considers equal are different files.
@Suite struct ImageNameTests {
  private static let package = Tool.root.appendingPathComponent("fixtures/packages/version-1.0-converted.quern").path

  /// The names of six photographs, of which two each differ in the Unicode normal form alone.
  private static let names = ["a", "b", "c"].flatMap { ["\u{E9}\($0).jpg", "e\u{301}\($0).jpg"] }

  private static func folder(_ scratch: Scratch, _ names: [String]) throws -> String {
    let photographs = try FileManager.default.contentsOfDirectory(atPath: Tool.photographs)
      .filter { $0.hasSuffix(".jpg") }.sorted()
    let folder = scratch.path("images\(names[0].utf8.count)")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (name, photograph) in zip(names, photographs) {
      let data = try Data(contentsOf: URL(fileURLWithPath: "\(Tool.photographs)/\(photograph)"))
      // Not by URLs, which may change the form.
      let file = try #require(fopen("\(folder)/\(name)", "wb"))
      defer { fclose(file) }
      #expect(data.withUnsafeBytes { fwrite($0.baseAddress, 1, data.count, file) } == data.count)
    }
    return folder
  }

  /// None is measured as another, which would make it a copy of that.
  @Test func eachImageIsMeasured() throws {
    let scratch = try Scratch()
    let folder = try Self.folder(scratch, Self.names)
    let report = try Tool.run(
      ["verify", Self.package, "--reference", Self.package, "--images", folder, "--json"]
    ).object()
    #expect(report["images"] as? Int == 6)
    #expect(try report.members("neighbours")["copies"] == nil)
  }

  @Test func brokenImagesKeepTheirNames() throws {
    let scratch = try Scratch()
    let folder = try Self.folder(scratch, Self.names)
    for name in Self.names.prefix(2) {
      let file = try #require(fopen("\(folder)/\(name)", "wb"))
      fputs("no image", file)
      fclose(file)
    }
    let report = try Tool.run([
      "verify", Self.package, "--reference", Self.package, "--images", folder, "--json", "--skip-bad-images",
    ]).object()
    let skipped = try #require(report["skipped_images"] as? [[String: Any]])
    let names = skipped.compactMap { ($0["name"] as? String).map { Array($0.utf8) } }
    #expect(report["images"] as? Int == 4 && Set(names) == Set(Self.names.prefix(2).map { Array($0.utf8) }))
  }
}
