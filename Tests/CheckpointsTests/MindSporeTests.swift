import Checkpoints
import Files
import Tensors
import Testing

@Suite struct MindSporeTests {
  // MARK: - What MindSpore writes

  @Test func whatTrainingKeepsIsReported() throws {
    let checkpoint = try Checkpoint.read(path: "\(Fixtures.folder)/mindspore-network.ckpt")
    #expect(
      checkpoint.ignored.map { "\($0.name): \($0.reason)" } == [
        "note: a string", "global_step: training state", "learning_rate: training state",
        "momentum: training state", "epoch_num: training state",
        "moments.*: optimiser state, 8 tensors",
      ])
  }

  @Test func safetensorsOfMindSporeHoldTheSame() throws {
    let checkpoint = try Checkpoint.read(path: "\(Fixtures.folder)/mindspore-network.ckpt")
    let other = try Checkpoint.read(path: "\(Fixtures.folder)/mindspore-network.safetensors")
    let order = { (a: Contents.Item, b: Contents.Item) in a.name < b.name }
    #expect(other.format == .safetensors && other.metadata["format"] == "ms")
    #expect(Contents(other).items.sorted(by: order) == Contents(checkpoint).items.sorted(by: order))
    #expect(Set(other.ignored) == Set(checkpoint.ignored.filter { $0.reason != "a string" }))
  }

  @Test func namesAloneTellThatSafetensorsAreMindSpores() throws {
    let names = [
      "a.gamma", "a.moving_mean", "b.gamma", "b.beta", "moments.a.gamma", "moments.conv.weight", "linear.weight",
    ]
    let tensors = try #require(NamedTensors(names.map { ($0, Tensor([1 as Float])) }))
    let file = TemporaryFile()
    try SafetensorsWriter.write(tensors, to: file.path)
    #expect(
      Set(try file.read().tensors.names) == [
        "a.weight", "a.running_mean", "b.gamma", "b.beta", "moments.conv.weight", "linear.weight",
      ])
    let others = try #require(NamedTensors(["a.gamma", "b.moving_mean"].map { ($0, Tensor([1 as Float])) }))
    try SafetensorsWriter.write(others, to: file.path)
    #expect(try file.read().tensors.names == ["a.gamma", "b.moving_mean"])
  }

  @Test func onlySplitTensorsAreCopied() throws {
    let checkpoint = try Checkpoint.read(path: "\(Fixtures.folder)/mindspore-split.ckpt")
    let before = try #require(checkpoint["before.weight"])
    let after = try #require(checkpoint["after.weight"])
    let split = try #require(checkpoint["split.weight"])
    #expect(before.storage === after.storage && before.storage !== split.storage)
    for (_, tensor) in checkpoint.tensors { tensor.releasePages() }
    #expect(before.elements(as: Float.self).allSatisfy { $0.isFinite && $0 != 0 })
  }

  static let refusedFiles: [(name: String, words: [String])] = [
    ("bad-mindspore-AES-GCM", ["encrypted", "AES-GCM", "dec_key"]),
    ("bad-mindspore-AES-CBC", ["encrypted", "AES-CBC", "dec_key"]),
    ("bad-mindspore-SM4-CBC", ["encrypted", "SM4-CBC", "dec_key"]),
    ("bad-mindspore-map", ["MapTensor embedding.table", "byte 0"]),
    ("bad-mindspore-checksum", ["crc_num at byte 1916", "a different CRC-32"]),
  ]

  @Test(arguments: refusedFiles.indices) func refusalSaysWhy(index: Int) throws {
    let (name, words) = Self.refusedFiles[index]
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.read(path: "\(Fixtures.folder)/\(name).ckpt") }
    for word in words {
      #expect(error?.description.contains(word) == true, "\(error?.description ?? "") lacks \(word)")
    }
    #expect(error?.kind == .badData)
  }

  @Test func checksum() throws {
    let content = try Fixtures.bytes("mindspore-split.ckpt")
    let whole = Contents(try Checkpoint.read(path: "\(Fixtures.folder)/mindspore-split.ckpt"))
    #expect(Contents(try TemporaryFile(Array(content.dropLast(17))).read()) == whole)
    for position in content.count - 10..<content.count {
      var bytes = content
      bytes[position] ^= 1
      #expect(refusal(of: bytes)?.contains("a different CRC-32") == true)
    }
    #expect(refusal(of: content + [0])?.contains("Checkpoint") == true)
  }

  // MARK: - Damage

  static let samples = [
    "mindspore-dtypes.ckpt", "mindspore-network.ckpt", "mindspore-split.ckpt", "mindspore-older.ckpt",
  ]

  /// Without its checksum, so that damage gets further.
  private static func plain(_ name: String) throws -> [UInt8] {
    let bytes = try Fixtures.bytes(name)
    return bytes.suffix(17).starts(with: "crc_num".utf8) ? Array(bytes.dropLast(17)) : bytes
  }

  /// No message counts the tensors: what ends between two of them has the first ones, whole.
  @Test(arguments: samples) func truncatedFileIsRefusedOrAStart(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    let file = TemporaryFile(bytes)
    let whole = Contents(try file.read())
    let ends = Self.valueEnds(bytes)
    for length in stride(from: bytes.count - 1, through: 0, by: -1) {
      file.truncate(to: length)
      do throws(CheckpointError) {
        let start = Contents(try file.read()).items
        #expect(ends.contains(length), "\(length) of \(bytes.count) bytes")
        // Names may differ: without its moving averages, a batch norm is not known as one.
        #expect(start.allSatisfy { item in whole.items.contains { $0.kind == item.kind && $0.bytes == item.bytes } })
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
  }

  /// Where the Values of a whole file end.
  private static func valueEnds(_ bytes: [UInt8]) -> Set<Int> {
    var ends: Set<Int> = []
    var offset = 0
    while offset < bytes.count, bytes[offset] == 0x0A {
      var length = 0
      var shift = 0
      repeat {
        offset += 1
        length |= Int(bytes[offset] & 0x7F) << shift
        shift += 7
      } while bytes[offset] >= 0x80
      offset += 1 + length
      ends.insert(offset)
    }
    return ends
  }

  @Test(arguments: samples, [1, 2] as [UInt64]) func mutatedFileNeverTraps(name: String, seed: UInt64) throws {
    print("seed \(seed)")
    var generator = SeededGenerator(state: seed)
    let original = try Self.plain(name)
    let file = TemporaryFile()
    var accepted = 0
    for _ in 0..<700 {
      file.write(mutation(of: original, using: &generator))
      if let checkpoint = try? file.read() {
        accepted += 1
        _ = Contents(checkpoint)
        #expect(checkpoint.tensors.reduce(0) { $0 + $1.tensor.byteCount } <= checkpoint.byteCount)
      }
    }
    #expect(accepted < 700)
  }
}
