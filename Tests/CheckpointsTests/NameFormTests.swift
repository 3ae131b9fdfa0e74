import Checkpoints
import Files
import Tensors
import Testing

/// Names of which two are equal in Unicode and not in bytes, so that one could be read for the other.
@Suite struct NameFormTests {
  private typealias Wire = PickleTests
  private static let (composed, decomposed) = ("\u{E9}", "e\u{301}")
  private static let words = "Unicode normal form"

  private static func safetensors(_ names: [String]) -> [UInt8] {
    let entries = names.enumerated().map { index, name in
      "\"\(name)\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\(4 * index),\(4 * index + 4)]}"
    }
    return SafetensorsTests.file("{\(entries.joined(separator: ","))}", data: 4 * names.count)
  }

  @Test func tensorsAreFoundByTheirBytes() throws {
    let checkpoint = try TemporaryFile(Self.safetensors(["\(Self.decomposed).weight", "x"])).read()
    #expect(checkpoint["\(Self.decomposed).weight"] != nil && checkpoint["\(Self.composed).weight"] == nil)
    #expect(NamedTensors([(Self.composed, Tensor([1 as Float])), (Self.decomposed, Tensor([1 as Float]))]) == nil)
  }

  /// Tensors of two modules would be those of one.
  @Test(arguments: [["\(composed).weight", "\(decomposed).bias"], ["a.\u{212A}.w", "b.K"]])
  func modulesAreToldApart(names: [String]) {
    #expect(refusal(of: Self.safetensors(names))?.contains(Self.words) == true)
    let body = Wire.dictionary(names.map { ($0, Wire.tensor()) })
    #expect(refusal(of: Wire.stream(body))?.contains(Self.words) == true)
    #expect(refusal(of: Self.safetensors([names[0], names[0] + "2"])) == nil)
  }

  /// A shard of one name is not read for that of the other.
  @Test func shardsAreToldApart() throws {
    let (first, index) = (TemporaryFile(Self.safetensors(["a"])), TemporaryFile())
    let file = String(first.path.split(separator: "/").last ?? "")
    func refusal(_ map: String) -> String? {
      index.write(Array("{\"weight_map\":{\(map)}}".utf8))
      do {
        _ = try withExtendedLifetime(first) { try index.read() }
        return nil
      } catch { return "\(error)" }
    }
    #expect(refusal("\"a\":\"\(file)\"") == nil)
    let twice = refusal("\"a\":\"\(Self.composed).safetensors\",\"b\":\"\(Self.decomposed).safetensors\"")
    #expect(twice?.contains(Self.words) == true, "\(twice ?? "")")
    // A name that the shard has in the other form is not there.
    first.write(Self.safetensors([Self.composed]))
    #expect(refusal("\"\(Self.composed)\":\"\(file)\"") == nil)
    #expect(refusal("\"\(Self.decomposed)\":\"\(file)\"")?.contains("does not contain it") == true)
  }

  /// Storages of the legacy format, which are named by the pickle and by the list of their bytes.
  @Test func storagesAreToldApart() throws {
    func refusal(_ keys: [String], stored: [String]) -> String? {
      let body = Wire.dictionary(keys.enumerated().map { ("t\($0)", Wire.tensor(Wire.storage($1))) })
      return CheckpointsTests.refusal(of: Wire.stream(body, storages: stored.map { ($0, 4) }))
    }
    #expect(refusal([Self.composed, Self.composed], stored: [Self.composed]) == nil)
    #expect(refusal([Self.composed], stored: [Self.decomposed])?.contains("is not a storage") == true)
    #expect(refusal([Self.composed, Self.decomposed], stored: [Self.composed])?.contains(Self.words) == true)
  }

  @Test func keysOfPlainPicklesAreToldApart() throws {
    func read(_ keys: [String]) throws -> PlainValue {
      let bytes = Wire.pickle(Wire.dictionary(keys.map { ($0, Wire.int(1)) }))
      let storage = TensorStorage(byteCount: bytes.count) { $0.copyBytes(from: bytes) }
      return try PlainPickle.read(MappedFile(storage: storage, path: "a.pkl"))
    }
    // As in Python, the last value of a key counts.
    #expect(try read([Self.composed, Self.composed]) == .dictionary([Self.composed: .int(1)]))
    #expect {
      try read([Self.composed, Self.decomposed])
    } throws: { "\($0)".contains(Self.words) }
  }

  /// Extended headers of tar files, in which a mark makes one character with the sign before it.
  @Test func extendedAttributesOfTarFilesAreBytes() throws {
    func refusal(_ attributes: String) throws -> String? {
      let content = Array(attributes.utf8)
      var header = [UInt8](repeating: 0, count: 512)
      func put(_ text: String, at offset: Int) {
        header.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
      }
      put("x", at: 0)
      let digits = String(content.count, radix: 8)
      put(String(repeating: "0", count: 11 - digits.utf8.count) + digits, at: 124)
      put("        ", at: 148)
      put("x", at: 156)
      put("ustar", at: 257)
      let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
      put(String(repeating: "0", count: 6 - sum.utf8.count) + sum + "\0 ", at: 148)
      let padding = [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
      return CheckpointsTests.refusal(of: header + content + padding + (try Fixtures.bytes("tar.pth")))
    }
    #expect(try refusal("11 mtime=1\n") == nil)
    for attributes in ["12 path=\u{301}b\n", "13 comment=a\r\n9 path=b\n", "9 path=\u{301}\n"] {
      let message = try refusal(attributes)
      #expect(message?.contains("extended tar attribute path") == true, "\(message ?? "accepted")")
    }
  }
}
