import Foundation
import Testing

/// Embeddings, networks and distractors that would give wrong figures.
@Suite struct EvaluationFaultTests {
  private static let names = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"]
  private static let vectors: [[Float]] = [[1, 0, 0.1], [0.9, 0.2, 0], [0, 1, 0.3], [0.1, 0.8, 0]]

  /// A safetensors file as 'quern embed' writes it.
  private static func embeddings(
    _ rows: [[Float]] = vectors, names: [String] = names, logits: [[Float]]? = nil, metadata: [String: String] = [:]
  ) throws -> Data {
    var (tensors, data) = ([String: Any](), Data())
    for (name, rows) in [("normalized_embedding", rows), ("logits", logits ?? [])] where !rows.isEmpty {
      let start = data.count
      for row in rows { data += row.withUnsafeBytes { Data($0) } }
      tensors[name] = ["dtype": "F32", "shape": [rows.count, rows[0].count], "data_offsets": [start, data.count]]
    }
    var metadata = metadata
    metadata["files"] = String(decoding: try JSONSerialization.data(withJSONObject: names), as: UTF8.self)
    tensors["__metadata__"] = metadata
    let header = try JSONSerialization.data(withJSONObject: tensors, options: .sortedKeys)
    return withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) } + header + data
  }

  private static func evaluate(_ arguments: [String]) throws -> Tool.Outcome {
    try Tool.run(["evaluate", "--set", "folders", "--json", "--quiet"] + arguments)
  }

  private static func list(_ outcome: Tool.Outcome, _ key: String) throws -> [String] {
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    return try #require(object?[key] as? [String], "\(outcome.errors)")
  }

  /// Logits without an order are no answers: a comparison with NaN would always call them right.
  @Test(arguments: [Float.nan, .infinity, -.infinity])
  func logitsHaveAnOrder(value: Float) throws {
    let scratch = try Scratch()
    let logits: [[Float]] = [[value, 1], [1, 0], [0, 1], [0, 1]]
    let outcome = try Self.evaluate([
      "--embeddings", try scratch.write(try Self.embeddings(logits: logits), to: "e.safetensors"),
    ])
    guard value == -.infinity else {
      #expect(outcome.status == 65 && outcome.errors.contains("a logit of a/1.jpg"), "\(outcome.errors)")
      return
    }
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    #expect((object?["models"] as? [[String: Any]])?.first?["top1"] as? Double == 75)
  }

  @Test func rowsBelongToImages() throws {
    let scratch = try Scratch()
    let first = try scratch.write(try Self.embeddings(), to: "first.safetensors")
    let twice = try scratch.write(
      try Self.embeddings(Self.vectors + [[1, 1, 1]], names: Self.names + ["a/1.jpg"]), to: "twice.safetensors")
    let more = try scratch.write(
      try Self.embeddings(Self.vectors + [[1, 1, 1]], names: Self.names + ["c/1.jpg"]), to: "more.safetensors")
    let refused = try Self.evaluate(["--embeddings", first, "--embeddings", twice])
    #expect(refused.status == 65 && refused.errors.contains("two rows are of a/1.jpg"), "\(refused.errors)")
    let noted = try Self.evaluate(["--embeddings", first, "--embeddings", more])
    #expect(try Self.list(noted, "notes").contains { $0.contains("1 rows are of images that are not searched") })
    #expect(try Self.list(try Self.evaluate(["--embeddings", first, "--embeddings", first]), "notes").isEmpty)
  }

  @Test func equalEmbeddingsAreDoubted() throws {
    let scratch = try Scratch()
    let equal = try scratch.write(
      try Self.embeddings([[Float]](repeating: [1, 2, 3], count: 4)), to: "equal.safetensors")
    #expect(
      try Self.list(try Self.evaluate(["--embeddings", equal]), "warnings").contains { $0.contains("are equal") })
    let usual = try scratch.write(try Self.embeddings(), to: "usual.safetensors")
    #expect(try Self.list(try Self.evaluate(["--embeddings", usual]), "warnings").isEmpty)
  }

  @Test func otherPreprocessingIsDoubted() throws {
    let scratch = try Scratch()
    let (small, large) = (
      try scratch.write(try Self.embeddings(metadata: ["size": "224", "crop": "rect"]), to: "small.safetensors"),
      try scratch.write(try Self.embeddings(metadata: ["size": "500", "crop": "rect"]), to: "large.safetensors")
    )
    func doubts(_ arguments: [String]) throws -> Bool {
      try Self.list(try Self.evaluate(arguments), "warnings").contains { $0.contains("size 500 and 224") }
    }
    #expect(try doubts(["--embeddings", small, "--embeddings", large]))
    #expect(try doubts(["--embeddings", small, "--distractors", large]))
    #expect(
      try !doubts(["--embeddings", small, "--embeddings", small, "--distractors", small, "--distractors", small]))
  }

  /// Distractors of another network are refused before any image is embedded, by the name of their file.
  @Test func distractorsAreOfTheSameNetwork() throws {
    let scratch = try Scratch()
    let other = try scratch.write(try Self.embeddings(), to: "other.safetensors")
    let outcome = try Self.evaluate([
      Tool.checkpoint, "--data", Tool.root.appendingPathComponent("fixtures/retrieval/imagenet/folders").path,
      "--distractors", other,
    ])
    #expect(outcome.status == 65 && outcome.errors.contains(other) && outcome.errors.contains("3 dimensions"))
  }

  /// An image of the set among the distractors would make its own query fail.
  @Test func distractorsAreNotOfTheSet() throws {
    let scratch = try Scratch()
    let data = Tool.root.appendingPathComponent("fixtures/retrieval/imagenet/folders").path
    let image = try #require(
      FileManager.default.enumerator(atPath: data)?.compactMap { $0 as? String }.filter { $0.hasSuffix("JPEG") }.min())
    let bytes = try Data(contentsOf: URL(fileURLWithPath: data + "/" + image))
    _ = try scratch.write(bytes, to: "x.jpg")
    _ = try scratch.write(try Data(contentsOf: URL(fileURLWithPath: Tool.photographs + "/cat-00.jpg")), to: "y.jpg")
    let outcome = try Self.evaluate([
      Tool.checkpoint, "--data", data, "--size", "32", "--distractors", scratch.folder.path,
    ])
    #expect(try Self.list(outcome, "warnings").contains { $0.hasPrefix("1 of the distractors, such as x.jpg, has") })
  }

  // MARK: - Networks

  /// The bundled network as safetensors, with some tensors filled with a value.
  private static func network(_ scratch: Scratch, filling value: Float, _ isFilled: (String) -> Bool) throws -> String {
    let path = scratch.path("network.safetensors")
    let whitened = try Tool.run(
      ["whiten", Tool.checkpoint, "--images", Tool.photographs, "--size", "32", "--no-evaluation", "-o", path])
    #expect(whitened.status == 0, "\(whitened.errors)")
    var data = try Data(contentsOf: URL(fileURLWithPath: path))
    let length = data.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
    let header = try #require(try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any])
    var filled = 0
    for (name, tensor) in header where isFilled(name) {
      let offsets = try #require((tensor as? [String: Any])?["data_offsets"] as? [Int])
      for offset in stride(from: 8 + length + offsets[0], to: 8 + length + offsets[1], by: 4) {
        withUnsafeBytes(of: value) { data.replaceSubrange(offset..<offset + 4, with: $0) }
      }
      filled += 1
    }
    #expect(filled > 0)
    try data.write(to: URL(fileURLWithPath: path))
    return path
  }

  /// A classifier that is yet to be trained.
  @Test func zeroClassifiersAreWhitened() throws {
    let scratch = try Scratch()
    let network = try Self.network(scratch, filling: 0) { $0.contains("classifier") }
    let outcome = try Tool.run(
      [
        "whiten", network, "--images", Tool.photographs, "--size", "32", "--no-evaluation", "-o",
        scratch.path("again.safetensors"),
      ])
    #expect(outcome.status == 0, "\(outcome.errors)")
  }

  @Test func infiniteLogitsAreBadData() throws {
    let scratch = try Scratch()
    let network = try Self.network(scratch, filling: 3e38) { $0.contains("classifier.weight") }
    let outcome = try Tool.run(
      [
        "whiten", network, "--images", Tool.photographs, "--size", "32", "--no-evaluation", "-o",
        scratch.path("again.safetensors"),
      ])
    #expect(outcome.status == 65 && outcome.errors.contains("NaN or infinite"), "\(outcome.errors)")
  }

  @Test func infiniteMapsAreBadData() throws {
    let scratch = try Scratch()
    let network = try Self.network(scratch, filling: 1e38) { $0.contains("layer4.2.bn3.weight") }
    let whitened = try Tool.run(
      [
        "whiten", network, "--images", Tool.photographs, "--size", "32", "--no-evaluation", "-o",
        scratch.path("again.safetensors"),
      ])
    #expect(whitened.status == 65 && whitened.errors.contains("admiral-00.jpg"), "\(whitened.errors)")
    let embedded = try Tool.run(
      ["embed", network, Tool.photographs + "/cat-00.jpg", "--size", "32", "-o", scratch.path("e.npy"), "--json"])
    #expect(embedded.status == 0 && embedded.errors.contains("cannot be searched"), "\(embedded.errors)")
    #expect(embedded.output.contains("\"unusable\" : 1"))
  }

  /// A group has as many pairs as the square of its size: queries are searched in batches, with the distractors each
  /// time.
  @Test(.timeLimit(.minutes(2))) func largeGroupsAreSearchedInBatches() throws {
    let scratch = try Scratch()
    let count = 1300
    let names = (0..<count).map { "\($0 < 1200 ? "a" : "b")/\(10_000 + $0).jpg" }
    // Directions in the plane, in no order.
    let angles = (0..<count + 50).map { Double($0 * 7919 % 1361) / 1000 }
    let rows = angles.map { [Float(cos($0)), Float(sin($0))] }
    let outcome = try Self.evaluate([
      "--embeddings", try scratch.write(try Self.embeddings(Array(rows[..<count]), names: names), to: "e.safetensors"),
      "--distractors",
      try scratch.write(
        try Self.embeddings(Array(rows[count...]), names: (0..<50).map { "d\($0).jpg" }), to: "d.safetensors"),
    ])
    let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
    let model = try #require((object?["models"] as? [[String: Any]])?.first, "\(outcome.errors)")
    #expect(object?["queries"] as? Int == count || model["queries"] as? Int == count)
    let precisions = (0..<count).map { query in
      let order = rows.indices.filter { $0 != query }.sorted {
        abs(angles[$0] - angles[query]) < abs(angles[$1] - angles[query])
      }
      var (found, sum) = (0.0, 0.0)
      for (rank, row) in order.enumerated() where row < count && (row < 1200) == (query < 1200) {
        found += 1
        sum += found / Double(rank + 1)
      }
      return sum / found
    }
    let expected = 100 * precisions.reduce(0, +) / Double(count)
    // Similarities of neighbours are rounded to float32 and may be equal.
    #expect(abs(try #require(model["map_standard"] as? Double) - expected) < 0.01)
  }
}
