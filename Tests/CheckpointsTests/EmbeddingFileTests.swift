import Checkpoints
import Files
import Foundation
import Tensors
import Testing

/// Files of embeddings, made byte by byte as their formats say.
@Suite struct EmbeddingFileTests {
  private static func integers(_ values: UInt32...) -> Data { values.reduce(into: Data()) { $0 += bytes($1) } }

  private static func bytes<Value>(_ value: Value) -> Data { withUnsafeBytes(of: value) { Data($0) } }

  private static func floats(_ values: [Float]) -> Data { values.reduce(into: Data()) { $0 += bytes($1) } }

  private static func npy(_ header: String, _ data: Data) -> Data {
    Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0]) + bytes(UInt16(header.utf8.count)) + Data(header.utf8) + data
  }

  private static func npy(type: String = "<f4", order: String = "False", shape: String, _ data: Data) -> Data {
    npy("{'descr': '\(type)', 'fortran_order': \(order), 'shape': \(shape), }\n", data)
  }

  private static func safetensors(_ header: String, _ data: Data) -> Data {
    bytes(UInt64(header.utf8.count)) + Data(header.utf8) + data
  }

  private static let values: [Float] = [0.5, -1, 2, 3, 4, 0.25]

  struct Sample: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let name: String
    let data: Data
  }

  static let samples = [
    Sample(testDescription: "fbin", name: "a.fbin", data: integers(2, 3) + floats(values)),
    Sample(
      testDescription: "fvecs", name: "a.FVECS",
      data: integers(3) + floats(Array(values[..<3])) + integers(3) + floats(Array(values[3...]))),
    Sample(testDescription: "npy", name: "a.npy", data: npy(shape: "(2, 3)", floats(values))),
    Sample(testDescription: "npy by its content", name: "a", data: npy(shape: "(2, 3)", floats(values))),
    Sample(
      testDescription: "npy of float64", name: "a.npy",
      data: npy(type: "<f8", shape: "(2, 3)", values.reduce(into: Data()) { $0 += bytes(Double($1)) })),
    Sample(
      testDescription: "npy of float16", name: "a.npy",
      data: npy(
        type: "<f2", shape: "(2, 3)",
        [0x3800, 0xBC00, 0x4000, 0x4200, 0x4400, 0x3400].reduce(into: Data()) { $0 += bytes(UInt16($1)) })),
    Sample(
      testDescription: "safetensors", name: "a",
      data: safetensors(
        #"{"normalized_embedding":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#, floats(values))),
    Sample(
      testDescription: "safetensors, not normalised", name: "a.safetensors",
      data: safetensors(#"{"embedding":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#, floats(values))),
  ]

  @Test(arguments: samples) func reads(sample: Sample) throws {
    let scratch = try Folder()
    let file = try EmbeddingFile(path: scratch.write(sample.data, sample.name))
    #expect(file.count == 2 && file.dimensions == 3 && file.names == nil && file.metadata.isEmpty)
    for range in [0..<2, 0..<1, 1..<2, 2..<2] {
      let rows = try file.rows(range)
      #expect(rows.shape == [range.count, 3])
      #expect(
        rows.asFloat32()?.elements(as: Float.self) == Array(Self.values[range.lowerBound * 3..<range.upperBound * 3]))
      file.releasePages(range)
    }
  }

  static let damaged = [
    Sample(testDescription: "fbin of no bytes after its header", name: "a.fbin", data: integers(2, 3)),
    Sample(testDescription: "fbin without a header", name: "a.fbin", data: integers(2)),
    Sample(
      testDescription: "fbin that is cut short", name: "a.fbin", data: integers(2, 3) + floats(Array(values[1...]))),
    Sample(testDescription: "fbin that is too long", name: "a.fbin", data: integers(2, 3) + floats(values + [1])),
    Sample(testDescription: "fbin of no rows", name: "a.fbin", data: integers(0, 3)),
    Sample(testDescription: "fbin of no dimensions", name: "a.fbin", data: integers(2, 0)),
    // 2^30 * 2^32 * 4 = 2^64: with wrapping arithmetic, it would be the empty rest of the file.
    Sample(testDescription: "fbin that overflows", name: "a.fbin", data: integers(1 << 31, 1 << 31)),
    Sample(testDescription: "fbin as large as can be", name: "a.fbin", data: integers(.max, .max)),
    Sample(testDescription: "fvecs of no dimensions", name: "a.fvecs", data: integers(0, 0)),
    Sample(testDescription: "fvecs that is cut short", name: "a.fvecs", data: integers(3) + floats([1, 2])),
    Sample(testDescription: "fvecs of three bytes", name: "a.fvecs", data: Data([3, 0, 0])),
    Sample(testDescription: "fvecs of a large dimension", name: "a.fvecs", data: integers(.max) + floats([1, 2])),
    Sample(testDescription: "npy of integers", name: "a.npy", data: npy(type: "<i4", shape: "(2, 3)", floats(values))),
    Sample(testDescription: "npy, big-endian", name: "a.npy", data: npy(type: ">f4", shape: "(2, 3)", floats(values))),
    Sample(
      testDescription: "npy in Fortran's order", name: "a.npy",
      data: npy(order: "True", shape: "(2, 3)", floats(values))),
    Sample(testDescription: "npy of one axis", name: "a.npy", data: npy(shape: "(6,)", floats(values))),
    Sample(testDescription: "npy of no rows", name: "a.npy", data: npy(shape: "(0, 3)", Data())),
    Sample(testDescription: "npy that is cut short", name: "a.npy", data: npy(shape: "(2, 3)", floats([1]))),
    Sample(
      testDescription: "npy that overflows", name: "a.npy",
      data: npy(shape: "(4294967296, 4294967296)", floats(values))),
    Sample(testDescription: "npy by its name alone", name: "a.npy", data: integers(2, 3) + floats(values)),
    Sample(testDescription: "numbers without a format", name: "a.bin", data: integers(2, 3) + floats(values)),
    Sample(
      testDescription: "safetensors without embeddings", name: "a.safetensors",
      data: safetensors(#"{"logits":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#, floats(values))),
    Sample(
      testDescription: "safetensors of integers", name: "a.safetensors",
      data: safetensors(#"{"embedding":{"dtype":"I32","shape":[2,3],"data_offsets":[0,24]}}"#, floats(values))),
    Sample(
      testDescription: "safetensors with one name for two rows", name: "a.safetensors",
      data: safetensors(
        #"{"__metadata__":{"files":"[\"a\"]"},"embedding":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#,
        floats(values))),
  ]

  @Test(arguments: damaged) func refuses(sample: Sample) throws {
    let scratch = try Folder()
    let path = try scratch.write(sample.data, sample.name)
    let error = #expect(throws: CheckpointError.self) { _ = try EmbeddingFile(path: path) }
    #expect(error?.kind == .badData)
    #expect(error?.description.hasPrefix(path) == true)
  }

  @Test func refusesRowsOfAnotherDimension() throws {
    let scratch = try Folder()
    let data = Self.integers(1) + Self.floats([1]) + Self.integers(2) + Self.floats([1])
    let file = try EmbeddingFile(path: scratch.write(data, "a.fvecs"))
    #expect(throws: Never.self) { _ = try file.rows(0..<1) }
    #expect(throws: CheckpointError.self) { _ = try file.rows(1..<2) }
  }

  @Test(arguments: [EmbeddingFormat.npy, .fbin, .fvecs]) func readsWhatIsWritten(format: EmbeddingFormat) throws {
    let scratch = try Folder()
    let path = scratch.path("a.\(format.rawValue)")
    let names = ["b \"quoted\"\n.jpg", "ä/\u{1F4F7}\u{202E}\u{E0001}.png"]
    let numbers = try AtomicFile(path: path)
    let companion = try AtomicFile(path: EmbeddingFormat.companion(of: path))
    let hash = try EmbeddingWriter.write(
      [Array(Self.values[..<3]), Array(Self.values[3...])], dimensions: 3, as: format, to: numbers)
    let metadata = ["size": "224", "crop": "rect"]
    try EmbeddingWriter.writeCompanion(of: hash, files: names, metadata: metadata, to: companion)
    try numbers.commit()
    try companion.commit()
    let expected = try #require(Self.samples.first { $0.testDescription == format.rawValue }).data
    let written = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(format == .npy ? written.suffix(24) == expected.suffix(24) : written == expected)
    #expect(format != .npy || (written.count - 24) % 64 == 0)
    #expect(hash == (try MappedFile(path: path).sha256()))
    let file = try EmbeddingFile(path: path)
    #expect(file.names == names && file.metadata == metadata)
    #expect(try file.rows(0..<2).elements(as: Float.self) == Self.values)
    let text = try String(contentsOfFile: EmbeddingFormat.companion(of: path), encoding: .utf8)
    #expect(text.contains("ä/\u{1F4F7}\\u202e\\udb40\\udc01.png"), "\(text)")
  }

  @Test func namesOfOtherRowsAreRefused() throws {
    let scratch = try Folder()
    let path = try scratch.write(Self.samples[0].data, "a.fbin")
    _ = try scratch.write(Data(#"{"files":["a"]}"#.utf8), "a.fbin.json")
    #expect(try EmbeddingFile(path: path).names == nil, "a file of someone else is ignored")
    for names in [#""files":["a"]"#, #""files":[1,2]"#, #""other":"a""#, #""files":["a","#] {
      _ = try scratch.write(Data(#"{"schema":"quern.embeddings/1",\#(names)}"#.utf8), "a.fbin.json")
      #expect(throws: CheckpointError.self, "\(names)") { _ = try EmbeddingFile(path: path) }
    }
  }

  @Test(arguments: [EmbeddingFormat.npy, .fbin, .fvecs])
  func namesOfOtherNumbersAreRefused(format: EmbeddingFormat) throws {
    let scratch = try Folder()
    func write(_ rows: [[Float]], _ files: [String], to name: String) throws -> String {
      let path = scratch.path("\(name).\(format.rawValue)")
      let numbers = try AtomicFile(path: path)
      let companion = try AtomicFile(path: EmbeddingFormat.companion(of: path))
      let hash = try EmbeddingWriter.write(rows, dimensions: 3, as: format, to: numbers)
      try EmbeddingWriter.writeCompanion(of: hash, files: files, metadata: ["size": "224"], to: companion)
      try companion.commit()
      try numbers.commit()
      return path
    }
    let path = try write([[0, 0, 1], [0, 1, 0]], ["a", "b"], to: "a")
    let other = try write([[0, 0, 1], [1, 0, 0]], ["c", "d"], to: "b")
    // As if a run had ended between the two files, or another had written one of them.
    let names = URL(fileURLWithPath: EmbeddingFormat.companion(of: path))
    try Data(contentsOf: URL(fileURLWithPath: EmbeddingFormat.companion(of: other))).write(to: names)
    let error = #expect(throws: CheckpointError.self) { _ = try EmbeddingFile(path: path) }
    #expect(error?.kind == .badData)
    #expect(error?.description.hasPrefix("\(names.path): ") == true)
    #expect(error?.description.contains(path + ",") == true && error?.description.contains("quern embed") == true)
    let unhashed = #"{"schema":"quern.embeddings/1","numbers_sha256":null,"files":["a","b"]}"#
    _ = try scratch.write(Data(unhashed.utf8), "a.\(format.rawValue).json")
    #expect(throws: CheckpointError.self) { _ = try EmbeddingFile(path: path) }
    // Earlier versions stated no hash.
    let earlier = "{\"schema\":\"quern.embeddings/1\",\n\"size\":\"224\",\n\"files\":[\n\"c\",\n\"d\"]}\n"
    _ = try scratch.write(Data(earlier.utf8), "a.\(format.rawValue).json")
    #expect(try EmbeddingFile(path: path).names == ["c", "d"])
  }

  @Test func whatEmbedMayHaveWrittenIsRecognised() throws {
    let scratch = try Folder()
    func isPlausible(_ data: Data, _ format: EmbeddingFormat, name: String = "a") throws -> Bool {
      EmbeddingFile.isPlausible(try MappedFile(path: scratch.write(data, name)), as: format)
    }
    let unit: [Float] = [0.6, 0, 0.8, 0, 1, 0]
    #expect(try isPlausible(Self.npy(shape: "(2, 3)", Self.floats(unit)), .npy))
    #expect(try isPlausible(Self.integers(2, 3) + Self.floats(unit), .fbin))
    let (first, second) = (Self.floats(Array(unit[..<3])), Self.floats(Array(unit[3...])))
    #expect(try isPlausible(Self.integers(3) + first + Self.integers(3) + second, .fvecs))
    // Embeddings that cannot be searched are written, too.
    #expect(try isPlausible(Self.integers(2, 3) + Self.floats([.nan, 0, 0, 0, 0, 0]), .fbin))
    for format in [EmbeddingFormat.npy, .fbin, .fvecs, .safetensors] {
      for data in [Data("some text, which is none".utf8), Self.integers(2, 3), Data([0])] {
        #expect(try !isPlausible(data, format), "\(format)")
      }
    }
    #expect(try !isPlausible(Self.npy(shape: "(2, 3)", Self.floats(Self.values)), .npy), "other numbers")
    #expect(try !isPlausible(Self.npy(shape: "(6,)", Self.floats(unit)), .npy), "one axis")
    #expect(
      try !isPlausible(
        Self.npy(type: "<f8", shape: "(2, 3)", unit.reduce(into: Data()) { $0 += Self.bytes(Double($1)) }), .npy))
    _ = try scratch.write(Data("names".utf8), "b.npy.json")
    #expect(try isPlausible(Self.npy(shape: "(2, 3)", Self.floats(Self.values)), .npy, name: "b.npy"), "with names")

    func safetensors(_ name: String, _ metadata: String) -> Data {
      Self.safetensors(
        #"{"__metadata__":{\#(metadata)},"\#(name)":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#,
        Self.floats(unit))
    }
    let files = #""files":"[\"a\",\"b\"]""#
    #expect(try isPlausible(safetensors("normalized_embedding", files), .safetensors))
    #expect(try !isPlausible(safetensors("fc.weight", files), .safetensors), "a checkpoint")
    #expect(try !isPlausible(safetensors("normalized_embedding", #""sha256":"[]""#), .safetensors), "a golden file")
  }

  /// A temporary folder that goes away with this value.
  private final class Folder {
    private let url = FileManager.default.temporaryDirectory.appendingPathComponent("quern-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true) }
    deinit { try? FileManager.default.removeItem(at: url) }

    func path(_ name: String) -> String { url.appendingPathComponent(name).path }

    func write(_ data: Data, _ name: String) throws -> String {
      try data.write(to: URL(fileURLWithPath: path(name)))
      return path(name)
    }
  }
}
