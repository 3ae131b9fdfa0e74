import FuzzTargets
import Testing

/// Every truncation of the smallest valid files of each format: an error, or the right answer where the format cannot
/// tell; never a trap.
@Suite struct TruncationTests {
  /// A format, and how many of its truncations a reader may accept.
  struct Format: Sendable, CustomTestStringConvertible {
    let target: String
    let file: String
    /// The number of bytes at the end without which the file still says all, or is another valid file.
    let accepted: Accepted

    enum Accepted: Sendable {
      case none
      /// As many bytes may lack at the end, which say nothing: padding, end marks, white space.
      case atEnd(Int)
      /// The format has no end: it is valid at the ends of its parts.
      case atParts
    }

    var testDescription: String { file }

    init(_ target: String, _ file: String, _ accepted: Accepted = .none) {
      (self.target, self.file, self.accepted) = (target, file, accepted)
    }
  }

  static let formats = [
    Format("zip", "checkpoints/parameters-zip.pth"),
    Format("legacy", "checkpoints/parameters-legacy.pth"),
    // Blocks of zeros end a tar file.
    Format("tar", "checkpoints/tar.pth", .atEnd(1024)),
    Format("pickle", "retrieval/revisited/gnd_rparis6k.pkl"),
    Format("safetensors", "checkpoints/every.safetensors"),
    Format("shard-index", "forms/sharded/model.safetensors.index.json"),
    Format("mindspore", "checkpoints/mindspore-dtypes.ckpt", .atParts),
    Format("onnx", "onnx/kinds/softmax-at-the-output.onnx", .atParts),
    Format("onnx-tensor", "fuzzing/seeds/raw.pb", .atParts),
    Format("golden", "golden/demo-bgr.safetensors"),
    Format("embeddings", "fuzzing/seeds/float32.npy"),
    Format("embeddings", "fuzzing/seeds/embeddings.safetensors"),
    Format("package", "packages/version-1.0.quern"),
    Format("package", "packages/version-1.0-quantised.quern"),
    Format("patch", "patches/version-1.0.qpatch"),
    Format("plan", "fuzzing/seeds/plan.json"),
    Format("report", "fidelity/decided.json", .atEnd(1)),
    Format("configuration", "fuzzing/seeds/gates.toml", .atParts),
    Format("licence", "fuzzing/seeds/nested.spdx", .atParts),
    Format("json", "retrieval/revisited/gnd_roxford5k.json", .atEnd(1)),
    Format("truth-json", "fuzzing/seeds/groups.json", .atEnd(1)),
    Format("truth-pickle", "retrieval/revisited/gnd_roxford5k.pkl"),
    Format("truth-csv", "fuzzing/seeds/pairs-graded.csv", .atParts),
    Format("rotations", "retrieval/holidays/holidays-rotate.yaml", .atParts),
    Format("labels", "retrieval/imagenet/val.txt", .atParts),
    Format("jpeg", "images/one-pixel.jpg"),
    // Like Pillow, the decoder needs no end mark after the last pixel.
    Format("png", "images/one-pixel.png", .atEnd(12)),
  ]

  @Test(arguments: formats) func everyTruncationIsRefused(format: Format) throws {
    let target = try #require(FuzzTarget.all.first { $0.name == format.target })
    let bytes = Fixtures.bytes(format.file)
    #expect(target.accepts(bytes), "the whole file is valid")
    let accepted = (0..<bytes.count).filter { target.accepts(Array(bytes[..<$0])) }
    print("\(format.target), \(format.file): \(bytes.count) truncations, \(accepted.count) accepted")
    switch format.accepted {
    case .none: #expect(accepted == [])
    case .atEnd(let count): #expect(accepted.allSatisfy { $0 >= bytes.count - count }, "\(accepted)")
    case .atParts: #expect(accepted.count < bytes.count / 2, "\(accepted)")
    }
  }
}
