import Checkpoints
import Conversion
import Files
import Tensors

extension FuzzTarget {
  private static let stateDictWords = [
    "state_dict", "model", "model_ema", "torch", "_rebuild_tensor_v2", "FloatStorage", "collections", "OrderedDict",
    "cpu", "numpy.core.multiarray", "_reconstruct", "scalar", "dtype", "builtins", "storage", "\u{80}\u{2}",
  ]

  /// Readers of checkpoints, each started from files of its format.
  static let checkpoints: [FuzzTarget] = [
    FuzzTarget(
      "zip", seeds: ["checkpoints/*-zip.pth"], words: ["PK", "data.pkl", "data/0", "version", "byteorder"],
      parse: readCheckpoint),
    FuzzTarget(
      "legacy", seeds: ["checkpoints/*-legacy.pth"], words: stateDictWords, byteLimit: 2048,
      parse: readCheckpoint),
    FuzzTarget(
      "tar", seeds: ["checkpoints/tar.pth"], words: ["ustar", "pickle", "tensors", "storages"], byteLimit: 1 << 13,
      parse: readCheckpoint),
    FuzzTarget("pickle", seeds: ["retrieval/revisited/*.pkl"], words: stateDictWords) { input in
      _ = try PlainPickle.read(try input.file())
    },
    FuzzTarget(
      "safetensors", seeds: ["checkpoints/*.safetensors"],
      words: ["__metadata__", "dtype", "shape", "data_offsets", "F32", "BF16", "{\"", "\":{", "[0,4]"],
      byteLimit: 1536, parse: readCheckpoint),
    FuzzTarget(
      "shard-index", seeds: ["forms/*/*.index.json"],
      words: ["metadata", "weight_map", "total_size", "model-00001-of-00002.safetensors", "../", "/"],
      byteLimit: 1 << 13
    ) { input in
      try readCheckpoint(try input.file(path: "\(Fixtures.path)/forms/sharded/model.safetensors.index.json"))
    },
    FuzzTarget("mindspore", seeds: ["checkpoints/mindspore-*"], words: ["Float32", "crc_num"], parse: readCheckpoint),
    FuzzTarget(
      "onnx", seeds: ["onnx/kinds/*.onnx", "onnx/tiny-functional.onnx"],
      words: ["Conv", "Constant", "ai.onnx", "If", "Loop"], byteLimit: 2560, parse: readCheckpoint),
    FuzzTarget(
      "onnx-external", seeds: ["onnx/tiny-external.onnx"],
      words: ["location", "offset", "length", "checksum", "tiny-external.weights", "../"], byteLimit: 1 << 13
    ) { input in try readCheckpoint(try input.file(path: "\(Fixtures.path)/onnx/model.onnx")) },
    FuzzTarget("onnx-tensor", seeds: ["fuzzing/seeds/*.pb"]) { input in
      let (_, tensor) = try ONNXTensorFile.read(try input.file())
      touch(tensor)
    },
    FuzzTarget(
      "golden", seeds: ["golden/*.safetensors"],
      words: ["sha256", "embedding", "normalized_embedding", "logits", "input", "framework", "crop_ratio", "mean"],
      byteLimit: 1 << 13
    ) { input in _ = try GoldenFile(try CheckpointOutline.open(try input.file())) },
    FuzzTarget(
      "embeddings", seeds: ["fuzzing/seeds/*.npy", "fuzzing/seeds/rows.*", "fuzzing/seeds/*.safetensors"],
      words: ["descr", "fortran_order", "shape", "<f4", "<f2", "files", "embedding"]
    ) { input in
      // Two of the formats are known by the names of their files alone.
      try FuzzTarget.any(of: ["input", "input.fbin", "input.fvecs"]) { name in
        let embeddings = try EmbeddingFile(try input.file(path: name))
        touch(try embeddings.rows(0..<min(embeddings.count, 16)))
      }
    },
  ]

  /// Reads a checkpoint and the elements of its tensors.
  private static let readCheckpoint: @Sendable (FuzzInput) throws -> Void = { try readCheckpoint(try $0.file()) }

  private static func readCheckpoint(_ file: MappedFile) throws {
    let checkpoint = try CheckpointOutline.open(file).defaultCheckpoint()
    for (_, tensor) in checkpoint.tensors.prefix(32) { touch(tensor) }
  }

  /// Reads every element of a tensor that is not large.
  private static func touch(_ tensor: Tensor) {
    guard tensor.elementCount <= 1 << 10 else { return }
    let copy = tensor.contiguous()
    let sum = copy.withBytes { $0.reduce(0) { $0 &+ Int($1) } }
    precondition(sum >= 0, "sums of bytes are positive")
  }
}
