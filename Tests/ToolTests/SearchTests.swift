import Foundation
import Testing

/// `search`, on the bundled network and photographs.
@Suite struct SearchTests {
  private static func search(_ arguments: [String]) throws -> Tool.Outcome {
    try Tool.run(["search", Tool.checkpoint, Tool.photographs, "--size", "64", "--crop", "rect"] + arguments)
  }

  /// The embeddings that `embed` writes, and the names of their images.
  private static func embedded(
    _ model: String, _ arguments: [String], _ scratch: Scratch
  ) throws -> (rows: [[Float]], names: [String]) {
    let path = scratch.path("embeddings.npy")
    let outcome = try Tool.run(["embed", model] + arguments + ["-o", path])
    #expect(outcome.status == 0, "\(outcome.errors)")
    let companion = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path + ".json")))
    let names = try #require((companion as? [String: Any])?["files"] as? [String])
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    // The header of .npy is a multiple of 64 bytes.
    let header = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
    let floats = bytes.dropFirst(header).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    let width = floats.count / names.count
    return (names.indices.map { Array(floats[$0 * width..<($0 + 1) * width]) }, names)
  }

  private static func json(_ outcome: Tool.Outcome) throws -> [String: Any] {
    #expect(outcome.status == 0, "\(outcome.errors)")
    return try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  @Test func aCopyFindsItsOriginalAndTheQueryItselfIsLeftOut() throws {
    let scratch = try Scratch()
    let original = Tool.photographs + "/cat-03.jpg"
    let copy = try scratch.write(Data(contentsOf: URL(fileURLWithPath: original)), to: "copy.jpg")
    let report = try Self.json(try Self.search(["--query", copy, "--query", original, "--top", "3", "--json"]))
    #expect(report["schema"] as? String == "quern.search/1" && report["gallery_images"] as? Int == 96)
    let queries = try #require(report["queries"] as? [[String: Any]])
    let found = try queries.map { try #require($0["neighbours"] as? [[String: Any]]) }
    #expect(found.allSatisfy { $0.map { $0["rank"] as? Int } == [1, 2, 3] })
    #expect(found[0][0]["file"] as? String == "cat-03.jpg")
    #expect(abs((found[0][0]["cosine"] as? Double ?? 0) - 1) < 1e-6)
    #expect(queries[1]["left_out"] as? [String] == ["cat-03.jpg"])
    // Without the query itself, the same images follow.
    #expect(found[1][0]["file"] as? String == found[0][1]["file"] as? String)
    let cosines = found.flatMap { $0.compactMap { $0["cosine"] as? Double } }
    #expect(cosines.count == 6 && zip(cosines, cosines.dropFirst()).prefix(2).allSatisfy { $0 >= $1 })
  }

  /// The cosines are those of the embeddings that `embed` writes.
  @Test func cosinesAreThoseOfTheEmbeddings() throws {
    let scratch = try Scratch()
    let (rows, names) = try Self.embedded(
      Tool.checkpoint, [Tool.photographs, "--size", "64", "--crop", "rect"], scratch)
    let query = try #require(names.firstIndex(of: "temple-23.jpg"))
    let cosines = names.indices.filter { $0 != query }.map { row in
      (zip(rows[row], rows[query]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }, names[row])
    }
    let expected = cosines.sorted { $0.0 > $1.0 }.prefix(5)
    let report = try Self.json(try Self.search(["--query", Tool.photographs + "/temple-23.jpg", "--json"]))
    let found = try #require((report["queries"] as? [[String: Any]])?[0]["neighbours"] as? [[String: Any]])
    #expect(found.map { $0["file"] as? String } == expected.map(\.1))
    #expect(zip(found, expected).allSatisfy { abs(($0["cosine"] as? Double ?? 0) - $1.0) < 1e-5 })
  }

  /// A package searches in int8, and says which it is.
  @Test func aPackageSearchesByItsOwnEmbeddings() throws {
    let scratch = try Scratch()
    let package = Tool.root.appendingPathComponent("fixtures/packages/version-1.0-converted.quern").path
    let query = Tool.photographs + "/cat-03.jpg"
    let report = try Self.json(try Tool.run(["search", package, Tool.photographs, "--query", query, "--json"]))
    #expect((report["content_hash"] as? String)?.count == 64 && report["dimension"] as? Int == 6)
    let found = try #require((report["queries"] as? [[String: Any]])?[0]["neighbours"] as? [[String: Any]])
    let nearest = Tool.photographs + "/" + (try #require(found[0]["file"] as? String))
    let rows = try Self.embedded(package, [query, nearest], scratch).rows
    let output = try Tool.run(["search", package, Tool.photographs, "--query", query]).output
    let cosine = zip(rows[0], rows[1]).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
    #expect(abs((found[0]["cosine"] as? Double ?? 0) - cosine) < 1e-6)
    #expect(output.contains("searched 96 images by int8 embeddings of 6 values"))
  }

  /// The same file by several names is one image.
  @Test func filesThatAreGivenTwiceAreSearchedOnce() throws {
    let outcome = try Self.search([
      Tool.photographs, Tool.photographs + "/../photographs/cat-00.jpg", "--query", Tool.photographs + "/cat-03.jpg",
      "--json",
    ])
    #expect(try Self.json(outcome)["gallery_images"] as? Int == 96)
    #expect(outcome.errors.contains("97 of the 193 gallery files are there twice"), "\(outcome.errors)")
  }

  /// Copies are equally close, and rank in the order of their names' bytes, even where names are canonically equivalent
  /// and so equal as strings, whatever the order of the arguments.
  @Test(arguments: [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
  func equallyCloseImagesFollowTheirNames(order: [Int]) throws {
    let scratch = try Scratch()
    let photograph = try Data(contentsOf: URL(fileURLWithPath: Tool.photographs + "/cat-03.jpg"))
    let names = ["Z.jpg", "ez.jpg", "e\u{301}.jpg", "\u{E9}.jpg"]
    // Not by URL, which may compose the names.
    for name in names {
      #expect(FileManager.default.createFile(atPath: scratch.folder.path + "/" + name, contents: photograph))
    }
    let query = try scratch.write(photograph, to: "query.jpg")
    let report = try Self.json(
      try Tool.run(
        ["search", Tool.checkpoint] + order.map { scratch.folder.path + "/" + names[$0] }
          + ["--query", query, "--size", "64", "--crop", "rect", "--json"]))
    let found = try #require((report["queries"] as? [[String: Any]])?[0]["neighbours"] as? [[String: Any]])
    #expect(Set(found.map { $0["cosine"] as? Double }).count == 1)
    let files = found.compactMap {
      ($0["file"] as? String).map { Array($0.utf8.dropFirst(scratch.folder.path.utf8.count + 1)) }
    }
    #expect(files == names.map { Array($0.utf8) })
  }

  @Test func aSkippedImageIsCounted() throws {
    let scratch = try Scratch()
    let broken = try scratch.write(Data("no image".utf8), to: "broken.jpg")
    let arguments = [broken, "--query", Tool.photographs + "/cat-03.jpg", "--top", "1"]
    #expect(try Self.search(arguments).status == 65)
    let outcome = try Self.search(arguments + ["--skip-bad-images"])
    #expect(outcome.status == 0 && outcome.output.contains("512 values, 1 broken image skipped\n"), "\(outcome)")
  }

  @Test func thePageShowsEveryPicture() throws {
    let scratch = try Scratch()
    let name = "<b>&\"cat.jpg"
    let query = try scratch.write(
      Data(contentsOf: URL(fileURLWithPath: Tool.photographs + "/cat-03.jpg")), to: name)
    let page = scratch.path("found.html")
    let outcome = try Self.search(["--query", query, "--top", "4", "--html", page])
    #expect(outcome.status == 0 && outcome.output.contains("  1     1.0000  cat-03.jpg"), "\(outcome)")
    let text = try String(contentsOfFile: page, encoding: .utf8)
    #expect(text.components(separatedBy: "data:image/png;base64,").count == 6)
    #expect(!text.contains("<b>") && text.contains("&lt;b&gt;"))
  }

  @Test(arguments: [
    (["--query", "missing.jpg"], 66), ([], 64), (["--query", Tool.checkpoint], 65),
    (["--query", Tool.photographs + "/cat-03.jpg", "--top", "0"], 64),
    (["--query", Tool.photographs + "/cat-03.jpg", "--html", "page.txt"], 64),
  ])
  func badArgumentsAreRefused(arguments: [String], status: Int) throws {
    #expect(Int(try Self.search(arguments).status) == status)
  }
}
