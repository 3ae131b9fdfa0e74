import Checkpoints
import Files
import Glibc
import Tensors
import Testing

@Suite struct SafetensorsTests {
  static func file(_ header: String, data: Int = 8) -> [UInt8] {
    littleEndian(UInt64(header.utf8.count)) + Array(header.utf8) + (0..<data).map { UInt8($0) }
  }

  static let accepted = [
    #"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    #"{ "__metadata__" : {} , "w" : { "data_offsets" : [ 0 , 8 ] , "shape" : [ 2 , 1 ] , "dtype" : "F32" } }   "#,
    #"{"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"w":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#,
    #"{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"e":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}}"#,
  ]

  @Test(arguments: accepted) func validHeaders(header: String) throws {
    #expect(try TemporaryFile(Self.file(header)).read()["w"] != nil)
  }

  static let refused: [(header: String, words: String)] = [
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#, "'}' expected"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},}"#, "'\"' expected"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} x"#, "1 more bytes follow its JSON"),
    (#"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, "does not take 8 bytes"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, "take 4 bytes of 8"),
    (#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, "starts at 4, and 0"),
    (#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#, "outside of the file"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, "is not a range"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, "is not a range"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#, "more than 2 numbers"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}}"#, "too large"),
    (#"{"w":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#, "impossible"),
    (#"{"w":{"dtype":"F32","shape":[0,9223372036854775807,9],"data_offsets":[0,0]}}"#, "impossible"),
    (#"{"w":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[1,9223372036854775807]}}"#, "impossible"),
    (#"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, "number without sign"),
    (#"{"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#, "']' expected"),
    (#"{"w":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}"#, "starts with zeros"),
    (#"{"w":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}"#, "dtype C64"),
    (#"{"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "appears twice"),
    (#"{"w":{"dtype":"F32","shape":[2]}}"#, "needs dtype, shape and data_offsets"),
    (#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#, "x is unknown"),
    (
      #"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      "appears twice"
    ),
    (
      #"{"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
      "starts at 4, and 8"
    ),
    (#"{"__metadata__":{"a":1},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "'\"' expected"),
    (#"{"__metadata__":{"a":"1","a":"2"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, "a appears twice"),
    (#"{"__metadata__":{},"__metadata__":{}}"#, "__metadata__ appears twice"),
    (#"{"w\x":{}}"#, "unknown escape"), (#"{"\ud800":{}}"#, "surrogate"), (#"{"\ud800\u0041":{}}"#, "surrogate"),
    (#"{"\u00g0":{}}"#, "four digits"), ("{\"a\u{01}\":{}}", "control character"),
    (#"{"w":[[[[[[[[]]]]]]]]}"#, "'{' expected"),
  ]

  @Test(arguments: refused.indices) func refusalSaysWhy(index: Int) {
    let (header, words) = Self.refused[index]
    let message = refusal(of: Self.file(header))
    #expect(message?.contains(words) == true, "\(message ?? "accepted") lacks: \(words)")
  }

  @Test func headerLength() {
    let long = littleEndian(UInt64(100_000_001)) + Array("{}".utf8)
    #expect(refusal(of: long)?.contains("100000001") == true)
    #expect(
      refusal(of: littleEndian(UInt64(50)) + Array("{}".utf8))?.contains("takes 50 bytes, and 2 are left") == true)
    #expect(refusal(of: littleEndian(UInt64(2)) + Array("{}".utf8)) == nil)
  }

  @Test func writesTheBytesOfTheSafetensorsLibrary() throws {
    let path = "\(Fixtures.folder)/every.safetensors"
    let checkpoint = try Checkpoint.read(path: path)
    let reversed = try #require(NamedTensors(checkpoint.tensors.reversed()))
    let file = TemporaryFile()
    try SafetensorsWriter.write(reversed, metadata: checkpoint.metadata, to: file.path)
    #expect(try MappedFile(path: file.path).withBytes { Array($0) } == Fixtures.bytes("every.safetensors"))
  }

  @Test func stridedTensorsAndOddTextsSurvive() throws {
    var tensors = NamedTensors()
    let name = "a\"\\\u{7F}\u{00}é\u{2028}"
    let added = tensors.append(Tensor((0..<6).map(Float.init), shape: [2, 3]).permuted([1, 0]), named: name)
    let addedTwice = tensors.append(Tensor([1 as Float]), named: name)
    #expect(added && !addedTwice)
    let file = TemporaryFile()
    try SafetensorsWriter.write(tensors, metadata: ["files": "[\"a\\n.jpg\"]", "b": ""], to: file.path)
    let read = try file.read()
    #expect(read[name]?.elements(as: Float.self) == [0, 3, 1, 4, 2, 5])
    #expect(read.metadata == ["files": "[\"a\\n.jpg\"]", "b": ""])
  }

  @Test func fullDiskIsAWriteError() throws {
    let tensors = try #require(NamedTensors([("a", Tensor([1 as Float]))]))
    #expect(throws: FileError.cannotWrite(path: "/dev/full", code: ENOSPC)) {
      try SafetensorsWriter.write(tensors, to: "/dev/full")
    }
  }
}

/// Indices of checkpoints in several files.
@Suite struct ShardIndexTests {
  /// As some editors write them.
  @Test(arguments: ["\u{FEFF}", "\n", ""]) func marksBeforeTheTextAreSkipped(start: String) throws {
    let path = "\(Fixtures.folder)/../forms/sharded/model.safetensors.index.json"
    let index = Array(start.utf8) + (try MappedFile(path: path).withBytes { Array($0) })
    let storage = TensorStorage(byteCount: index.count) { $0.copyBytes(from: index) }
    let checkpoint = try CheckpointOutline.open(MappedFile(storage: storage, path: path)).defaultCheckpoint()
    #expect(Contents(checkpoint) == Contents(try Checkpoint.read(path: path)))
  }

  /// A file is read once, and not for each of its spellings, of which there are more than there may be shards.
  @Test func spellingsOfAFileAreOneShard() throws {
    let names = (0..<1100).map { "t\($0)" }
    let tensors = try #require(NamedTensors(names.map { (name: $0, tensor: Tensor([1 as Float])) }))
    let (shard, index) = (TemporaryFile(), TemporaryFile())
    try SafetensorsWriter.write(tensors, to: shard.path)
    let file = String(shard.path.split(separator: "/").last ?? "")
    let entries = names.enumerated().map { number, name in
      let detour = (0..<11).map { number >> $0 & 1 == 0 ? "/" : "./" }.joined()
      return "\"\(name)\":\"./\(detour)\(file)\""
    }
    index.write(Array("{\"weight_map\":{\(entries.joined(separator: ","))}}".utf8))
    try withExtendedLifetime(shard) {
      let contents = Contents(try index.read())
      #expect(contents.items.map(\.name).sorted() == names.sorted())
    }
  }
}
