import Checkpoints
import Files
import Tensors
import Testing

@Suite struct FixtureTests {
  static let good = [
    "dtypes-legacy", "dtypes-zip", "dtypes-extended-zip", "views-legacy", "views-zip", "special-legacy", "special-zip",
    "bare-legacy", "bare-zip", "parallel-legacy", "parallel-zip", "nested-legacy", "nested-zip", "mixed-prefix-zip",
    "training-legacy", "training-zip", "parameters-legacy", "parameters-zip", "protocol4-legacy", "protocol4-zip",
    "tar", "every",
    "mindspore-dtypes", "mindspore-network", "mindspore-split", "mindspore-older",
  ]

  @Test(arguments: good) func readsTheSameBitsAsTheFrameworks(name: String) throws {
    let checkpoint = try Checkpoint.read(path: Self.path(name))
    var expected: [Contents.Item] = []
    let lines = try Fixtures.text("\(name).expected").split(separator: "\n", omittingEmptySubsequences: false)
    for i in stride(from: 0, to: lines.count - 1, by: 2) {
      let words = lines[i].split(separator: " ")
      let kind = words[1...].joined(separator: " ")
      expected.append(.init(name: unquoted(words[0]), kind: kind, bytes: bytes(hex: lines[i + 1])))
    }
    // The safetensors library stores tensors in its own order.
    let sort = checkpoint.format == .safetensors
    let read = Contents(checkpoint).items
    let order = { (a: Contents.Item, b: Contents.Item) in a.name < b.name }
    #expect(!expected.isEmpty)
    #expect((sort ? read.sorted(by: order) : read) == (sort ? expected.sorted(by: order) : expected))
    let format: Checkpoint.Format =
      name.hasPrefix("mindspore")
      ? .mindspore
      : name.hasSuffix("zip")
        ? .pytorchZip : name.hasSuffix("legacy") ? .pytorchLegacy : name == "tar" ? .pytorchTar : .safetensors
    #expect(checkpoint.format == format)
  }

  static let bad = [
    "bad-shell-zip", "bad-eval-legacy", "bad-complex-zip", "bad-quantized-legacy", "bad-module-zip", "bad-tensor-zip",
    "bad-empty-legacy", "bad-torchscript-zip", "bad-plain-pickle", "bad-numpy",
  ]

  @Test(arguments: bad) func refusalSaysWhy(name: String) throws {
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.read(path: Self.path(name)) }
    for words in try Fixtures.text("\(name).expected").split(separator: "\n") {
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "") lacks \(words)")
    }
    #expect(error?.kind == .badData)
  }

  @Test(arguments: ["training-legacy", "training-zip"]) func baggageIsReported(name: String) throws {
    let checkpoint = try Checkpoint.read(path: Self.path(name))
    #expect(checkpoint.ignored.map(\.name) == ["extra", "args", "optimizer_state", "rng"])
    #expect(checkpoint.ignored[1].reason == "an object made by argparse.Namespace")
    #expect(checkpoint.ignored[2].reason == "optimiser state")
  }

  @Test func tensorsAreViewsOfTheFileWhosePagesCanGo() throws {
    let checkpoint = try Checkpoint.read(path: Self.path("views-legacy"))
    let base = try #require(checkpoint["base"])
    let slice = try #require(checkpoint["slice"])
    #expect(base.storage === slice.storage && slice.byteOffset == base.byteOffset + 7 * 4)
    for (_, tensor) in checkpoint.tensors { tensor.releasePages() }
    Tensor([1 as Float]).releasePages()
    #expect(base.elements(as: Float.self) == (0..<60).map(Float.init))
    #expect(checkpoint.byteCount == (try Fixtures.bytes("views-legacy.pth")).count)
    #expect(checkpoint.sha256() == SHA256.hash(try Fixtures.bytes("views-legacy.pth")))
  }

  @Test func metadataOfSafetensors() throws {
    let checkpoint = try Checkpoint.read(path: Self.path("every"))
    #expect(checkpoint.metadata == ["format": "pt\t\"\u{1F}"])
  }

  @Test func missingFileIsMissingInput() {
    let error = #expect(throws: CheckpointError.self) { try Checkpoint.read(path: "/nonexistent/r50.pth") }
    #expect(error?.kind == .missingInput)
    #expect(error?.description == "/nonexistent/r50.pth: no such file")
  }

  private static func path(_ name: String) -> String {
    let suffix = name == "every" ? ".safetensors" : name.hasPrefix("mindspore") ? ".ckpt" : ".pth"
    return "\(Fixtures.folder)/\(name)\(suffix)"
  }

  private func bytes(hex: Substring) -> [UInt8] {
    let digits = Array(hex.utf8).map { $0 < 0x3A ? $0 - 0x30 : $0 - 0x61 + 10 }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  private func unquoted(_ text: Substring) -> String {
    var result: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        result.append(byte)
        continue
      }
      result.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
      rest = rest.dropFirst(2)
    }
    return String(decoding: result, as: UTF8.self)
  }
}
